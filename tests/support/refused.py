"""Manifests that break the contract, with the field at fault and what is said of it.

`shoal.api` and an API server that has our CustomResourceDefinitions refuse the same ones, in the
same words; so one table serves the tests of both.
"""

from typing import Any, NamedTuple

URI = "file:///models/echo"
SUBDOMAIN = "expected lower-case letters, digits, '-' and '.', at most 253 (RFC 1123)"
NAME = "expected lower-case letters, digits and '-', at most 63 (RFC 1123)"
LABEL = "expected letters, digits, '-', '_' and '.', at most 63, a letter or digit at each end"
LABEL_KEY = "expected a key such as team or example.com/team, at most 63 after the slash"
ADDRESS = "expected an address that begins with one of file:, http://, https://"
QUANTITY = "expected a quantity such as 500m, 2 or 2Gi"
CORES = "expected whole thousandths of a core such as 500m, 1.5 or 2, at most 100k"
BYTES = "expected whole bytes such as 512Mi or 2Gi, from 1 to 256Ti"
DURATION = "expected a duration such as 500ms, 30s or 1m30s"
HOSTNAME = "expected a host name such as models.example.com, in lower case"
CIDR = "expected addresses such as 10.0.0.0/8 or fd00::/8"
PEER = "expected ipBlock, or else namespaceSelector, podSelector or both"
VALUES = "expected values with operators In and NotIn, and with no other"
GENERATES = "only task text-generation generates text. Leave it out, or say that task"


class Refused(NamedTuple):
    """A manifest, the field at fault as an API server writes it, and a part of the sentence."""

    manifest: dict[str, Any]
    field: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.field}: {self.sentence}"


def a_model(name: str = "echo", **spec: Any) -> dict[str, Any]:
    """A sound Model, with more in its spec."""
    metadata = {"name": name, "namespace": "default"}
    said = {"source": {"uri": URI}, **spec}
    return {
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "Model",
        "metadata": metadata,
        "spec": said,
    }


def a_fleet(name: str = "echo", **spec: Any) -> dict[str, Any]:
    """A sound Fleet, with more in its spec."""
    said = {"pools": [{"name": "cpu"}], **spec}
    metadata = {"name": name}
    return {
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "Fleet",
        "metadata": metadata,
        "spec": said,
    }


def a_chat(**generation: Any) -> dict[str, Any]:
    """A Model that generates text."""
    return a_model(task="text-generation", generation=generation)


def _model(field: str, sentence: str, **spec: Any) -> Refused:
    return Refused(a_model(**spec), f"spec.{field}", sentence)


def _chat(field: str, sentence: str, **generation: Any) -> Refused:
    return Refused(a_chat(**generation), f"spec.generation.{field}", sentence)


def _fleet(field: str, sentence: str, **spec: Any) -> Refused:
    return Refused(a_fleet(**spec), f"spec.{field}", sentence)


def _pool(field: str, sentence: str, **pool: Any) -> Refused:
    return _fleet(f"pools[0].{field}", sentence, pools=[{"name": "cpu", **pool}])


def _network(field: str, sentence: str, **network: Any) -> Refused:
    return _fleet(f"network.{field}", sentence, network=network)


def _namespaces(field: str, sentence: str, **selector: Any) -> Refused:
    return _fleet(f"allowedNamespaces.{field}", sentence, allowedNamespaces=selector)


def _adapter(**said: Any) -> dict[str, Any]:
    return {"name": "pirate", "uri": URI, **said}


def _one_of(values: str) -> str:
    return "supported values: " + ", ".join(f'"{value}"' for value in values.split())


