"""Manifests at random: sound ones, and ones in which something was changed for the worse or not."""

import copy
import random
from collections.abc import Iterator
from typing import Any

from refused import URI, a_fleet, a_model

DIGEST = "sha256:" + "0123456789abcdef" * 4
NAMES = ("a", "0", "x" * 63, "a-b", "l4-spot")
LABELS = ("", "a", "Team_1.x", "x" * 63)
KEYS = ("team", "example.com/team", "a.b/" + "x" * 63)
CORES = (0, 1, 3, "1m", "500m", "0.5", "1.500", ".5", "2.", "100k", "64")
SIZES = (1, "1Ki", "1.5Gi", "2e9", "256Ti", "1000000000", ".5M", "1E3", "64Mi")
DURATIONS = ("1ms", "30s", "1m30s", "99999h59m59s999ms")
HOSTS = ("a", "models.example.com", "*.example.com")
CIDRS = ("10.0.0.0/8", "fd00::/8")
# What takes the place of something said, or of a field that is not said.
ODD = (
    *(None, True, False, -1, 0, 1, 2, 1000, 10**9, 10**18, [], {}, [{}], ["a"], {"a": "b"}),
    *("", "a", "A", "-", "a b", "a.b", "é", "a\n", "x" * 64, "x" * 400, "/", "a/b", "0", "0s"),
    *("1", "1.5", "1Gi", "1gi", "128m", "100u", "1e3", "1e-3", "30s", "1g.5gb", "a:1", "/x"),
    *("file:x", "https://x", "s3://x", "10.0.0.0/8", "2.60.0", "auto", "fp16", "tensor", "Exists"),
)


def some(chance: random.Random, **fields: Any) -> dict[str, Any]:
    """Some of the fields."""
    return {name: value for name, value in fields.items() if chance.random() < 0.6}


def several(chance: random.Random, choices: tuple[Any, ...]) -> list[Any]:
    """Some of the choices, in any order."""
    return chance.sample(choices, chance.randrange(len(choices) + 1))


def varied_models(seed: int) -> Iterator[dict[str, Any]]:
    """Sound Models, without an end."""
    chance = random.Random(seed)
    while True:
        generates = chance.random() < 0.5
        task = "text-generation" if generates else chance.choice(["tensor", "text-ranking"])
        precision = chance.choice(["int4", "fp16"]) if generates else "fp32"
        scaling = chance.random() < 0.5
        spec = some(
            chance,
            backend={"onnxRuntime": some(chance, sessionOptions=_session_options(chance))},
            precision=precision,
            resources=some(
                chance,
                cpu=chance.choice(CORES),
                memory=chance.choice(SIZES),
                gpu=_gpu(chance),
            ),
            batching=some(
                chance,
                maxBatchSize=chance.randint(1, 4096),
                maxQueueSize=chance.randint(1, 1_000_000),
                timeout=chance.choice(DURATIONS),
            ),
            rollout=chance.choice(["Surge", "Recreate"]),
            fleet=chance.choice(NAMES),
            suspend=chance.random() < 0.5,
            **({"scaling": _scaling(chance)} if scaling else {"replicas": chance.randint(0, 1000)}),
            **({"generation": _generation(chance)} if generates else {}),
        )
        yield a_model(chance.choice(NAMES[1:]), task=task, source=_source(chance), **spec)


def varied_fleets(seed: int) -> Iterator[dict[str, Any]]:
    """Sound Fleets, without an end."""
    chance = random.Random(seed)
    while True:
        pools = [_pool(chance, name) for name in several(chance, NAMES)]
        first = {"name": "first", "workers": {"min": 1, "max": chance.randint(1, 1000)}}
        spec = some(
            chance,
            ray=some(chance, version="2.61.10", image="repo/image:1", imagePullSecrets=["regcred"]),
            namespace=chance.choice(NAMES),
            head=some(chance, resources=_pod_resources(chance), template={"spec": {"x": [1, {}]}}),
            durability=chance.choice(
                [
                    {"rocksDB": some(chance, storageClassName="fast", size=chance.choice(SIZES))},
                    {"redis": {"address": "redis:6379", **some(chance, secretName="redis")}},
                ]
            ),
            network=_network(chance),
            cache=chance.choice(
                [
                    {"emptyDir": some(chance, sizeLimit=chance.choice(SIZES))},
                    {"persistentVolumeClaim": {"claimName": "models"}},
                    {"hostPath": {"path": "/var/cache/models"}},
                ]
            ),
            allowedNamespaces=_selector(chance),
        )
        name = chance.choice(["default", "a", "f" * 47])
        yield a_fleet(name, **{**spec, "pools": [first, *pools]})


