"""Models and Fleets that this version cannot read: their status says so, and nothing else stops.

The CRD may be newer than the operator, or hold what an older one let pass.
"""

import asyncio
import logging
from datetime import UTC, datetime

from shoal.api import Event, Reason
from shoal.cluster import Key
from shoal.cluster.kube.api import Api
from shoal.cluster.kube.events import Recorder
from shoal.cluster.kube.kinds import FLEET, MODEL
from shoal.cluster.kube.known import Known
from shoal.cluster.kube.statuses import object_to
from shoal.cluster.kube.store import Unreadable
from shoal.errors import WorldUnavailable

logger = logging.getLogger(__name__)

AGAIN_S = 10.0


class Objector:
    """Tells once of each problem."""

    def __init__(self, api: Api, known: Known, recorder: Recorder) -> None:
        self._api = api
        self._known = known
        self._recorder = recorder
        self._busy: set[Key] = set()

    def minds(self, key: Key) -> bool:
        """Whether there is something to object to, and nobody does already."""
        return key not in self._busy and self._known.breaks_contract(key) is not None

    async def object_to(self, key: Key) -> None:
        """Say in the status what is wrong, however often that takes, for as long as it is so."""
        if key in self._busy:
            return
        self._busy.add(key)
        try:
            await self._insist(key)
        finally:
            self._busy.discard(key)

    async def _insist(self, key: Key) -> None:
        said: Unreadable | None = None
        while (one := self._known.breaks_contract(key)) not in (None, said):
            assert one is not None
            try:
                await self._say(key, one)
                said = one
            except WorldUnavailable as error:
                logger.warning("%s, but its status cannot say so: %s", one.error, error)
                await asyncio.sleep(AGAIN_S)

    async def _say(self, key: Key, one: Unreadable) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        kind = MODEL if key.kind == MODEL.name else FLEET
        if await object_to(self._api, kind, one, now):
            logger.warning("%s", one.error)
            self._recorder.take(_event(key, one, now), one.uid)


def _event(key: Key, one: Unreadable, now: datetime) -> Event:
    return Event(
        kind=key.kind,
        namespace=key.namespace,
        name=key.name,
        type="Warning",
        reason=Reason.INVALID_SPEC,
        message="; ".join(one.error.problems),
        first_timestamp=now,
        last_timestamp=now,
    )
