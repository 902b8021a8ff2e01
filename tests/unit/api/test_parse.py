"""What a person may write, and what they are told of what they may not."""

from typing import Any

import pytest

from shoal.api import Fleet, Model, parse_resource
from shoal.errors import InvalidResource

URI = "file:///models/echo"
HUGE = 1 << 20_000  # has more digits than Python writes


def a_manifest(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "Model",
        "metadata": {"name": "echo", "namespace": "ops"},
        "spec": {"source": {"uri": URI}, **spec},
    }


def with_metadata(**metadata: Any) -> dict[str, Any]:
    return a_manifest() | {"metadata": {"name": "echo", **metadata}}


def a_fleet_manifest(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "Fleet",
        "metadata": {"name": "default"},
        "spec": {"pools": [{"name": "local"}], **spec},
    }


def refused(manifest: object) -> tuple[str, ...]:
    with pytest.raises(InvalidResource) as caught:
        parse_resource(manifest)
    return caught.value.problems


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (
            {"tusk": "tensor"},
            'spec.tusk: Unknown field: "tensor": expected one of task, source, backend, precision, '
            "resources, batching, generation, replicas, scaling, rollout, fleet, suspend",
        ),
        (
            {"batching": {"max_batch_size": 3}},
            "spec.batching.max_batch_size: Unknown field: 3: expected one of maxBatchSize, "
            "maxQueueSize, timeout",
        ),
        (
            {"backend": {"triton": {}, "onnxRuntime": {}}},
            "spec.backend.triton: Unknown field: {}: expected onnxRuntime",
        ),
        (
            {"backend": {"onnxRuntime": {"threads": 4}}},
            "spec.backend.onnxRuntime.threads: Unknown field: 4: expected one of "
            "executionProviders, sessionOptions",
        ),
        ({"source": {}}, "spec.source.uri: Required value"),
        ({"source": None}, "spec.source: Required value"),
        ({"source": URI}, f'spec.source: Invalid value: "{URI}": must be of type object'),
        ({"source": {"uri": 5}}, "spec.source.uri: Invalid value: 5: must be of type string"),
        (
            {"source": {"uri": "hf://org/model"}},
            'spec.source.uri: Invalid value: "hf://org/model": expected an address that begins '
            "with one of file:, http://, https://",
        ),
        (
            {"source": {"uri": URI, "digest": "sha256:ABC"}},
            'spec.source.digest: Invalid value: "sha256:ABC": expected sha256: and 64 hexadecimal '
            "digits in lower case",
        ),
        (
            {"task": "translation"},
            'spec.task: Unsupported value: "translation": supported values: "tensor", '
            '"text-classification", "question-answering", "feature-extraction", "text-ranking", '
            '"text-generation"',
        ),
        (
            {"backend": {}},
            "spec.backend: Invalid value: {}: expected exactly one of: onnxRuntime",
        ),
        (
            {"backend": {"onnxRuntime": None}},
            'spec.backend: Invalid value: {"onnxRuntime": null}: expected exactly one of: '
            "onnxRuntime",
        ),
        (
            {"backend": {"onnxRuntime": {"executionProviders": "CPUExecutionProvider"}}},
            'spec.backend.onnxRuntime.executionProviders: Invalid value: "CPUExecutionProvider": '
            "must be of type array",
        ),
        (
            {"backend": {"onnxRuntime": {"executionProviders": ["CPU"]}}},
            'spec.backend.onnxRuntime.executionProviders.0: Unsupported value: "CPU": supported '
            'values: "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"',
        ),
        (
            {"replicas": -1},
            "spec.replicas: Invalid value: -1: should be greater than or equal to 0",
        ),
        ({"replicas": "3"}, 'spec.replicas: Invalid value: "3": must be of type integer'),
        ({"replicas": 2.0}, "spec.replicas: Invalid value: 2.0: must be of type integer"),
        ({"replicas": True}, "spec.replicas: Invalid value: true: must be of type integer"),
        (
            {"replicas": HUGE},
            "spec.replicas: Invalid value: a value too long to show: should be less than or "
            "equal to 1000",
        ),
        ({"suspend": "yes"}, 'spec.suspend: Invalid value: "yes": must be of type boolean'),
        ({"suspend": 1}, "spec.suspend: Invalid value: 1: must be of type boolean"),
        ({"resources": ["1"]}, 'spec.resources: Invalid value: ["1"]: must be of type object'),
        (
            {"resources": {"cpu": "half"}},
            'spec.resources.cpu: Invalid value: "half": expected a quantity such as 500m, 2 or 2Gi',
        ),
        (
            {"resources": {"cpu": "2\n"}},
            'spec.resources.cpu: Invalid value: "2\\n": expected a quantity such as 500m, 2 or 2Gi',
        ),
        (
            {"resources": {"cpu": "100u"}},
            'spec.resources.cpu: Invalid value: "100u": expected whole thousandths of a core '
            "such as 500m, 1.5 or 2, at most 100k",
        ),
        (
            {"resources": {"memory": 0}},
            "spec.resources.memory: Invalid value: 0: expected whole bytes such as 512Mi or 2Gi, "
            "from 1 to 256Ti",
        ),
        (
            {"resources": {"memory": "1e50"}},
            'spec.resources.memory: Invalid value: "1e50": expected whole bytes such as 512Mi or '
            "2Gi, from 1 to 256Ti",
        ),
        (
            {"resources": {"memory": HUGE}},
            "spec.resources.memory: Too long: may not be more than 32 bytes",
        ),
        (
            {"batching": {"timeout": 30}},
            "spec.batching.timeout: Invalid value: 30: must be of type string",
        ),
        (
            {"batching": {"timeout": "0s"}},
            'spec.batching.timeout: Invalid value: "0s": expected more than 0s',
        ),
        (
            {"precision": "int8"},
            'spec.precision: Invalid value: "int8": expected auto or fp32: only task '
            "text-generation is quantized",
        ),
        (
            {"task": "tensor", "generation": {}},
            "spec.generation: Forbidden: only task text-generation generates text. Leave it out, "
            "or say that task",
        ),
        (
            {"fleet": "Default"},
            "spec.fleet: Invalid value: \"Default\": expected lower-case letters, digits and '-', "
            "at most 63 (RFC 1123)",
        ),
    ],
)
def test_a_refusal_names_path_value_and_expectation(spec, problem):
    assert refused(a_manifest(**spec)) == (problem,)


