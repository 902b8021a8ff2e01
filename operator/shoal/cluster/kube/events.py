"""Events as `kubectl describe` shows them: core/v1, equal ones counted.

They are written one after the other beside the reconciles, which never wait for one nor fail by
one. What was written last is remembered for a while, so that an equal event is counted up.
"""

import asyncio
import contextlib
import logging
import uuid
from collections import OrderedDict, deque
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from shoal.api import API_VERSION, Event
from shoal.cluster.kube.answers import CONFLICT, NOT_FOUND, Refused
from shoal.cluster.kube.api import FIELD_MANAGER, MERGE_PATCH, Api
from shoal.cluster.kube.kinds import EVENT
from shoal.errors import LeadershipLost, WorldUnavailable

logger = logging.getLogger(__name__)

REMEMBERED = 1000
WAITING = 5000
# The API server keeps an Event for an hour; one that was not seen for as long is a new one.
KEPT = timedelta(hours=1)
DRAIN_S = 2.0


class _Said(NamedTuple):
    kind: str
    namespace: str
    name: str
    uid: str
    type: str
    reason: str
    message: str


class _Written(NamedTuple):
    name: str
    times: int
    last: datetime


class Recorder:
    """Takes events and writes them, in their order."""

    def __init__(self, api: Api, instance: str) -> None:
        self._api = api
        self._instance = instance
        self._waiting: deque[tuple[Event, str]] = deque(maxlen=WAITING)
        self._news = asyncio.Event()
        self._written: OrderedDict[_Said, _Written] = OrderedDict()

    def take(self, event: Event, uid: str) -> None:
        """To be written soon. `uid` is that of the resource, by which people find its events."""
        self._waiting.append((event, uid))
        self._news.set()

    async def run(self) -> None:
        """Until it is cancelled. What it was at then waits on."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._write_all()

    async def drain(self) -> None:
        """Write what waits, once nothing runs any more, for `DRAIN_S` at most."""
        with contextlib.suppress(TimeoutError, LeadershipLost):
            async with asyncio.timeout(DRAIN_S):
                await self._write_all()

    async def _write_all(self) -> None:
        while self._waiting:
            await self._attempt(*self._waiting[0])
            self._waiting.popleft()

    async def _attempt(self, event: Event, uid: str) -> None:
        try:
            await self._write(event, uid)
        except WorldUnavailable as error:
            logger.warning("an event of %s %s was not written: %s", event.kind, event.name, error)

    async def _write(self, event: Event, uid: str) -> None:
        said = _said(event, uid)
        before = self._written.pop(said, None)
        if before is None or event.last_timestamp - before.last > KEPT:
            written = await self._create(event, uid)
        else:
            written = await self._count(before, event) or await self._create(event, uid)
        self._written[said] = written
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)

    async def _create(self, event: Event, uid: str) -> _Written:
        name = f"{event.name}.{uuid.uuid4().hex[:16]}"
        body = _core_event(name, event, uid, self._instance)
        query = {"fieldManager": FIELD_MANAGER}
        try:
            await self._api.call("create", EVENT, _namespace(event), query=query, body=body)
        except Refused as error:
            if error.code != CONFLICT:  # nobody else has that name: an attempt was heard after all
                raise
        return _Written(name, event.count, event.last_timestamp)

    async def _count(self, before: _Written, event: Event) -> _Written | None:
        """None if the API server has forgotten it."""
        count = before.times + event.count
        body = {"count": count, "lastTimestamp": _time(event.last_timestamp)}
        where = (_namespace(event), before.name)
        try:
            await self._api.call("patch", EVENT, *where, body=body, content_type=MERGE_PATCH)
        except Refused as error:
            if error.code == NOT_FOUND:
                return None
            raise
        return _Written(before.name, count, event.last_timestamp)


def _said(event: Event, uid: str) -> _Said:
    return _Said(
        event.kind, event.namespace, event.name, uid, event.type, event.reason, event.message
    )


def _namespace(event: Event) -> str:
    """Kubernetes keeps events of what has no namespace in `default`."""
    return event.namespace or "default"


def _core_event(name: str, event: Event, uid: str, instance: str) -> dict[str, Any]:
    regarding = {
        "apiVersion": API_VERSION,
        "kind": event.kind,
        "name": event.name,
        "namespace": event.namespace,
        "uid": uid,
    }
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"name": name, "namespace": _namespace(event)},
        "involvedObject": {key: value for key, value in regarding.items() if value},
        "type": event.type,
        "reason": str(event.reason),
        "message": event.message[:1024],
        "count": event.count,
        "firstTimestamp": _time(event.first_timestamp),
        "lastTimestamp": _time(event.last_timestamp),
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "reportingInstance": instance,
    }


def _time(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
