"""Whether a Model may be served by its Fleet at all. Each check is one rule."""

from collections.abc import Callable

from shoal.api import MAX_MODELS, LabelSelector, Reason
from shoal.api.source_secrets import secret_names
from shoal.plan.observed import ObservedModel, is_wanted, key_of
from shoal.plan.refusal import Refusal

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
    found = ((name, fleet.secrets.get((namespace, name))) for name in named)
    missing = ((name, why) for name, why in found if isinstance(why, Reason))
    return next((_without_secret(namespace, name, why) for name, why in missing), None)


def _without_secret(namespace: str, name: str, why: Reason) -> Refusal:
    if why is Reason.SECRET_FORBIDDEN:
        return Refusal(
            why,
            f"The operator may not read Secret {name!r} of namespace {namespace!r}. "
            "Have the namespace added to those whose Secrets it may read.",
        )
    return Refusal(
        why,
        f"There is no Secret {name!r} in namespace {namespace!r}. "
        "Create it, or name another in secretName.",
    )


def _fleet_has_room(observed: ObservedModel) -> Refusal | None:
    model, fleet = observed.model, observed.fleet
    if fleet is None or len(fleet.models) <= MAX_MODELS or not is_wanted(model):
        return None
    if key_of(model) in fleet.places:
        return None
    return Refusal(
        Reason.FLEET_FULL,
        f"Fleet {model.spec.fleet!r} holds {MAX_MODELS} Models, the most that Ray Serve "
        "carries. Delete or suspend one, or name another Fleet in spec.fleet.",
    )


CHECKS: tuple[Check, ...] = (
    _fleet_exists,
    _namespace_is_allowed,
    _secrets_are_there,
    _fleet_has_room,
)
