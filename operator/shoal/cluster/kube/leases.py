"""The Lease of an operator, on the API server. Implements `shoal.manager.election.Leases`."""

from typing import Any

from shoal.api import Lease, ObjectMeta
from shoal.cluster.kube.answers import CONFLICT, NOT_FOUND, Refused
from shoal.cluster.kube.api import Api
from shoal.cluster.kube.kinds import LEASE


class KubeLeases:
    """One Lease by its name. What other fields others gave it stays."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name

    async def read(self) -> Lease:
        """The Lease; one without a resource version if there is none."""
        try:
            found = await self._api.call("get", LEASE, self._namespace, self._name)
        except Refused as error:
            if error.code != NOT_FOUND:
                raise
            return Lease(metadata=ObjectMeta(name=self._name, namespace=self._namespace))
        return Lease.model_validate(found)

    async def write(self, lease: Lease) -> Lease | None:
        """Create it, or change the very version that is given; None if that is not the newest."""
        exists = bool(lease.metadata.resource_version)
        verb, name = ("update", self._name) if exists else ("create", "")
        try:
            body = _manifest(lease)
            written = await self._api.call(verb, LEASE, self._namespace, name, body=body)
        except Refused as error:
            if error.code == CONFLICT or (exists and error.code == NOT_FOUND):
                return None
            raise
        return Lease.model_validate(written)


def _manifest(lease: Lease) -> dict[str, Any]:
    said = lease.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {"apiVersion": lease.api_version, "kind": lease.kind, **said}
