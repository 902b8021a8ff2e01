"""Manifest files: several documents, JSON, lists, lines, and relative addresses."""

import json

import pytest

from shoal.cluster.local import load, load_bytes

GOOD = """\
apiVersion: shoal.dev/v1alpha1
kind: Model
metadata: {name: NAME}
spec: {source: {uri: "URI"}}
"""


def manifest(name: str = "echo", uri: str = "file:///models/echo") -> str:
    return GOOD.replace("NAME", name).replace("URI", uri)


def read(text: str, tmp_path):
    return load_bytes(text.encode(), "a.yaml", tmp_path)


def problems(text: str, tmp_path) -> list[str]:
    return [str(problem) for problem in read(text, tmp_path).problems]


def test_a_file_holds_several_documents(tmp_path):
    loaded = read(f"---\n{manifest('a')}---\n# nothing\n---\n{manifest('b')}", tmp_path)
    assert [one.metadata.name for one in loaded.resources] == ["a", "b"]
    assert loaded.problems == []


def test_json_is_read_too(tmp_path):
    (tmp_path / "a.json").write_text(
        json.dumps(
            {
                "apiVersion": "shoal.dev/v1alpha1",
                "kind": "Model",
                "metadata": {"name": "echo", "annotations": {"of": "回声"}},
                "spec": {"source": {"uri": "file:///x"}},
            },
            indent="\t",
        )
    )
    (echo,) = load(tmp_path / "a.json").resources
    assert echo.metadata.annotations == {"of": "回声"}


def test_a_list_is_its_items(tmp_path):
    items = "\n".join("- " + manifest(name).replace("\n", "\n  ") for name in ("a", "b"))
    loaded = read(f"apiVersion: v1\nkind: List\nitems:\n{items}\n", tmp_path)
    assert [one.metadata.name for one in loaded.resources] == ["a", "b"]


def test_a_folder_is_its_manifests_but_not_their_folders(tmp_path):
    (tmp_path / "b.yaml").write_text(manifest("b"))
    (tmp_path / "a.yml").write_text(manifest("a"))
    (tmp_path / "README.md").write_text("no manifest")
    (tmp_path / "models").mkdir()
    (tmp_path / "models/config.json").write_text("{}")
    assert [one.metadata.name for one in load(tmp_path).resources] == ["a", "b"]


@pytest.mark.parametrize("uri", ["file:weights/1", "file:./weights/1", "file:other/../weights/1"])
def test_a_relative_address_is_relative_to_the_file(tmp_path, uri):
    (tmp_path / "a.yaml").write_text(manifest(uri=uri))
    (echo,) = load(tmp_path / "a.yaml").resources
    assert echo.spec.source.uri == (tmp_path / "weights/1").as_uri()


@pytest.mark.parametrize("uri", ["file:///x", "file:/x", "https://host/x"])
def test_an_absolute_address_stays(tmp_path, uri):
    (echo,) = read(manifest(uri=uri), tmp_path).resources
    assert echo.spec.source.uri == uri


def test_a_relative_address_may_hold_spaces(tmp_path):
    (echo,) = read(manifest(uri="file:my model"), tmp_path).resources
    assert echo.spec.source.uri == (tmp_path / "my model").as_uri()


def test_the_addresses_of_adapters_are_made_absolute_alike(tmp_path):
    adapters = "[{name: a, uri: 'file:lora/a'}, {name: b, uri: 'https://host/b', digest: D}]"
    digest = "sha256:" + "a" * 64
    generation = f"{{maxTokens: 64, adapters: {adapters.replace('D', digest)}}}"
    text = manifest().replace(
        "spec: {", f"spec: {{task: text-generation, generation: {generation}, "
    )
    spec = read(text, tmp_path).resources[0].spec
    a, b = spec.generation.adapters
    assert (a.uri, b.uri, b.digest) == ((tmp_path / "lora/a").as_uri(), "https://host/b", digest)
    assert spec.generation.max_tokens == 64


def test_every_problem_says_its_line(tmp_path):
    text = f"{manifest()}---\n{manifest('odd', 's3://x')}  replicas: -1\n"
    text = text.replace('spec: {source: {uri: "s3://x"}}', 'spec:\n  source:\n    uri: "s3://x"')
    loaded = read(text, tmp_path)
    assert [one.metadata.name for one in loaded.resources] == ["echo"]
    first, second = loaded.problems[0].problems
    assert first.startswith('a.yaml:11: spec.source.uri: Invalid value: "s3://x"')
    assert second.startswith("a.yaml:12: spec.replicas: Invalid value: -1")


def test_a_key_said_twice_is_refused_and_the_next_document_read(tmp_path):
    text = manifest().replace("{name: NAME}", "{}").replace("kind: Model", "kind: Model\nkind: X")
    loaded = read(f"{text}---\n{manifest('next')}", tmp_path)
    assert [str(one) for one in loaded.problems] == [
        'a.yaml:3 is invalid: "kind" is already said above'
    ]
    assert [one.metadata.name for one in loaded.resources] == ["next"]


def test_anchors_and_merge_keys_work(tmp_path):
    text = (
        manifest().replace("spec: {", "spec: &spec {")
        + "---\n"
        + "apiVersion: shoal.dev/v1alpha1\nkind: Model\nmetadata: {name: b}\n"
        + "spec:\n  batching: &b {timeout: 5s}\n  <<: {replicas: 2, batching: {timeout: 9s}}\n"
        + "  source: {uri: 'file:///x'}\n"
    )
    spec = read(text, tmp_path).resources[1].spec
    assert (spec.replicas, spec.batching.timeout) == (2, "5s")


def test_a_date_stays_the_text_that_was_written(tmp_path):
    text = manifest().replace("name: echo", "name: echo, annotations: {since: 2026-01-02}")
    assert read(text, tmp_path).resources[0].metadata.annotations == {"since": "2026-01-02"}


def test_what_is_no_yaml_says_where(tmp_path):
    (problem,) = problems(f"{manifest()}---\na: 1\n  b: 2\n", tmp_path)
    assert problem.startswith("a.yaml:7 is invalid: mapping values are not allowed")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: \x01", "control characters are not allowed"),
        ("a: !!python/object:os.system x", "a.yaml:1"),
        ("- 1", "expected a map"),
        ("42", "expected a map"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path, text, words):
    (problem,) = problems(text, tmp_path)
    assert words in problem


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"a: \xff")
    (problem,) = load(tmp_path / "a.yaml").problems
    assert str(problem).endswith("a.yaml is invalid: expected UTF-8 text, but byte 3 is none")


def test_a_file_that_is_gone_is_a_problem(tmp_path):
    (problem,) = load(tmp_path / "a.yaml").problems
    assert "cannot be read" in str(problem)
