"""The tables of addresses, read as a client would."""

import pytest

from shoal.errors import AdministrationRefused, MethodNotAllowed, ModelNotFound
from shoal_serving.http.routes import ADDRESSES, MODEL_ADDRESSES, find_route

EVERY = [(path, method) for path, methods in ADDRESSES.items() for method in methods]
EVERY_OF_MODEL = [(path, method) for path, methods in MODEL_ADDRESSES.items() for method in methods]


@pytest.mark.parametrize(("path", "method"), EVERY)
def test_an_address_has_its_handler_with_and_without_a_last_slash(path, method):
    expected = ADDRESSES[path][method]
    assert find_route(method, path, "m") == expected
    assert find_route(method, f"{path}/", "m") == expected


@pytest.mark.parametrize(("action", "method"), EVERY_OF_MODEL)
def test_a_models_address_may_name_the_revision(action, method):
    path = f"v2/models/m/{action}".rstrip("/")
    named = f"v2/models/m/versions/8f3c2a1b/{action}".rstrip("/")
    expected = MODEL_ADDRESSES[action][method]
    assert find_route(method, path, "m") == expected
    assert find_route(method, named, "m").handler is expected.handler
    assert find_route(method, named, "m").revision == "8f3c2a1b"


@pytest.mark.parametrize(("path", "method"), EVERY)
def test_an_address_does_not_take_other_methods(path, method):
    for other in {"GET", "POST", "PUT", "DELETE", "PATCH"} - ADDRESSES[path].keys():
        with pytest.raises(MethodNotAllowed, match=f"not {other}"):
            find_route(other, path, "m")


@pytest.mark.parametrize(("path", "method"), EVERY)
def test_what_can_be_got_can_be_asked_for_its_head(path, method):
    if method == "GET":
        assert find_route("HEAD", path, "m") == ADDRESSES[path]["GET"]
    elif "GET" not in ADDRESSES[path]:
        with pytest.raises(MethodNotAllowed, match="not HEAD"):
            find_route("HEAD", path, "m")


def test_only_inferences_are_counted():
    counted = {path for path, method in EVERY if ADDRESSES[path][method].counted}
    openai = {f"v1/{path}" for path in ("chat/completions", "completions", "embeddings", "rerank")}
    assert counted == {"", "rerank", *openai}
    inferences = {action for action, routes in MODEL_ADDRESSES.items() if "POST" in routes}
    assert inferences == {"infer", "generate", "generate_stream"}
    assert all(MODEL_ADDRESSES[action]["POST"].counted for action in inferences)


@pytest.mark.parametrize("path", ["v2/models", "v2x", "v1", "V2", "v2//", "v2/models/m/versions"])
def test_what_is_not_in_the_tables_is_not_there(path):
    with pytest.raises(ModelNotFound):
        find_route("GET", path.replace("//", "/ /"), "m")


@pytest.mark.parametrize("path", ["v2/models/other", "v2/models/m2/infer", "v2/models//infer"])
def test_another_model_is_not_here(path):
    with pytest.raises(ModelNotFound, match="this address serves 'm'"):
        find_route("POST", path, "m")


@pytest.mark.parametrize("path", ["v2/repository/models/m/load", "v2/logging", "v2/trace/setting"])
def test_administration_is_refused_for_every_method(path):
    for method in ("GET", "POST", "DELETE"):
        with pytest.raises(AdministrationRefused, match="shoal apply"):
            find_route(method, path, "m")


def test_addresses_without_end_are_not_remembered_without_end():
    for number in range(3000):
        find_route("POST", f"v2/models/m/versions/{number}/infer", "m")
    assert find_route.cache_info().currsize <= 1024
