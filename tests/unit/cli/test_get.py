"""`shoal get` and `shoal delete`: kubectl's tables, words and exit codes."""

import pytest

from shoal.api import Fleet, Model, parse_resource
from shoal.api.model import Placement


@pytest.fixture
def fleet(store):
    store.apply(
        parse_resource(
            {
                "apiVersion": "shoal.dev/v1alpha1",
                "kind": "Fleet",
                "metadata": {"name": "default"},
                "spec": {"pools": [{"name": "local"}]},
            }
        )
    )


def test_a_table_of_models(shoal, served, running):
    served(Ready="True/Ready")
    lines = shoal("get", "models").stdout.splitlines()
    assert lines[0] == "NAME   READY   REASON   TASK     REPLICAS   GPU   AGE"
    assert lines[1].startswith("echo   True    Ready    tensor   1/2        ")


def test_a_wide_table_says_where_and_what(shoal, served, running):
    served(Ready="True/Ready")
    titles, row = shoal("get", "models", "-o", "wide").stdout.splitlines()
    assert titles.split() == [
        "NAME",
        "READY",
        "REASON",
        "TASK",
        "REPLICAS",
        "GPU",
        "URL",
        "REVISION",
        "AGE",
    ]
    assert "http://127.0.0.1:8000/default/echo   8f3c2a1b" in row


@pytest.mark.parametrize(("gpus", "shown"), [({"gpu_memory": "8Gi"}, "8Gi"), ({"gpus": 2}, "2")])
def test_what_a_replica_has_of_gpus_is_shown(shoal, served, store, running, gpus, shown):
    model = served(Ready="True/Ready")
    placed = {"placement": Placement(pool="l4", **gpus)}
    store.report(model.model_copy(update={"status": model.status.model_copy(update=placed)}))
    _, row = shoal("get", "models").stdout.splitlines()
    assert row.split()[5] == shown


def test_every_namespace_is_a_column_more(shoal, served, running):
    served("a", "ops"), served("b", "dev")
    titles, *rows = shoal("get", "models", "-A").stdout.splitlines()
    assert titles.startswith("NAMESPACE   NAME   READY")
    assert [row.split()[:2] for row in rows] == [["dev", "b"], ["ops", "a"]]


def test_a_table_of_fleets(shoal, fleet, running):
    titles, row = shoal("get", "flt").stdout.splitlines()
    assert titles.split() == ["NAME", "READY", "REASON", "MODELS", "WORKERS", "GPUS", "AGE"]
    assert row.split()[:4] == ["default", "0/0", "0/0", "0"]


def test_several_kinds_are_several_tables(shoal, served, fleet, running):
    served()
    models, fleets = shoal("get", "models,fleets").stdout.split("\n\n")
    assert "\nmodel.shoal.dev/echo " in models
    assert "\nfleet.shoal.dev/default " in fleets


@pytest.mark.parametrize("word", ["model", "models", "mdl", "Models", "models.shoal.dev"])
def test_a_kind_has_many_words(shoal, served, word):
    served()
    assert shoal("get", word, "-o", "name").stdout == "model.shoal.dev/echo\n"


@pytest.mark.parametrize("words", [("model/a", "model/c"), ("model", "a", "c")])
def test_resources_by_name(shoal, served, words):
    for name in "abc":
        served(name)
    printed = shoal("get", *words, "-o", "name").stdout
    assert printed == "model.shoal.dev/a\nmodel.shoal.dev/c\n"


def test_what_is_not_there_is_an_error_and_the_rest_is_shown(shoal, served):
    served()
    result = shoal("get", "model", "echo", "ghost", "-o", "name")
    assert result.exit_code == 1
    assert result.stdout == "model.shoal.dev/echo\n"
    assert 'Error from server (NotFound): models.shoal.dev "ghost" not found\n' in result.stderr