PIRATE = {"name": "pirate", "uri": "file:///models/pirate"}
NAMES = "letters, digits, '-', '_' and '.', a letter or digit at each end"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            {"maxLength": 5},
            "maxLength: Unknown field: 5: expected one of maxSequences, maxTokens, prefixCache, "
            "kvCache, adapters",
        ),
        (
            {"maxSequences": 0},
            "maxSequences: Invalid value: 0: should be greater than or equal to 1",
        ),
        ({"kvCache": "fp8"}, 'kvCache: Unsupported value: "fp8": supported values: "auto", "int8"'),
        ({"maxTokens": "9"}, 'maxTokens: Invalid value: "9": must be of type integer'),
        ({"maxTokens": 1}, "maxTokens: Invalid value: 1: should be greater than or equal to 2"),
        (
            {"prefixCache": "0.5"},
            'prefixCache: Invalid value: "0.5": expected whole bytes such as 512Mi or 2Gi, from 0',
        ),
        ({"adapters": [{"name": "x"}]}, "adapters.0.uri: Required value"),
        ({"adapters": [{"uri": URI}]}, "adapters.0.name: Required value"),
        (
            {"adapters": [PIRATE | {"uri": "s3://x"}]},
            'adapters.0.uri: Invalid value: "s3://x": expected an address that begins with one of',
        ),
        (
            {"adapters": [PIRATE | {"digest": "md5:0"}]},
            'adapters.0.digest: Invalid value: "md5:0": expected sha256: and 64 hexadecimal',
        ),
        (
            {"adapters": [PIRATE | {"name": "org/pirate"}]},
            f'adapters.0.name: Invalid value: "org/pirate": expected {NAMES}',
        ),
        ({"adapters": [PIRATE | {"name": ""}]}, 'adapters.0.name: Invalid value: "": expected'),
        (
            {"adapters": [PIRATE | {"weight": 1}]},
            "adapters.0.weight: Unknown field: 1: expected one of uri, digest, secretName, name",
        ),
        (
            {"adapters": [PIRATE, PIRATE | {"uri": URI}]},
            'adapters.1: Duplicate value: {"name": "pirate"}',
        ),
        ({"adapters": [PIRATE] * 129}, "adapters: Too many: must have at most 128 items"),
        (
            {"adapters": [PIRATE, PIRATE | {"name": "echo"}]},
            'adapters: Invalid value: [{"name": "pirate", "uri": "file:///models/pirate"}, ',
        ),
    ],
)
def test_how_text_is_generated_is_checked(said, problem):
    (found,) = refused(a_manifest(task="text-generation", generation=said))
    assert found.startswith(f"spec.generation.{problem}")


