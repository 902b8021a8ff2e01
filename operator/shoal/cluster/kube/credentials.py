"""Secrets that Models name: read when they are asked for, and looked at again now and then.

They are never watched, so that a right to read them can be given for some namespaces only, or for
some names. The operator remembers their versions, never what is in them.
"""

import asyncio
from collections.abc import Callable, Mapping, Set

from shoal.cluster.kube.api import Api
from shoal.cluster.kube.kinds import SECRET
from shoal.cluster.kube.store import Name
from shoal.errors import AccessDenied, WorldUnavailable

LOOK_S = 30.0
# At most so many are looked at in a second, however many there are.
MOST_PER_S = 10.0
_ABSENT, _FORBIDDEN = "absent", "forbidden"


class Secrets:
    """`changed` is told of a Secret that is another than when it was last read."""

    def __init__(self, api: Api, changed: Callable[[Name], None]) -> None:
        self._api = api
        self._changed = changed
        self._versions: dict[Name, str] = {}

    async def read(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Its data, base64, or None if there is none.

        Raises:
            AccessDenied: the operator may not read it.
            WorldUnavailable: the server did not answer.
        """
        try:
            raw = await self._api.find(SECRET, namespace, name)
        except AccessDenied:
            self._versions[namespace, name] = _FORBIDDEN
            raise
        self._versions[namespace, name] = _version(raw)
        return None if raw is None else raw.get("data") or {}

    async def run(self, wanted: Callable[[], Set[Name]]) -> None:
        """Look at those that were read and are still `wanted`, until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            known = wanted()
            self._versions = {name: one for name, one in self._versions.items() if name in known}
            for name in list(self._versions):
                await self._look(name)
                await asyncio.sleep(1 / MOST_PER_S)

    async def _look(self, name: Name) -> None:
        before = self._versions.get(name)
        try:
            now = _version(await self._api.find(SECRET, *name))
        except AccessDenied:
            now = _FORBIDDEN
        except WorldUnavailable:
            return
        if now != before and self._versions.get(name) == before:
            self._versions[name] = now
            self._changed(name)


def _version(raw: object) -> str:
    return raw["metadata"]["resourceVersion"] if isinstance(raw, Mapping) else _ABSENT