def test_nothing_is_no_error(shoal, running):
    for words, said in (
        (("get", "models"), "No resources found in default namespace.\n"),
        (("get", "models", "-n", "ops"), "No resources found in ops namespace.\n"),
        (("get", "models", "-A"), "No resources found\n"),
        (("get", "fleets"), "No resources found\n"),
    ):
        result = shoal(*words)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("get",), "error: Required resource not specified.\n"),
        (("get", "pods"), 'error: the server doesn\'t have a resource type "pods"\n'),
        (("get", "model/"), "error: arguments in resource/name form"),
        (("get", "model/x", "-A"), "error: a resource cannot be retrieved by name across all"),
        (("get", "models", "-o", "xml"), "error: Invalid value for '-o'"),
        (("get", "models", "--nope"), "error: No such option '--nope'."),
        (("fetch",), "error: No such command 'fetch'."),
        (("delete", "models"), "error: resource(s) were provided, but no name was specified\n"),
        (("delete",), "error: expected either resources or -f\n"),
    ],
)
def test_what_makes_no_sense_is_said(shoal, words, said):
    result = shoal(*words)
    assert result.exit_code == 1
    assert result.stderr.startswith(said)


def test_without_shoal_up_nothing_is_ready(shoal, served, home):
    served(Ready="True/Ready", Loaded="True/Loaded")
    result = shoal("get", "models", "-o", "wide")
    assert result.stderr == f"Warning: Shoal is not running on {home}; `shoal up` starts it.\n"
    assert result.stdout.splitlines()[1].split()[:4] == ["echo", "Unknown", "NotRunning", "tensor"]
    assert "http" not in result.stdout
    assert "0/2" in result.stdout


def test_a_manifest_that_makes_no_sense_is_named(shoal, served, home, running):
    served()
    (home / "models/default/odd.yaml").write_text("kind: Model\n")
    result = shoal("get", "models")
    assert result.exit_code == 0
    assert "echo" in result.stdout
    assert "models/default/odd.yaml:1: apiVersion: Required value" in result.stderr


def test_a_named_manifest_that_makes_no_sense_is_an_error(shoal, served, home, running):
    served()
    (home / "models/default/odd.yaml").write_text("kind: Model\n")
    assert shoal("get", "model/odd").exit_code == 1


def test_nothing_is_coloured_where_nobody_looks(shoal, served, running):
    served(Ready="True/Ready")
    assert "\x1b" not in shoal("get", "models").output
    assert "\x1b[32mTrue" in shoal("get", "models", color=True).output
    uncoloured = shoal("get", "models", color=True, env={"NO_COLOR": "1"})
    assert "\x1b" not in uncoloured.output


def test_delete_by_name(shoal, served, store):
    for name in "abc":
        served(name)
    result = shoal("delete", "model/a", "mdl/b")
    assert result.stdout == 'model.shoal.dev "a" deleted\nmodel.shoal.dev "b" deleted\n'
    assert [one.metadata.name for one in store.list(Model)] == ["c"]


def test_delete_by_file(shoal, manifest, store):
    shoal("apply", "-f", manifest())
    assert shoal("delete", "-f", manifest()).stdout == 'model.shoal.dev "echo" deleted\n'
    assert store.list(Model) == []


def test_delete_all_of_a_namespace(shoal, served, fleet, store):
    served("a"), served("b", "ops")
    assert shoal("delete", "models", "--all").stdout == 'model.shoal.dev "a" deleted\n'
    assert shoal("delete", "models", "--all").stderr == "No resources found\n"
    assert shoal("delete", "models,fleets", "--all", "-A").stdout.count("deleted") == 2
    assert store.list(Fleet) == []


def test_delete_what_is_not_there(shoal):
    result = shoal("delete", "model/ghost")
    assert result.exit_code == 1
    assert result.stderr == 'Error from server (NotFound): models.shoal.dev "ghost" not found\n'
    assert shoal("delete", "model/ghost", "--ignore-not-found").exit_code == 0
