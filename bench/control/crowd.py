"""The Fleets and Models that are applied: names, namespaces, and how they get to the API server."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shoal.api import API_VERSION, MAX_MODELS
from shoal.cluster.kube import Api
from shoal.cluster.kube.api import MERGE_PATCH
from shoal.cluster.kube.kinds import FLEET, MODEL, NAMESPACE, Kind

# So many calls at a time; the API server is not what is measured.
AT_ONCE = 8


@dataclass(frozen=True)
class Size:
    """How many there are. Models are dealt out to the Fleets evenly."""

    models: int
    fleets: int

    def __post_init__(self) -> None:
        if self.models > self.fleets * MAX_MODELS:
            raise ValueError(
                f"{self.fleets} Fleets have no place for {self.models} Models: expected "
                f"{MAX_MODELS} for each at most; say more of --fleets"
            )

    def __str__(self) -> str:
        return f"{self.models:,} Models on {self.fleets} Fleets"

    def times(self, factor: int) -> "Size":
        return Size(self.models * factor, self.fleets * factor)


@dataclass(frozen=True, order=True)
class Who:
    """A Model: its Fleet and its namespace, which has the Fleet's name, and its own name."""

    namespace: str
    name: str

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


def fleet_names(size: Size, before: int = 0) -> list[str]:
    """Of the Fleets, but for so many that are there before."""
    return [f"fleet-{number:02}" for number in range(before, before + size.fleets)]


def models_of(size: Size, fleets: Sequence[str]) -> list[Who]:
    """Every Model, by turns of the Fleets."""
    return [
        Who(fleets[number % len(fleets)], f"model-{number // len(fleets):03}")
        for number in range(size.models)
    ]


class Applicant:
    """Who applies them."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def fleets(self, names: Sequence[str]) -> None:
        await self._create(NAMESPACE, (_namespace(name) for name in names))
        await self._create(FLEET, (_fleet(name) for name in names))

    async def models(self, models: Sequence[Who]) -> None:
        await self._create(MODEL, (_model(who) for who in models))

    async def change(self, who: Who, uri: str) -> None:
        """Give a Model another source: its next generation."""
        body = {"spec": {"source": {"uri": uri}}}
        await self._api.call(
            "patch", MODEL, who.namespace, who.name, body=body, content_type=MERGE_PATCH
        )

    async def _create(self, kind: Kind, manifests: Iterable[dict[str, Any]]) -> None:
        waiting = iter(manifests)

        async def work() -> None:
            for one in waiting:
                namespace = one["metadata"].get("namespace", "")
                await self._api.call("create", kind, namespace, body=one)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _fleet(name: str) -> dict[str, Any]:
    spec = {"pools": [{"name": "cpu"}]}
    return {
        "apiVersion": API_VERSION,
        "kind": "Fleet",
        "metadata": {"name": name},
        "spec": spec,
    }


def _model(who: Who) -> dict[str, Any]:
    source = {"uri": f"https://models.example/{who.key}.onnx"}
    return {
        "apiVersion": API_VERSION,
        "kind": "Model",
        "metadata": {"name": who.name, "namespace": who.namespace},
        "spec": {"fleet": who.namespace, "source": source},
    }
