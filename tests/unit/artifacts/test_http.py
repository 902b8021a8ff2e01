import socket
import traceback

import pytest

from shoal.errors import (
    ArtifactNotFound,
    ArtifactRefused,
    ArtifactUnavailable,
    DigestMismatch,
)
from shoal_serving.artifacts import Cache
from shoal_serving.artifacts.requesting import redirected

CONTENT = bytes(range(256)) * 12_000  # three chunks


def test_a_file_is_downloaded_once_and_then_only_asked_for(cache, server):
    uri = server.put("/v1/model.onnx", CONTENT)
    artifact = cache.fetch(uri)
    assert (artifact.folder / "model.onnx").read_bytes() == CONTENT
    assert cache.fetch(uri) == artifact
    assert server.bodies == [len(CONTENT)]
    assert "If-None-Match" in server.asked[1]


def test_a_server_without_validators_is_downloaded_from_again(cache, server):
    server.etags = False
    uri = server.put("/model.onnx", CONTENT)
    assert cache.fetch(uri) == cache.fetch(uri)
    assert len(server.bodies) == 2


def test_a_changed_file_has_a_new_digest(cache, server):
    old = cache.fetch(server.put("/model.onnx", b"one"))
    new = cache.fetch(server.put("/model.onnx", b"two"))
    assert old.digest != new.digest
    assert (new.folder / "model.onnx").read_bytes() == b"two"


def test_a_held_pin_or_preference_is_never_asked_for(cache, server):
    uri = server.put("/model.onnx", CONTENT)
    artifact = cache.fetch(uri)
    assert cache.fetch(uri, digest=artifact.digest) == artifact
    assert cache.fetch(uri, prefer=artifact.digest) == artifact
    assert len(server.asked) == 1


def test_bytes_that_are_not_the_pinned_ones_are_removed(cache, server, tmp_path):
    with pytest.raises(DigestMismatch, match="is pinned"):
        cache.fetch(server.put("/model.onnx", CONTENT), digest="sha256:" + "0" * 64)
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert all(path.stat().st_size == 0 for path in kept)


