"""Keeps a store of one kind true: list, then watch from there, for ever.

A watch that the server ends is taken up where it was; one that is silent for too long is given up
and taken up again. One that asks for a past that is forgotten (410), that tells of an error, or
whose versions go back, begins with a list. A server that does not answer is asked again and again,
and complained of once.
"""

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from shoal.cluster.kube import api as kube_api
from shoal.cluster.kube.answers import GONE, Refused, passes
from shoal.cluster.kube.api import Api
from shoal.cluster.kube.kinds import Kind
from shoal.cluster.kube.store import Store, version_of
from shoal.errors import AccessDenied, KindMissing, WorldUnavailable

logger = logging.getLogger(__name__)

PAGE = 500
LONGEST_ASKED_S = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. The server ends a watch after `watch`; one that says nothing for `silence` more is
    dead. What fails is tried again after `first` to `longest`, or when the server asks for it; what
    is not there, or not for us, is looked for again after `missing`.
    """

    watch: float = 30.0
    silence: float = 5.0
    first: float = 0.2
    longest: float = 5.0
    missing: float = 15.0


class Informer:
    """One kind, or those of its objects that carry a label."""

    def __init__(
        self,
        api: Api,
        kind: Kind,
        store: Store[Any],
        pace: Pace,
        changed: Callable[[], None],
        label: str = "",
        metadata_only: bool = False,
    ) -> None:
        self.kind = kind
        self.error: WorldUnavailable | None = None
        """Why the kind cannot be looked at now; `changed` is told of another reason, or none."""

        self.settled = asyncio.Event()
        """Set once the kind has been looked at, or is known not to be there or not for us; for an
        optional one, also once it cannot be looked at.
        """

        self._api = api
        self._store = store
        self._pace = pace
        self._changed = changed
        self._query = {"labelSelector": label} if label else {}
        accepts = (kube_api.METADATA_LIST, kube_api.METADATA)
        self._accept_list, self._accept = accepts if metadata_only else (kube_api.JSON,) * 2
        self._version = ""
        self._failures = 0

    async def run(self) -> None:
        """Until it is cancelled. What was known of an earlier run is looked at anew."""
        self._version = ""
        while True:
            began = time.monotonic()
            try:
                await self._step()
            except WorldUnavailable as error:
                await self._trouble(error)
                continue
            if time.monotonic() - began < self._pace.first:  # a server that hangs up at once
                await asyncio.sleep(self._pace.first)

    async def _step(self) -> None:
        if not self._version:
            await self._list()
            self.settled.set()
        await self._watch()

    async def _list(self) -> None:
        page = await self._page({})
        version: str = page["metadata"]["resourceVersion"]
        self._store.begin(int(version))
        while True:
            for one in page["items"]:
                self._store.listed(one)
            if not (token := page["metadata"].get("continue")):
                break
            page = await self._page({"continue": token})
        self._store.end()
        self._version = version

    async def _page(self, more: Mapping[str, str]) -> Any:
        query = {**self._query, "limit": str(PAGE), **more}
        return await self._api.call("list", self.kind, query=query, accept=self._accept_list)

    async def _watch(self) -> None:
        seconds = self._pace.watch * random.uniform(0.75, 1.0)  # noqa: S311
        query = {
            **self._query,
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(max(1, round(seconds))),
        }
        silence = self._pace.watch + self._pace.silence
        lines = self._api.watch(self.kind, query, silence, self._well, self._accept)
        async with aclosing(lines):
            async for line in lines:
                self._take(json.loads(line))
                self._failures = 0

    def _take(self, event: Mapping[str, Any]) -> None:
        said = event["object"]
        if event["type"] == "ERROR":
            self._version = ""
            words = f"the watch of {self.kind.resource} ended: {said.get('message')}"
            raise Refused(words, said.get("code", 0))
        if version_of(said) < int(self._version):
            raise Refused(f"the versions of {self.kind.resource} went back", GONE)
        if event["type"] == "DELETED":
            self._store.remove(said)
        elif event["type"] != "BOOKMARK":
            self._store.see(said)
        self._store.reached(version_of(said))
        self._version = said["metadata"]["resourceVersion"]

    def _well(self) -> None:
        if self.error is not None:
            logger.info("%s can be looked at again", self.kind.resource)
            self.error = None
            self._changed()

    async def _trouble(self, error: WorldUnavailable) -> None:
        if isinstance(error, Refused) and not passes(error.code):
            self._version = ""
        if not (isinstance(error, Refused) and error.code == GONE):
            self._complain(error)
        if isinstance(error, KindMissing):
            self._version = ""
            self._store.forget()
        if isinstance(error, KindMissing | AccessDenied) or self.kind.optional:
            self.settled.set()
        await asyncio.sleep(self._pause(error))

    def _complain(self, error: WorldUnavailable) -> None:
        """Once, until it is well again or something else is wrong."""
        before, self.error = self.error, error
        if type(error) is type(before):
            return
        expected = self.kind.optional and isinstance(error, KindMissing)
        level = logging.INFO if expected else logging.WARNING
        logger.log(level, "%s cannot be looked at: %s", self.kind.resource, error)
        self._changed()

    def _pause(self, error: WorldUnavailable) -> float:
        jitter = random.uniform(0.5, 1.0)  # noqa: S311  jitter is no secret
        self._failures += 1
        if isinstance(error, KindMissing | AccessDenied):
            return self._pace.missing * jitter
        if isinstance(error, Refused) and error.retry_after:
            return min(error.retry_after, LONGEST_ASKED_S) + jitter
        doubled = self._pace.first * 2.0 ** min(self._failures - 1, 16)
        return min(doubled, self._pace.longest) * jitter
