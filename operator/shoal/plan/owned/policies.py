"""Who may reach which port of a Fleet's pods: NetworkPolicies.

| port | of | from |
|---|---|---|
| any | all | the Fleet's own pods |
| 8000, requests | workers | whom the Fleet allows (`network.allowFrom`), the operator's namespace |
| 8000, the ledger | head | the operator's namespace |
| 8265, Ray's dashboard | head | KubeRay's operator, the operator's namespace |
| 8080, Prometheus | all | the operator's namespace |

Everything else (GCS, agents, HAProxy's own, replicas) is for the Fleet's own pods. They may go
where they like: models come from anywhere.
"""

from collections.abc import Sequence
from typing import Any

from shoal.api import Fleet
from shoal.api.network import Peer
from shoal.plan.observed import ObservedFleet
from shoal.plan.owned.manifest import Manifest
from shoal.plan.owned.names import pods_of
from shoal.plan.ray_cluster.ports import DASHBOARD, METRICS, SERVE

NAMESPACE_NAME = "kubernetes.io/metadata.name"
# As KubeRay's chart and its plain manifests both label it, in whichever namespace it runs.
KUBERAY: dict[str, Any] = {
    "namespaceSelector": {},
    "podSelector": {"matchLabels": {"app.kubernetes.io/component": "kuberay-operator"}},
}

Rule = dict[str, Any]


def network_policies(observed: ObservedFleet) -> list[Manifest]:
    """One for the workers and one for the head."""
    fleet, operator = observed.fleet, _namespace(observed.site.operator_namespace)
    own = {"from": [{"podSelector": {"matchLabels": pods_of(fleet)}}]}
    metrics = _rule(METRICS, [operator])
    head = [_rule(SERVE, [operator]), _rule(DASHBOARD, [KUBERAY, operator])]
    return [
        _policy(fleet, "worker", "workers", [own, _requests(fleet, operator), metrics]),
        _policy(fleet, "head", "head", [own, *head, metrics]),
    ]


def _requests(fleet: Fleet, operator: dict[str, Any]) -> Rule:
    allowed = fleet.spec.network.allow_from
    if allowed is None:
        return _rule(SERVE, None)
    return _rule(SERVE, [*(_peer(peer) for peer in allowed), operator])


def _rule(port: int, peers: Sequence[dict[str, Any]] | None) -> Rule:
    """No peers means everybody."""
    rule: Rule = {"ports": [{"protocol": "TCP", "port": port}]}
    return rule if peers is None else {"from": list(peers), **rule}


def _peer(peer: Peer) -> dict[str, Any]:
    return peer.model_dump(mode="json", exclude_none=True, exclude_defaults=True)


def _namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: name}}}


def _policy(fleet: Fleet, node_type: str, suffix: str, rules: Sequence[Rule]) -> Manifest:
    spec = {
        "podSelector": {"matchLabels": pods_of(fleet, node_type)},
        "policyTypes": ["Ingress"],
        "ingress": list(rules),
    }
    name = f"{fleet.metadata.name}-{suffix}"
    return Manifest("networking.k8s.io/v1", "NetworkPolicy", name, {"spec": spec})
