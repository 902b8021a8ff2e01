"""A person's own pod template laid over ours, as server-side apply would lay it.

Maps merge; lists whose items have a key (containers by name, mounts by path, ...) merge by it, ours
first; any other list is replaced, except tolerations, which add up. Of a union (a volume's source,
a probe's handler, a variable's value) the person's member takes the place of ours.

What KubeRay or Shoal could not live with is left out: see `kept_ours`. Nothing is refused here:
what is no pod template is refused by the API server, in its words.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shoal.plan.ray_cluster.kept import head_kept_ours, kept_ours

LIST_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "env": ("name",),
    "ports": ("containerPort", "protocol"),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "claims": ("name",),
}
"""The keys of lists of maps in a `PodSpec`."""

_DEFAULTS = {"protocol": "TCP"}
_HANDLERS = frozenset({"exec", "httpGet", "tcpSocket", "grpc"})
_UNIONS: Mapping[str, frozenset[str]] = {
    "env": frozenset({"value", "valueFrom"}),
    "livenessProbe": _HANDLERS,
    "readinessProbe": _HANDLERS,
    "startupProbe": _HANDLERS,
}

Map = Mapping[str, Any]


def worker_template(ours: dict[str, Any], theirs: Map) -> dict[str, Any]:
    """The template of a pool's workers."""
    return kept_ours(ours, merged(ours, theirs))


def head_template(ours: dict[str, Any], theirs: Map) -> dict[str, Any]:
    """The template of the head."""
    return head_kept_ours(ours, merged(ours, theirs))


def merged(ours: Map, theirs: Map) -> dict[str, Any]:
    """Ours with theirs laid over it. A field without a value is one that was not said."""
    result = dict(ours)
    for field, value in theirs.items():
        if value is not None:
            result[field] = _value(field, ours[field], value) if field in ours else _said(value)
    return result


def _value(field: str, ours: Any, theirs: Any) -> Any:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return merged(_without_other_members(field, ours, theirs), theirs)
    if isinstance(ours, list) and isinstance(theirs, list):
        return _list(field, ours, theirs)
    return _said(theirs)


def _list(field: str, ours: list[Any], theirs: list[Any]) -> list[Any]:
    if field == "tolerations":
        return [*ours, *(one for one in _said(theirs) if one not in ours)]
    if field not in LIST_KEYS:
        return list(_said(theirs))
    result = list(ours)
    for item in theirs:
        at = _place(LIST_KEYS[field], result, item)
        if at is None:
            result.append(_said(item))
        else:
            result[at] = _value(field, result[at], item)
    return result


def _place(keys: Sequence[str], items: list[Any], item: Any) -> int | None:
    """Where the item with the same key is, if there is one."""
    wanted = _key(keys, item)
    found = (at for at, one in enumerate(items) if _key(keys, one) == wanted)
    return None if wanted is None else next(found, None)


def _key(keys: Sequence[str], item: Any) -> list[Any] | None:
    if not isinstance(item, Mapping) or keys[0] not in item:
        return None
    return [item.get(key, _DEFAULTS.get(key)) for key in keys]


def _without_other_members(field: str, ours: Map, theirs: Map) -> Map:
    """Ours, without the member of a union that theirs has another one of."""
    chosen = _members(field, theirs)
    others = _members(field, ours) - chosen if chosen else set()
    return {name: value for name, value in ours.items() if name not in others}


def _members(field: str, said: Map) -> set[str]:
    names = {name for name, value in said.items() if value is not None}
    return names - {"name"} if field == "volumes" else names & _UNIONS.get(field, frozenset())


def _said(value: Any) -> Any:
    """The value without the fields that have none."""
    if isinstance(value, Mapping):
        return {name: _said(one) for name, one in value.items() if one is not None}
    return [_said(one) for one in value if one is not None] if isinstance(value, list) else value
