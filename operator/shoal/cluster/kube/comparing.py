"""Whether an object already is as it should be."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from shoal.cluster.kube.store import Raw


def contains(live: object, said: object) -> bool:
    """Whether `live` says all that `said` does; more of it is defaults, or other people's.

    What is empty may be left out: the API server does not write it back.
    """
    if isinstance(said, Mapping):
        fields = live if isinstance(live, Mapping) else {}
        return all(contains(fields.get(field), value) for field, value in said.items())
    if not said and not live:
        return True
    if isinstance(said, Sequence) and not isinstance(said, str):
        return _contains_each(live, said)
    return live == said


def _contains_each(live: object, said: Sequence[object]) -> bool:
    if not isinstance(live, Sequence) or isinstance(live, str) or len(live) != len(said):
        return False
    return all(contains(one, other) for one, other in zip(live, said, strict=True))


def has_owners(live: Raw, said: Raw) -> bool:
    """Whether every owner that is said is one; there may be others."""
    owners = live["metadata"].get("ownerReferences") or ()
    wanted: Sequence[Any] = said["metadata"].get("ownerReferences") or ()
    return all(any(contains(owner, one) for owner in owners) for one in wanted)


def shares_owner(live: Raw, said: Raw) -> bool:
    """Whether one of those that are said to own it does, if any are."""
    owners = {owner.get("uid") for owner in live["metadata"].get("ownerReferences") or ()}
    wanted = {owner["uid"] for owner in said["metadata"].get("ownerReferences") or ()}
    return not wanted or bool(wanted & owners)


def digest_of(manifest: Raw) -> str:
    """The same for the same words, in whatever order."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
