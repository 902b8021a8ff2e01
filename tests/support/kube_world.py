"""A KubeCluster on a real API server while it is watched, with every call counted."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from shoal.api import Fleet, Model
from shoal.cluster import Key
from shoal.cluster.kube import KubeCluster, connect
from shoal.cluster.kube.informer import Pace
from shoal.errors import WorldUnavailable

SYSTEM = "shoal-system"
# Anything else writes.
READS = frozenset({"get", "list", "watch"})
FAST = Pace(watch=2.0, silence=0.5, first=0.05, longest=0.3, missing=0.3)


class World:
    """The keys that a KubeCluster gave so far, and its calls by verb and resource, and by code."""

    cluster: KubeCluster

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.calls: Counter[tuple[str, str]] = Counter()
        self.codes: Counter[int] = Counter()
        self._settled = False

    def observe(self, verb: str, resource: str, code: int, seconds: float) -> None:
        assert seconds >= 0
        self.calls[verb, resource] += 1
        self.codes[code] += 1

    @property
    def writes(self) -> dict[tuple[str, str], int]:
        return {call: times for call, times in self.calls.items() if call[0] not in READS}

    async def until(self, holds: Callable[[], Any], seconds: float = 30) -> Any:
        """What it gives, or what awaiting that gives, once it is true and the world is known."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(WorldUnavailable):
                found = holds()
                if asyncio.iscoroutine(found):
                    found = await found
                if found:
                    return found
            assert time.monotonic() < deadline, "it did not become true"
            await asyncio.sleep(0.02)

    async def fleet(self, name: str) -> Fleet:
        """The Fleet, once it and all else is known."""
        found: Fleet = await self.until(lambda: self._get(Fleet, "", name))
        return found

    async def model(self, namespace: str, name: str) -> Model:
        """The Model, once it and all else is known."""
        found: Model = await self.until(lambda: self._get(Model, namespace, name))
        return found

    async def told(self, *key: str) -> None:
        """Return once this key was given."""
        await self.until(lambda: Key(*key) in self.keys)

    async def _get(self, kind: Any, namespace: str, name: str) -> Any:
        return await self.cluster.get(kind, namespace, name) if self._settled else None

    def begin(self) -> None:
        self._watching = asyncio.create_task(self._collect())

    async def end(self) -> None:
        self._watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watching

    async def watch_anew(self) -> None:
        """As after an error: what was told is forgotten."""
        await self.end()
        self.keys.clear()
        self.begin()

    async def _collect(self) -> None:
        async with contextlib.aclosing(self.cluster.watch()) as keys:
            async for key in keys:
                self._settled = True
                self.keys.append(key)


@contextlib.asynccontextmanager
async def watched(kubeconfig: Path, pace: Pace = FAST) -> AsyncGenerator[World, None]:
    """A KubeCluster of a kubeconfig while its watch runs."""
    world = World()
    async with connect(kubeconfig, observe=world.observe) as api:
        world.cluster = KubeCluster(api, namespace=SYSTEM, serving_image="serving:1", pace=pace)
        world.begin()
        try:
            yield world
        finally:
            await world.end()


def prepare(control_plane: Any) -> None:
    """Every CRD that there is, and the operator's namespace."""
    control_plane.install_shoal_crds()
    control_plane.install_kuberay_crds()
    control_plane.apply(namespace(SYSTEM))


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def a_model(name: str, place: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "Model",
        "metadata": {"name": name, "namespace": place},
        "spec": {"source": {"uri": "file:///models/it"}, **spec},
    }


def a_fleet(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "Fleet",
        "metadata": {"name": name},
        "spec": {"pools": [{"name": "local"}], **spec},
    }