def test_128_adapters_are_allowed():
    many = [PIRATE | {"name": f"a{at}"} for at in range(128)]
    spec = parse_resource(a_manifest(task="text-generation", generation={"adapters": many}))
    assert len(spec.spec.generation.adapters) == 128


def test_text_is_generated_with_these_defaults():
    spec = parse_resource(a_manifest(task="text-generation", generation={})).spec
    generation = spec.generation
    assert (spec.precision, generation.max_sequences, generation.max_tokens) == ("auto", 16, 2048)
    assert (generation.prefix_cache, generation.adapters) == ("256Mi", ())


@pytest.mark.parametrize("precision", ["auto", "fp32", "fp16", "int8", "int4"])
def test_text_is_generated_in_any_precision_and_without_a_prefix_cache(precision):
    generation = {"prefixCache": 0, "adapters": [PIRATE | {"name": "Llama-3.1_terse"}]}
    manifest = a_manifest(task="text-generation", precision=precision, generation=generation)
    model = parse_resource(manifest)
    assert model.spec.precision == precision
    assert model.spec.generation.prefix_cache.value == 0
    assert parse_resource(model.model_dump(mode="json")) == model


def test_a_wrong_task_is_the_only_problem_of_what_depends_on_it():
    (problem,) = refused(a_manifest(task="chat", precision="int4", generation={}))
    assert problem.startswith("spec.task: ")


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({"name": "x" * 64}, "metadata.name: Too long: may not be more than 63 bytes"),
        ({"name": "echo.v2"}, 'metadata.name: Invalid value: "echo.v2": expected lower-case'),
        ({"name": 7}, "metadata.name: Invalid value: 7: must be of type string"),
        ({"namespace": "-ops"}, 'metadata.namespace: Invalid value: "-ops": expected lower-case'),
        ({"labels": ["x"]}, 'metadata.labels: Invalid value: ["x"]: must be of type object'),
        (
            {"labels": {"no spaces": "x"}},
            'metadata.labels.no spaces: Invalid value: "no spaces": expected a key such as team or '
            "example.com/team, at most 63 after the slash",
        ),
        (
            {"labels": {"example..com/team": "x"}},
            'metadata.labels.example..com/team: Invalid value: "example..com/team": expected a key',
        ),
        (
            {"labels": {f"{'x' * 254}/team": "x"}},
            f"metadata.labels.{'x' * 254}/team: Invalid value: ",
        ),
        (
            {"owner": "me"},
            'metadata.owner: Unknown field: "me": expected one of name, namespace, labels, annot',
        ),
        (
            {"labels": {"team": "no/slash"}},
            "metadata.labels.team: Invalid value: \"no/slash\": expected letters, digits, '-', '_' "
            "and '.', at most 63, a letter or digit at each end",
        ),
        ({"labels": {"team": 7}}, "metadata.labels.team: Invalid value: 7: must be of type string"),
        ({"annotations": {"note": "x" * 2**19}}, "metadata.annotations: Invalid value: "),
    ],
)
def test_names_and_labels_follow_kubernetes_rules(metadata, problem):
    (said,) = refused(with_metadata(**metadata))
    assert said.startswith(problem)
    assert len(said) < 500


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        (None, "expected a map, got null"),
        ([], "expected a map, got []"),
        ({}, "apiVersion: Required value: expected shoal.dev/v1alpha1"),
        (
            {"apiVersion": "v1", "kind": "Pod"},
            'apiVersion: Invalid value: "v1": expected shoal.dev/v1alpha1',
        ),
        (
            {"apiVersion": "shoal.dev/v1alpha1", "kind": ["Model"]},
            'kind: Invalid value: ["Model"]: expected one of Model, Fleet',
        ),
        (a_manifest() | {"spec": None}, "spec: Required value"),
        (
            a_manifest() | {"metadata": "echo"},
            'metadata: Invalid value: "echo": must be of type object',
        ),
        (
            a_manifest() | {"data": {}},
            "data: Unknown field: {}: expected one of apiVersion, kind, metadata, spec",
        ),
        (
            a_fleet_manifest(pools=[{"name": "a", "cpu": {}}]),
            "spec.pools.0.cpu: Unknown field: {}: "
            "expected one of name, workers, gpu, resources, template",
        ),
        (
            a_fleet_manifest() | {"metadata": {"name": "default", "namespace": "ops"}},
            "metadata.namespace: Forbidden: a Fleet belongs to no namespace",
        ),
        (a_fleet_manifest(pools=[]), "spec.pools: Invalid value: []: should have at least 1 items"),
        (
            a_manifest() | {"spec": {"source": {"uri": URI}, 3: 4}},
            "spec.3: Invalid value: 3: Keys should be strings",
        ),
        (
            a_fleet_manifest(pools=[{"name": "a"}, {"name": "a"}]),
            'spec.pools.1: Duplicate value: {"name": "a"}',
        ),
        (
            a_fleet_manifest(pools=[None]),
            "spec.pools.0: Invalid value: null: must be of type object",
        ),
    ],
)
def test_a_manifest_of_another_shape_is_refused(manifest, problem):
    assert refused(manifest)[0].startswith(problem)


