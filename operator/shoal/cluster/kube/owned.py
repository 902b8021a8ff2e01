"""The objects that a Fleet owns beside its RayService: made, mended, and taken away.

All of them carry the Fleet's label and an owner reference to it. They are watched by that label,
so a look at them costs no call; Secrets are not watched but listed, in the Fleet's namespace only.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from shoal.api import Fleet
from shoal.api.labels import CREATE_ONLY, FLEET_LABEL
from shoal.cluster import Manifest
from shoal.cluster.kube.answers import CONFLICT, NOT_FOUND, Refused
from shoal.cluster.kube.api import FIELD_MANAGER, Api
from shoal.cluster.kube.applying import Applier
from shoal.cluster.kube.kinds import SECRET, Kind, kind_of
from shoal.cluster.kube.reading import read_owned
from shoal.cluster.kube.store import Name, Raw, Store, name_of
from shoal.errors import WorldUnavailable

logger = logging.getLogger(__name__)


class Owned:
    """Keeps what Fleets own."""

    def __init__(self, api: Api, applier: Applier, stores: Mapping[Kind, Store[Raw]]) -> None:
        self._api = api
        self._applier = applier
        self._stores = stores

    async def keep(self, fleet: Fleet, manifests: Sequence[Manifest], namespace: str) -> None:
        """One that cannot be kept does not keep others from it.

        Raises:
            WorldUnavailable: the first reason why one could not be.
        """
        live = await self._live(fleet, namespace)
        problems = [await self._attempt(self._bring(one, live)) for one in manifests]
        wanted = {(kind_of(one), name_of(one)) for one in manifests}
        for (kind, name), raw in live.items():
            if (kind, name) not in wanted and _is_of(fleet, raw):
                problems.append(await self._attempt(self._delete(kind, raw)))
        for problem in filter(None, problems):
            raise problem

    async def _live(self, fleet: Fleet, namespace: str) -> dict[tuple[Kind, Name], Raw]:
        """Everything that carries the Fleet's label, wherever it is; Secrets where it runs."""
        found = {
            (kind, name_of(raw)): raw
            for kind, store in self._stores.items()
            for raw in store.all()
            if raw["metadata"]["labels"].get(FLEET_LABEL) == fleet.metadata.name
        }
        label = {"labelSelector": f"{FLEET_LABEL}={fleet.metadata.name}"}
        secrets = await self._api.call("list", SECRET, namespace, query=label)
        return found | {(SECRET, name_of(raw)): read_owned(raw) for raw in secrets["items"]}

    async def _bring(self, manifest: Raw, live: Mapping[tuple[Kind, Name], Raw]) -> None:
        kind, name = kind_of(manifest), name_of(manifest)
        now = live.get((kind, name))
        if (manifest["metadata"].get("annotations") or {}).get(CREATE_ONLY) == "true":
            if now is None:
                await self._create(kind, manifest)
            return
        answer = await self._applier.apply(kind, manifest, now)
        if answer is not None and kind in self._stores:
            self._stores[kind].put(answer)

    async def _create(self, kind: Kind, manifest: Raw) -> None:
        """Unless it is there after all: somebody else made it, without the Fleet's label."""
        namespace, name = name_of(manifest)
        if await self._api.find(kind, namespace, name) is not None:
            return
        query = {"fieldManager": FIELD_MANAGER}
        try:
            await self._api.call("create", kind, namespace, query=query, body=manifest)
        except Refused as error:
            if error.code != CONFLICT:
                raise

    async def _delete(self, kind: Kind, raw: Raw) -> None:
        (namespace, name), uid = name_of(raw), raw["metadata"]["uid"]
        if raw["metadata"].get("deletionTimestamp"):
            return
        body = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        self._applier.forget(kind, (namespace, name))
        try:
            answer = await self._api.call("delete", kind, namespace, name, body=body)
        except Refused as error:
            if error.code not in (NOT_FOUND, CONFLICT):
                raise
            return
        if kind not in self._stores:
            return
        if answer["kind"] == kind.name:  # something holds it back
            self._stores[kind].put(answer)
        else:
            self._stores[kind].remove(raw)

    async def _attempt(self, work: Any) -> WorldUnavailable | None:
        try:
            await work
        except WorldUnavailable as error:
            return error
        return None


def _is_of(fleet: Fleet, raw: Raw) -> bool:
    owners = raw["metadata"].get("ownerReferences") or ()
    return any(owner.get("uid") == fleet.metadata.uid for owner in owners)