def test_a_broken_download_goes_on_where_it_stopped(cache, server, pauses):
    uri, server.cut = server.put("/model.onnx", CONTENT), 2_500_000
    artifact = cache.fetch(uri)
    assert (artifact.folder / "model.onnx").read_bytes() == CONTENT
    assert pauses == [1.0]
    start = int(server.asked[1]["Range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= 2_500_000
    assert server.bodies == [len(CONTENT), len(CONTENT) - start]


def test_a_server_that_knows_no_ranges_sends_all_of_it_again(cache, server):
    server.ranges = False
    uri, server.cut = server.put("/model.onnx", CONTENT), 2_500_000
    assert (cache.fetch(uri).folder / "model.onnx").read_bytes() == CONTENT
    assert server.bodies == [len(CONTENT)] * 2


def test_a_file_that_changed_since_the_break_is_not_joined_to_the_old_half(tmp_path, server):
    uri, server.cut = server.put("/model.onnx", CONTENT), 2_500_000
    cache = Cache(tmp_path, sleep=lambda _: server.put("/model.onnx", CONTENT[::-1]))
    assert (cache.fetch(uri).folder / "model.onnx").read_bytes() == CONTENT[::-1]
    assert server.bodies == [len(CONTENT)] * 2


@pytest.mark.parametrize("answer", [(416, {}), (206, {}), (206, {"Content-Range": "bytes 7-9/10"})])
def test_an_answer_that_does_not_fit_starts_the_download_again(tmp_path, server, answer):
    uri, server.cut = server.put("/model.onnx", CONTENT), 2_500_000
    answers = [answer]
    cache = Cache(tmp_path, sleep=lambda _: server.canned.extend(answers) or answers.clear())
    assert (cache.fetch(uri).folder / "model.onnx").read_bytes() == CONTENT


def test_half_a_file_is_never_cached(cache, server, tmp_path):
    uri = server.put("/model.onnx", b"half")
    server.canned = [(200, {"Content-Length": "8"})] * 4
    with pytest.raises(ArtifactUnavailable, match="in the middle"):
        cache.fetch(uri)
    assert not (tmp_path / "cache" / "sha256").exists()


def test_a_file_of_unknown_length_is_refused(cache, server):
    uri = server.put("/model.onnx", b"")
    server.canned = [(200, {"Content-Length": "?"})]
    with pytest.raises(ArtifactRefused, match="does not say how long"):
        cache.fetch(uri)


@pytest.mark.parametrize(
    ("status", "error", "tries"),
    [
        (400, ArtifactNotFound, 1),
        (401, ArtifactNotFound, 1),
        (403, ArtifactNotFound, 1),
        (404, ArtifactNotFound, 1),
        (410, ArtifactNotFound, 1),
        (204, ArtifactNotFound, 1),
        (429, ArtifactUnavailable, 4),
        (500, ArtifactUnavailable, 4),
        (503, ArtifactUnavailable, 4),
    ],
)
def test_a_failure_names_the_status_and_is_tried_again_where_that_helps(
    cache, server, pauses, status, error, tries
):
    server.canned = [(status, {})] * 4
    with pytest.raises(error, match=rf"{server.address}/model.onnx answered {status}"):
        cache.fetch(server.put("/model.onnx", CONTENT))
    assert len(server.asked) == tries
    assert pauses == [1.0, 2.0, 4.0][: tries - 1]


def test_a_server_that_comes_back_is_found_again(cache, server):
    server.canned = [(503, {}), (502, {})]
    assert cache.fetch(server.put("/model.onnx", CONTENT)).size == len(CONTENT)


def test_a_refused_connection_is_unavailable_and_says_why(cache, pauses):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ArtifactUnavailable, match="Connection refused"):
            cache.fetch(f"http://127.0.0.1:{port}/model.onnx")
    assert len(pauses) == 3


def test_credentials_are_sent_and_never_shown(cache, server):
    server.put("/model.onnx", CONTENT)
    server.canned = [(403, {})]
    uri = f"http://me:hunter2@{server.address}/model.onnx?token=hunter3"
    with pytest.raises(ArtifactNotFound) as caught:
        cache.fetch(uri)
    assert server.asked[0]["Authorization"].startswith("Basic ")
    assert "hunter" not in "".join(traceback.format_exception(caught.value))
    assert cache.fetch(uri).folder.name == "model.onnx"


def test_credentials_are_not_shown_when_nobody_answers(cache):
    secret = "hunter2"
    with pytest.raises(ArtifactUnavailable) as caught:
        cache.fetch(f"http://me:{secret}@127.0.0.1:1/model.onnx?token={secret}")
    assert secret not in "".join(traceback.format_exception(caught.value))


def test_a_redirect_is_followed_without_the_credentials_of_the_first_host(cache, server):
    server.put("/model.onnx", CONTENT)
    server.canned = [(302, {"Location": f"http://{server.address}/model.onnx"})]
    artifact = cache.fetch(f"http://me:secret@{server.address}/latest.onnx")
    assert (artifact.folder / "latest.onnx").read_bytes() == CONTENT
    assert "Authorization" not in server.asked[1]


def test_an_authorization_is_sent_to_the_first_server_alone(cache, server, elsewhere):
    elsewhere.put("/m.bin", b"moved")
    url = server.put("/m.bin", b"here")
    server.canned.append((302, {"Location": "/again"}))
    server.canned.append((302, {"Location": f"http://{elsewhere.address}/m.bin"}))
    cache.fetch(url, authorization="Bearer abc")
    assert [asked.get("Authorization") for asked in server.asked] == ["Bearer abc"] * 2
    assert [asked.get("Authorization") for asked in elsewhere.asked] == [None]


def test_what_was_fetched_with_an_authorization_is_not_known_without_it(cache, server):
    url = server.put("/m.bin", b"private")
    cache.fetch(url, authorization="Bearer abc")
    server.canned.append((403, {}))
    with pytest.raises(ArtifactNotFound, match=r"answered 403.*secretName"):
        cache.fetch(url)


def test_a_redirect_in_circles_is_refused(cache, server):
    server.canned = [(301, {"Location": "/model.onnx"})] * 9
    with pytest.raises(ArtifactRefused, match="more than 5 times"):
        cache.fetch(server.put("/model.onnx", CONTENT))


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("http://a/x", "y", "http://a/y"),
        ("http://a/x", "https://b/y", "https://b/y"),
        ("https://a/x", "https://b/y", "https://b/y"),
        ("https://a/x", "http://a/x", None),
        ("http://a/x", "file:///etc/passwd", None),
        ("http://a/x", "ftp://a/x", None),
        ("http://a/x", "http://[", None),
        ("http://a/x", "", None),
    ],
)
def test_a_redirect_leads_to_no_less_safe_a_place(url, location, target):
    if target:
        assert redirected(url, location) == target
        return
    with pytest.raises(ArtifactRefused, match="not safe to follow"):
        redirected(url, location)


@pytest.mark.parametrize("declared", [{}, {"Content-Length": str(1 << 50)}])
def test_more_than_the_limit_is_refused(tmp_path, server, declared):
    uri = server.put("/model.onnx", CONTENT)
    server.canned = [(200, declared)] if declared else []
    with pytest.raises(ArtifactRefused, match="the limit is 1 MiB"):
        Cache(tmp_path, max_artifact_bytes=1 << 20).fetch(uri)


def test_more_than_the_disk_holds_is_not_begun_and_the_numbers_are_told(tmp_path, server, pauses):
    uri = server.put("/model.onnx", CONTENT)
    server.canned = [(200, {"Content-Length": str(1 << 60)})]
    with pytest.raises(ArtifactUnavailable, match=r"TiB needed\); .* are free"):
        Cache(tmp_path, max_artifact_bytes=1 << 62, sleep=pauses.append).fetch(uri)
    assert not pauses


def test_progress_never_goes_back_and_ends_at_the_total(cache, server):
    seen = []
    uri = server.put("/model.onnx", CONTENT)
    cache.fetch(uri, progress=lambda *step: seen.append(step))
    assert seen[0] == ("download", 0, len(CONTENT))
    assert seen[-1] == ("download", len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)