def test_every_problem_is_named_at_once_and_says_of_what():
    with pytest.raises(InvalidResource, match=r'^Model "echo" is invalid: ') as caught:
        parse_resource(a_manifest(replicas=-1, suspend="no"))
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "spec.replicas",
        "spec.suspend",
    ]


def test_a_manifest_that_holds_itself_is_refused():
    spec: dict[str, Any] = {"source": {"uri": URI}}
    spec["resources"] = spec
    assert refused(a_manifest() | {"spec": spec})


def test_what_yaml_reads_as_a_number_is_a_quantity():
    resources = parse_resource(a_manifest(resources={"cpu": 2, "memory": 1024})).spec.resources
    assert (resources.cpu, resources.memory) == ("2", "1024")


def test_a_fraction_is_a_quantity_only_as_text_as_an_api_server_has_it():
    (problem,) = refused(a_manifest(resources={"cpu": 0.5}))
    assert problem == "spec.resources.cpu: Invalid value: 0.5: must be of type integer,string"
    assert parse_resource(a_manifest(resources={"cpu": "0.5"}))


@pytest.mark.parametrize(
    "resources", [{"cpu": 0}, {"cpu": "1m"}, {"cpu": "100k"}, {"memory": 1}, {"memory": "256Ti"}]
)
def test_the_smallest_and_the_largest_are_allowed(resources):
    assert parse_resource(a_manifest(resources=resources))


def test_null_is_the_default_as_it_is_for_an_api_server():
    nothing = a_manifest(replicas=None, resources={"cpu": None}, batching=None)
    assert parse_resource(nothing).spec == parse_resource(a_manifest()).spec
    assert parse_resource(with_metadata(labels=None, creationTimestamp=None))


def test_what_an_api_server_adds_is_read_back():
    manifest = with_metadata(
        uid="1",
        generation=3,
        resourceVersion="9",
        creationTimestamp="2026-01-01T12:00:00Z",
        managedFields=[{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
    )
    assert parse_resource(manifest).metadata.generation == 3


def test_a_status_is_not_for_people_to_say():
    model = parse_resource(a_manifest() | {"status": {"conditions": "whatever"}})
    assert model.status.conditions == ()


@pytest.mark.parametrize("manifest", [a_manifest(), a_fleet_manifest()])
def test_a_resource_reads_back_from_what_it_writes(manifest):
    resource = parse_resource(manifest)
    assert parse_resource(resource.model_dump(mode="json")) == resource
    assert type(resource).model_validate_json(resource.model_dump_json()) == resource


def test_the_wire_is_camel_case_and_python_is_not():
    model = parse_resource(a_manifest(batching={"maxBatchSize": 4}))
    assert isinstance(model, Model)
    assert model.spec.batching.max_batch_size == 4
    said = model.model_dump(mode="json")
    assert said["spec"]["batching"]["maxBatchSize"] == 4
    assert set(said) == {"apiVersion", "kind", "metadata", "spec", "status"}


def test_a_fleet_is_read_with_its_defaults():
    fleet = parse_resource(a_fleet_manifest())
    assert isinstance(fleet, Fleet)
    assert fleet.spec.network.max_body_size.value == 64 * 2**20


@pytest.mark.parametrize(
    "uri", ["file:models/echo", "file:///models/echo", "http://host/m.onnx", "https://host/m.tgz"]
)
def test_these_addresses_are_sources(uri):
    assert parse_resource(a_manifest(source={"uri": uri})).spec.source.uri == uri


@pytest.mark.parametrize(
    "uri", ["", "file:", "file:///", "https://", "https:host/x", "/models", "s3://x"]
)
def test_these_are_no_sources(uri):
    assert refused(a_manifest(source={"uri": uri}))[0].startswith("spec.source.uri: ")
