"""Statuses before a CRD that is older than the operator, which drops the fields that it lacks.

What is kept then never is what was said, and would be written at each reconcile. It is told of once
for each kind, and what is just the same is written again only after a while: the CRD may be a newer
one by then.
"""

import logging
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from shoal.api import Fleet, Model, RayService
from shoal.cluster.kube.api import Api
from shoal.cluster.kube.comparing import contains
from shoal.cluster.kube.kinds import Kind
from shoal.cluster.kube.statuses import status_of, write_status
from shoal.cluster.kube.store import Raw

logger = logging.getLogger(__name__)

AGAIN_S = 60.0


class _Dropped(NamedTuple):
    """A status of which something was dropped, and when it may be tried again."""

    status: Raw
    until: float


class Reporter:
    """Writes statuses."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._dropped: dict[str, _Dropped] = {}
        self._told: set[str] = set()

    async def report(self, kind: Kind, resource: Model | Fleet | RayService) -> Raw | None:
        """The server's answer; None if nothing was written, as the object is gone or this would be
        in vain. Raises what `write_status` does.
        """
        uid, status = resource.metadata.uid, status_of(resource)
        before = self._dropped.get(uid)
        if before is not None and before.status == status and time.monotonic() < before.until:
            return None
        answer = await write_status(self._api, kind, resource)
        if answer is not None:
            self._look(kind, uid, status, answer.get("status") or {})
        return answer

    def _look(self, kind: Kind, uid: str, status: Raw, kept: Raw) -> None:
        now, fields = time.monotonic(), sorted(set(dropped(kept, status)))
        self._dropped = {one: of for one, of in self._dropped.items() if of.until > now}
        if not fields:
            self._dropped.pop(uid, None)
            return
        self._dropped[uid] = _Dropped(status, now + AGAIN_S)
        if kind.name not in self._told:
            self._told.add(kind.name)
            logger.warning(
                "the CRD %s is older than the operator and lacks status.%s, which cannot be told: "
                "apply manifests/crds",
                kind.resource,
                ", status.".join(fields),
            )


def dropped(kept: Any, said: Any, path: str = "") -> Iterator[str]:
    """The fields, such as `placement.gpus`, that were said and are not kept."""
    if isinstance(said, dict) and isinstance(kept, dict):
        for field, value in said.items():
            if field in kept:
                yield from dropped(kept[field], value, f"{path}{field}.")
            elif not contains(None, value):
                yield f"{path}{field}"
    elif isinstance(said, list) and isinstance(kept, list):
        for one, other in zip(kept, said, strict=False):
            yield from dropped(one, other, path)
