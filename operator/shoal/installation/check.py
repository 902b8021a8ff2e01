"""Whether an installation works: what is looked at, in order. The first failure ends it."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx

from shoal.cluster.kube.api import Api
from shoal.cluster.kube.kinds import FLEET, MODEL, RAY_SERVICE
from shoal.errors import WorldUnavailable

PATIENCE_S = 60.0
_MODEL = {
    "apiVersion": MODEL.api_version,
    "kind": MODEL.name,
    "metadata": {"generateName": "helm-test-"},
    "spec": {"source": {"uri": "file:///opt/shoal/samples/digits"}},
}


async def check(
    api: Api, namespace: str, operator: str, patience_s: float = PATIENCE_S
) -> AsyncIterator[str]:
    """A line for each thing that is as it should be.

    Raises:
        KindMissing: a resource is not served; it says what to install.
        WorldUnavailable: the API server refuses a sound Model, or the operator is not ready.
    """
    for kind in (MODEL, FLEET, RAY_SERVICE):
        await api.call("list", kind, query={"limit": "1"})
        yield f"{kind.resource} is served"
    query = {"dryRun": "All", "fieldValidation": "Strict"}
    await api.call("create", MODEL, namespace, query=query, body=_MODEL)
    yield "a Model would be taken"
    await _ready(operator, patience_s)
    yield "the operator is ready"


async def _ready(operator: str, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
        while said := await _unready(client, f"{operator}/readyz"):
            if time.monotonic() > deadline:
                raise WorldUnavailable(f"the operator is not ready: {said}. See its logs")
            await asyncio.sleep(1)


async def _unready(client: httpx.AsyncClient, url: str) -> str:
    """Why it is not ready, or nothing if it is."""
    try:
        answer = await client.get(url)
    except httpx.HTTPError as error:
        return f"{url} does not answer ({error})"
    return "" if answer.is_success else f"{url} says {answer.status_code}: {answer.text.strip()}"