MODELS = (
    Refused(a_model("echo.v2"), "metadata.name", NAME),
    Refused(a_model("e" * 64), "metadata.name", "may not be more than 63 bytes"),
    Refused({**a_model(), "spec": {}}, "spec.source", "Required value"),
    _model("source", "must be of type object", source=URI),
    _model("source.uri", "Required value", source={}),
    _model("source.uri", "must be of type string", source={"uri": 5}),
    _model("source.uri", ADDRESS, source={"uri": ""}),
    _model("source.uri", ADDRESS, source={"uri": "s3://models/echo"}),
    _model("source.uri", ADDRESS, source={"uri": "/models/echo"}),
    _model("source.uri", ADDRESS, source={"uri": "file:///"}),
    _model("source.uri", ADDRESS, source={"uri": "https:host/echo"}),
    _model("source.uri", ADDRESS, source={"uri": "http://a\nb"}),
    _model("source.uri", "may not be more than 2048 bytes", source={"uri": "file:" + "x" * 2048}),
    _model(
        "source.digest",
        "expected sha256: and 64 hexadecimal digits in lower case",
        source={"uri": URI, "digest": "sha256:" + "A" * 64},
    ),
    _model("source.secretName", NAME, source={"uri": URI, "secretName": "S3"}),
    _model(
        "task",
        _one_of(
            "tensor text-classification question-answering feature-extraction text-ranking "
            "text-generation"
        ),
        task="translation",
    ),
    _model("backend", "expected exactly one of: onnxRuntime", backend={}),
    _model(
        "backend.onnxRuntime.executionProviders",
        "must be of type array",
        backend={"onnxRuntime": {"executionProviders": "CPUExecutionProvider"}},
    ),
    _model(
        "backend.onnxRuntime.executionProviders[0]",
        _one_of("CPUExecutionProvider CUDAExecutionProvider TensorrtExecutionProvider"),
        backend={"onnxRuntime": {"executionProviders": ["CPU"]}},
    ),
    _model(
        "backend.onnxRuntime.executionProviders",
        "must have at most 8 items",
        backend={"onnxRuntime": {"executionProviders": ["CPUExecutionProvider"] * 9}},
    ),
    _model(
        "backend.onnxRuntime.sessionOptions.interOpNumThreads",
        "should be less than or equal to 256",
        backend={"onnxRuntime": {"sessionOptions": {"interOpNumThreads": 257}}},
    ),
    _model("precision", "expected auto or fp32: only task text-generation", precision="int8"),
    _model("precision", _one_of("auto fp32 fp16 int8 int4"), precision="bf16"),
    _model("resources", "must be of type object", resources=["1"]),
    _model("resources.cpu", QUANTITY, resources={"cpu": "half"}),
    _model("resources.cpu", QUANTITY, resources={"cpu": "2\n"}),
    _model("resources.cpu", QUANTITY, resources={"cpu": -1}),
    _model("resources.cpu", CORES, resources={"cpu": "100u"}),
    _model("resources.cpu", CORES, resources={"cpu": "0.0001"}),
    _model("resources.cpu", CORES, resources={"cpu": "101k"}),
    _model("resources.cpu", CORES, resources={"cpu": 100_001}),
    _model("resources.cpu", "must be of type integer,string", resources={"cpu": True}),
    _model("resources.cpu", "must be of type integer,string", resources={"cpu": 0.5}),
    _model("resources.cpu", "may not be more than 32 bytes", resources={"cpu": "0" * 33}),
    _model("resources.memory", BYTES, resources={"memory": 0}),
    _model("resources.memory", BYTES, resources={"memory": "128m"}),
    _model("resources.memory", BYTES, resources={"memory": "0.5"}),
    _model("resources.memory", BYTES, resources={"memory": "1e50"}),
    _model("resources.memory", BYTES, resources={"memory": "257Ti"}),
    _model(
        "resources.gpu.count",
        "should be less than or equal to 16",
        resources={"gpu": {"count": 17}},
    ),
    _model(
        "resources.gpu.memory",
        "memory is a share of one GPU. Leave it out, or say count: 1",
        resources={"gpu": {"count": 2, "memory": "6Gi"}},
    ),
    _model("resources.gpu.memory", BYTES, resources={"gpu": {"memory": "0Gi"}}),
    _model(
        "resources.gpu.mig",
        "expected a MIG profile such as 1g.10gb",
        resources={"gpu": {"mig": "1g"}},
    ),
    _model("resources.gpu.products[0]", LABEL, resources={"gpu": {"products": ["NVIDIA L4"]}}),
    _model(
        "resources.gpu.products[0]",
        "should be at least 1 chars long",
        resources={"gpu": {"products": [""]}},
    ),
    _model(
        "batching.maxBatchSize",
        "should be greater than or equal to 1",
        batching={"maxBatchSize": 0},
    ),
    _model("batching.maxBatchSize", "must be of type integer", batching={"maxBatchSize": "3"}),
    _model("batching.timeout", "must be of type string", batching={"timeout": 30}),
    _model("batching.timeout", DURATION, batching={"timeout": "1d"}),
    _model("batching.timeout", "expected more than 0s", batching={"timeout": "0s"}),
    _model("generation", GENERATES, generation={}),
    _chat("maxTokens", "should be greater than or equal to 2", maxTokens=1),
    _chat("kvCache", _one_of("auto int8"), kvCache="fp8"),
    _chat("prefixCache", "expected whole bytes such as 512Mi or 2Gi, from 0", prefixCache="0.5"),
    _chat("adapters[0].uri", "Required value", adapters=[{"name": "pirate"}]),
    _chat("adapters[0].name", "Required value", adapters=[{"uri": URI}]),
    _chat("adapters[0].name", LABEL, adapters=[_adapter(name="org/pirate")]),
    _chat("adapters[0].name", LABEL, adapters=[_adapter(name="")]),
    _chat("adapters[0].uri", ADDRESS, adapters=[_adapter(uri="hf://org/pirate")]),
    _chat("adapters[1]", 'Duplicate value: {"name":', adapters=[_adapter()] * 2),
    _chat(
        "adapters",
        "must have at most 128 items",
        adapters=[_adapter(name=f"a{at}") for at in range(129)],
    ),
    _chat(
        "adapters",
        "expected every adapter to have another name than the Model's own",
        adapters=[_adapter(), _adapter(name="echo")],
    ),
    _model("replicas", "should be greater than or equal to 0", replicas=-1),
    _model("replicas", "should be less than or equal to 1000", replicas=1001),
    _model("replicas", "must be of type integer", replicas="3"),
    Refused(
        a_model(replicas=1, scaling={"maxReplicas": 2}),
        "spec",
        "expected replicas or scaling, but not both",
    ),
    _model(
        "scaling.minReplicas",
        "expected minReplicas to be at most maxReplicas, which is 1 if it is not said",
        scaling={"minReplicas": 2},
    ),
    _model("scaling.idleTimeout", "expected more than 0s", scaling={"idleTimeout": "0m0s"}),
    _model("rollout", _one_of("Surge Recreate"), rollout="Rolling"),
    _model("fleet", NAME, fleet="Default"),
    _model("suspend", "must be of type boolean", suspend="yes"),
)