def changed(manifest: dict[str, Any], seed: int) -> dict[str, Any]:
    """The manifest with one thing of its spec replaced by something odd."""
    chance = random.Random(seed)
    manifest = copy.deepcopy(manifest)
    holder, key = chance.choice(list(_places(manifest["spec"])))
    holder[key] = chance.choice(ODD)
    return manifest


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield node, key
        # An API server forgets an annotation that is null; a manifest on this machine is told.
        if isinstance(value, dict | list) and key not in ("annotations", "matchLabels"):
            yield from _places(value)


def _source(chance: random.Random) -> dict[str, Any]:
    uri = chance.choice([URI, "file:models/echo", "http://host/m.onnx", "https://host/m.tgz?v=1"])
    return {"uri": uri, **some(chance, digest=DIGEST, secretName="s3")}


def _session_options(chance: random.Random) -> dict[str, Any]:
    return some(
        chance,
        graphOptimizationLevel=chance.choice(["disabled", "basic", "extended", "all"]),
        executionMode=chance.choice(["sequential", "parallel"]),
        interOpNumThreads=chance.randint(1, 256),
        allowSpinning=chance.random() < 0.5,
    )


def _gpu(chance: random.Random) -> dict[str, Any]:
    shared = chance.random() < 0.5
    share = {"memory": chance.choice(SIZES)} if shared else {"count": chance.randint(1, 16)}
    return some(chance, products=["NVIDIA-L4", "NVIDIA-A100-SXM4-80GB"], mig="1g.10gb+me", **share)


def _scaling(chance: random.Random) -> dict[str, Any]:
    most = chance.randint(1, 1000)
    more = some(chance, targetOngoingRequests=100_000, idleTimeout=chance.choice(DURATIONS))
    return {"minReplicas": chance.randint(0, most), "maxReplicas": most, **more}


def _generation(chance: random.Random) -> dict[str, Any]:
    adapters = [{"name": name, **_source(chance)} for name in several(chance, ("A.b", "c_1", "0a"))]
    return some(
        chance,
        maxSequences=chance.randint(1, 1024),
        maxTokens=chance.randint(2, 1_048_576),
        prefixCache=chance.choice((0, "0", *SIZES)),
        kvCache=chance.choice(["auto", "int8"]),
        adapters=adapters,
    )


def _pod_resources(chance: random.Random) -> dict[str, Any]:
    return some(chance, cpu=chance.choice(CORES), memory=chance.choice(SIZES))


def _pool(chance: random.Random, name: str) -> dict[str, Any]:
    most = chance.randint(1, 1000)
    gpu = some(chance, product="NVIDIA-L4", count=8, mig="3g.40gb", memory=chance.choice(SIZES))
    more = some(
        chance,
        gpu=gpu,
        resources=_pod_resources(chance),
        template={"metadata": {"labels": {"a": "b"}}, "spec": {"tolerations": [{}]}},
    )
    return {"name": name, "workers": {"min": chance.randint(0, most), "max": most}, **more}


def _network(chance: random.Random) -> dict[str, Any]:
    annotations = dict.fromkeys(KEYS, "any text")
    gateway = {"name": "public", **some(chance, namespace="gateways", sectionName="https")}
    return some(
        chance,
        maxBodySize=chance.choice(SIZES),
        accessLog=chance.random() < 0.5,
        service=some(chance, type="LoadBalancer", annotations=annotations),
        ingress={
            "host": chance.choice(HOSTS),
            **some(chance, tlsSecretName="models.example.com-tls", className="nginx"),
        },
        route={"gateways": [gateway], **some(chance, hostnames=several(chance, HOSTS), port=8443)},
        allowFrom=[_peer(chance) for _ in range(chance.randrange(4))],
    )


def _peer(chance: random.Random) -> dict[str, Any]:
    if chance.random() < 0.5:
        return {"ipBlock": {"cidr": chance.choice(CIDRS), **some(chance, **{"except": [*CIDRS]})}}
    return {"podSelector": _selector(chance), **some(chance, namespaceSelector=_selector(chance))}


def _selector(chance: random.Random) -> dict[str, Any]:
    lists = [
        {"key": chance.choice(KEYS), "operator": operator, "values": [*LABELS]}
        for operator in several(chance, ("In", "NotIn"))
    ]
    flags = [
        {"key": chance.choice(KEYS), "operator": operator}
        for operator in several(chance, ("Exists", "DoesNotExist"))
    ]
    labels = {key: chance.choice(LABELS) for key in several(chance, KEYS)}
    return some(chance, matchLabels=labels, matchExpressions=[*lists, *flags])
