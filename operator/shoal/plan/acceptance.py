"""Whether a Model may be served by its Fleet at all. Each check is one rule."""

from collections.abc import Callable

from shoal.api import LabelSelector, Reason
from shoal.api.source_secrets import secret_names
from shoal.plan.observed import FoundSecret, ObservedModel
from shoal.plan.refusal import Refusal
from shoal.plan.sizes import in_words
from shoal.plan.source_secrets import MOST_BYTES, too_large

Check = Callable[[ObservedModel], Refusal | None]


def refusal(observed: ObservedModel) -> Refusal | None:
    """The first check that objects to the Model, or None."""
    return next((said for check in CHECKS if (said := check(observed))), None)


_OPERATORS = {
    "In": "{key} in ({values})",
    "NotIn": "{key} notin ({values})",
    "Exists": "{key}",
    "DoesNotExist": "!{key}",
}


def _fleet_exists(observed: ObservedModel) -> Refusal | None:
    if observed.fleet is not None:
        return None
    name = observed.model.spec.fleet
    if observed.fleet_problem:
        return Refusal(
            Reason.INVALID_SPEC,
            f"Fleet {name!r} breaks the contract of the operator's version: "
            f"{observed.fleet_problem}. Put that right, or name another Fleet in spec.fleet.",
        )
    return Refusal(
        Reason.FLEET_NOT_FOUND,
        f"There is no Fleet {name!r}. Create it, or name another in spec.fleet.",
    )


def _namespace_is_allowed(observed: ObservedModel) -> Refusal | None:
    fleet, namespace = observed.fleet, observed.model.metadata.namespace or ""
    allowed = fleet.fleet.spec.allowed_namespaces if fleet is not None else None
    if fleet is None or allowed is None or allowed.matches(fleet.namespaces.get(namespace, {})):
        return None
    return Refusal(
        Reason.NAMESPACE_NOT_ALLOWED,
        f"Fleet {observed.model.spec.fleet!r} serves namespaces with the labels "
        f"{_in_words(allowed)}; namespace {namespace!r} has others. "
        "Name another Fleet in spec.fleet, or have the namespace labelled.",
    )


def _in_words(selector: LabelSelector) -> str:
    """As kubectl writes it: `team=ml,tier in (a,b),!legacy`."""
    equal = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    said = [
        _OPERATORS[one.operator].format(key=one.key, values=",".join(one.values))
        for one in selector.match_expressions
    ]
    return ",".join(equal + said)


def _secrets_are_there(observed: ObservedModel) -> Refusal | None:
    """A Model that was told of already is let be: what it serves needs no Secret any more, and its
    next load will say what it lacks.
    """
    fleet, named = observed.fleet, secret_names(observed.model)
    if fleet is None or not named or observed.told is not None:
        return None
    namespace = observed.model.metadata.namespace or ""
    found = ((name, fleet.secrets.get((namespace, name), {})) for name in named)
    said = (_objection(namespace, name, one) for name, one in found)
    return next((one for one in said if one is not None), None)


def _objection(namespace: str, name: str, found: FoundSecret) -> Refusal | None:
    if not isinstance(found, Reason):
        return _too_large(namespace, name, too_large(found))
    return Refusal(found, _WITHOUT_SECRET[found].format(name=name, namespace=namespace))


def _too_large(namespace: str, name: str, keys: list[str]) -> Refusal | None:
    if not keys:
        return None
    return Refusal(
        Reason.SECRET_UNAVAILABLE,
        f"{keys[0]!r} of Secret {name!r} in namespace {namespace!r} has more than "
        f"{in_words(MOST_BYTES)}, the most that is handed to replicas. Make it smaller, or name "
        "another in secretName.",
    )


SECRET_REASONS = frozenset(
    {Reason.SECRET_FORBIDDEN, Reason.SECRET_NOT_FOUND, Reason.SECRET_UNAVAILABLE}
)
_WITHOUT_SECRET = {
    Reason.SECRET_FORBIDDEN: (
        "The operator may not read Secret {name!r} of namespace {namespace!r}. "
        "Have the namespace added to those whose Secrets it may read."
    ),
    Reason.SECRET_NOT_FOUND: (
        "There is no Secret {name!r} in namespace {namespace!r}. "
        "Create it, or name another in secretName."
    ),
    Reason.SECRET_UNAVAILABLE: (
        "Kubernetes does not hand out Secret {name!r} of namespace {namespace!r} now. "
        "It is asked again."
    ),
}

CHECKS: tuple[Check, ...] = (
    _fleet_exists,
    _namespace_is_allowed,
    _secrets_are_there,
)
