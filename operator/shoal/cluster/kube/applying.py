"""Server-side apply that writes nothing where nothing differs.

Every object carries a digest of what was last applied to it: another digest means that there is
something to change, or to take away. Under an equal one, what is said is compared with what is
there, so that what others changed is put right. The API server may write a value in another way
than it was said (`1024Mi`, `1Gi`); an object that is still as our last apply left it is right, too.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from shoal.api.labels import FLEET_LABEL
from shoal.cluster.kube.answers import CONFLICT, INVALID, Refused
from shoal.cluster.kube.api import APPLY, FIELD_MANAGER, MERGE_PATCH, Api
from shoal.cluster.kube.comparing import contains, digest_of, has_owners, shares_owner
from shoal.cluster.kube.kinds import SECRET, Kind
from shoal.cluster.kube.store import Name, Raw, name_of

APPLIED = "shoal.dev/applied"
_FORCE = {"force": "true"}


class _Left(NamedTuple):
    """How an apply left an object: `version` changes when somebody changes what is said of it."""

    digest: str
    uid: str
    version: str | int
    fleet: str


class Applier:
    """Remembers how it left each object; without that memory it writes once more at most."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._left: dict[tuple[str, Name], _Left] = {}

    async def apply(self, kind: Kind, manifest: Raw, live: Raw | None) -> Raw | None:
        """Bring an object to what is said, whatever it is now; the answer, or None if it is so.

        `live` is None where the stores have none. They see what carries our label only, so the
        server is asked first: to apply by force would take over what is somebody else's.

        Raises:
            Refused: the API server did, or there is such an object that is not the owner's.
            WorldUnavailable: it did not answer.
        """
        digest = digest_of(manifest)
        live = live or await self._unseen(kind, manifest)
        if live is not None and self._is_so(kind, manifest, digest, live):
            return None
        said = manifest if kind is SECRET else _with_digest(manifest, digest)
        try:
            answer = await self._patch(kind, said, APPLY, _FORCE)
        except Refused as error:
            if error.code != INVALID or live is None:
                raise
            # Somebody changed what tells the entries of a list apart (a Service's ports), so that
            # theirs and ours contradict each other. A merge puts ours in the place of both.
            answer = await self._patch(kind, said, MERGE_PATCH, {})
        self._left[kind.name, name_of(manifest)] = _left(answer, digest)
        return answer

    async def _unseen(self, kind: Kind, manifest: Raw) -> Raw | None:
        namespace, name = name_of(manifest)
        found: Raw | None = await self._api.find(kind, namespace, name)
        if found is not None and not shares_owner(found, manifest):
            words = (
                f"{kind.name} {namespace}/{name} exists and is not {_owner_of(manifest)}'s: delete "
                "it or give it another name, or else the Fleet, or another spec.namespace"
            )
            raise Refused(words, CONFLICT, name)
        return found

    async def _patch(self, kind: Kind, said: Raw, how: str, query: Mapping[str, str]) -> Raw:
        query = {"fieldManager": FIELD_MANAGER, **query}
        answer: Raw = await self._api.call(
            "patch", kind, *name_of(said), query=query, body=said, content_type=how
        )
        return answer

    def forget(self, kind: Kind, name: Name) -> None:
        """It is deleted."""
        self._left.pop((kind.name, name), None)

    def forget_fleet(self, name: str) -> None:
        """It is gone, and what it owned goes after it."""
        self._left = {one: left for one, left in self._left.items() if left.fleet != name}

    def _is_so(self, kind: Kind, manifest: Raw, digest: str, live: Raw) -> bool:
        if live["metadata"].get("deletionTimestamp"):
            return True  # what is being deleted is made anew once it is gone
        if not _is_named_so(manifest, live):
            return False
        if kind is SECRET:  # a digest beside it would tell of what it hides
            return _says(live, manifest) and live.get("data", {}) == manifest.get("data", {})
        if (live["metadata"].get("annotations") or {}).get(APPLIED) != digest:
            return False
        untouched = self._left.get((kind.name, name_of(manifest))) == _left(live, digest)
        return untouched or _says(live, manifest)


def _owner_of(manifest: Raw) -> str:
    owner = manifest["metadata"]["ownerReferences"][0]
    return f"{owner['kind']} {owner['name']}"


def _is_named_so(manifest: Raw, live: Raw) -> bool:
    said = {field: manifest["metadata"].get(field) or {} for field in ("labels", "annotations")}
    return contains(live["metadata"], said) and has_owners(live, manifest)


def _says(live: Raw, manifest: Raw) -> bool:
    identity = ("apiVersion", "kind", "metadata")
    return contains(live, {key: value for key, value in manifest.items() if key not in identity})


def _left(live: Raw, digest: str) -> _Left:
    meta: Mapping[str, Any] = live["metadata"]
    version = meta.get("generation") or meta["resourceVersion"]
    return _Left(digest, meta["uid"], version, (meta.get("labels") or {}).get(FLEET_LABEL, ""))


def _with_digest(manifest: Raw, digest: str) -> Raw:
    meta = manifest["metadata"]
    annotations = {**(meta.get("annotations") or {}), APPLIED: digest}
    return {**manifest, "metadata": {**meta, "annotations": annotations}}