FLEETS = (
    Refused(
        a_fleet("1st"),
        "metadata.name",
        "expected a letter first, lower-case letters, digits and '-', at most 47",
    ),
    Refused(a_fleet("f" * 48), "metadata.name", "at most 47"),
    Refused({**a_fleet(), "spec": {}}, "spec.pools", "Required value"),
    _fleet("pools", "should have at least 1 items", pools=[]),
    _fleet("pools", "must have at most 32 items", pools=[{"name": f"p{at}"} for at in range(33)]),
    _fleet("pools[0]", "must be of type object", pools=[None]),
    _fleet("pools[1]", 'Duplicate value: {"name":', pools=[{"name": "a"}, {"name": "a"}]),
    _fleet(
        "pools",
        "expected workers.min of at least 1 in some pool",
        pools=[{"name": "a", "workers": {"min": 0}}],
    ),
    _pool("name", NAME, name="GPU"),
    _pool("name", "expected another name: headgroup is the head's", name="headgroup"),
    _pool(
        "workers.min",
        "expected min to be at most max, which is 1 if it is not said",
        workers={"min": 2},
    ),
    _pool("workers.max", "should be greater than or equal to 1", workers={"max": 0}),
    _pool("gpu.product", LABEL, gpu={"product": "NVIDIA L4"}),
    _pool("gpu.mig", "expected a MIG profile such as 1g.10gb", gpu={"mig": "0g.10gb"}),
    _pool("gpu.memory", BYTES, gpu={"memory": "24m"}),
    _pool("resources.cpu", CORES, resources={"cpu": "8Gi"}),
    _pool("resources.memory", QUANTITY, resources={"memory": "8GiB"}),
    _pool("template", "must be of type object", template=[]),
    _fleet("ray.version", "expected a release such as 2.60.0", ray={"version": "2.60"}),
    _fleet("ray.image", "should be at least 1 chars long", ray={"image": ""}),
    _fleet(
        "ray.imagePullPolicy", _one_of("Always IfNotPresent Never"), ray={"imagePullPolicy": "No"}
    ),
    _fleet("ray.imagePullSecrets[0]", SUBDOMAIN, ray={"imagePullSecrets": ["A"]}),
    _fleet("namespace", NAME, namespace="Serving"),
    _fleet("head.resources.cpu", CORES, head={"resources": {"cpu": "1n"}}),
    _fleet("durability", "expected exactly one of: rocksDB, redis", durability={}),
    _fleet(
        "durability",
        "expected exactly one of: rocksDB, redis",
        durability={"rocksDB": {}, "redis": {"address": "redis:6379"}},
    ),
    _fleet(
        "durability.redis.address",
        "expected host:port, such as redis:6379",
        durability={"redis": {"address": "redis"}},
    ),
    _fleet(
        "durability.redis.address",
        "expected host:port, such as redis:6379",
        durability={"redis": {"address": "re dis:6379"}},
    ),
    _fleet("durability.rocksDB.size", BYTES, durability={"rocksDB": {"size": "0"}}),
    _fleet("cache", "expected exactly one of: emptyDir, persistentVolumeClaim, hostPath", cache={}),
    _fleet(
        "cache",
        "expected exactly one of: emptyDir, persistentVolumeClaim, hostPath",
        cache={"emptyDir": {}, "hostPath": {"path": "/cache"}},
    ),
    _fleet(
        "cache.hostPath.path",
        "expected a path from the root, /",
        cache={"hostPath": {"path": "cache"}},
    ),
    _fleet(
        "cache.persistentVolumeClaim.claimName",
        "Required value",
        cache={"persistentVolumeClaim": {}},
    ),
    _network("maxBodySize", BYTES, maxBodySize="1e-3"),
    _network(
        "service.type", _one_of("ClusterIP NodePort LoadBalancer"), service={"type": "ExternalName"}
    ),
    _network("service.annotations", LABEL_KEY, service={"annotations": {"a b": "c"}}),
    _network("ingress.host", "Required value", ingress={}),
    _network("ingress.host", HOSTNAME, ingress={"host": "Models.example.com"}),
    _network("route.gateways", "Required value", route={}),
    _network("route.gateways", "should have at least 1 items", route={"gateways": []}),
    _network(
        "route.hostnames[0]", HOSTNAME, route={"gateways": [{"name": "g"}], "hostnames": ["*"]}
    ),
    _network(
        "route.port",
        "should be less than or equal to 65535",
        route={"gateways": [{"name": "g"}], "port": 65536},
    ),
    _network("allowFrom[0]", PEER, allowFrom=[{}]),
    _network(
        "allowFrom[0]", PEER, allowFrom=[{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]
    ),
    _network("allowFrom[0].ipBlock.cidr", CIDR, allowFrom=[{"ipBlock": {"cidr": "10.0.0.0"}}]),
    _network("allowFrom[0].ipBlock.cidr", CIDR, allowFrom=[{"ipBlock": {"cidr": "999.1.1.1/99"}}]),
    _network("allowFrom[0].ipBlock.cidr", CIDR, allowFrom=[{"ipBlock": {"cidr": "fd00:::/8"}}]),
    _network(
        "allowFrom[0].ipBlock.except[0]",
        CIDR,
        allowFrom=[{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["x"]}}],
    ),
    _network("allowFrom", "must have at most 16 items", allowFrom=[{"podSelector": {}}] * 17),
    _namespaces("matchLabels", LABEL_KEY, matchLabels={"no spaces": "x"}),
    _namespaces(
        "matchLabels",
        "expected at most 253 characters before the slash",
        matchLabels={"x" * 254 + "/team": "x"},
    ),
    _namespaces("matchLabels[team]", LABEL, matchLabels={"team": "no/slash"}),
    _namespaces("matchLabels.team", "must be of type string", matchLabels={"team": 7}),
    _namespaces(
        "matchLabels",
        "must have at most 32 items",
        matchLabels={f"l{at}": "x" for at in range(33)},
    ),
    _namespaces(
        "matchExpressions[0]", VALUES, matchExpressions=[{"key": "team", "operator": "In"}]
    ),
    _namespaces(
        "matchExpressions[0]",
        VALUES,
        matchExpressions=[{"key": "team", "operator": "Exists", "values": ["x"]}],
    ),
    _namespaces(
        "matchExpressions[0].operator",
        _one_of("In NotIn Exists DoesNotExist"),
        matchExpressions=[{"key": "team", "operator": "Gt", "values": ["1"]}],
    ),
    _namespaces(
        "matchExpressions[0].key", LABEL_KEY, matchExpressions=[{"key": "/", "operator": "Exists"}]
    ),
    _namespaces(
        "matchExpressions[0].values[0]",
        LABEL,
        matchExpressions=[{"key": "team", "operator": "In", "values": ["a b"]}],
    ),
)

REFUSED = (*MODELS, *FLEETS)
