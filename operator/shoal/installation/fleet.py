"""The default Fleet, as the chart's values say it."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from shoal.cluster.kube.api import APPLY, Api
from shoal.cluster.kube.kinds import FLEET
from shoal.errors import KindMissing

FIELD_MANAGER = "shoal-chart"
PATIENCE_S = 60.0


async def apply(api: Api, fleet: Mapping[str, Any], patience_s: float = PATIENCE_S) -> Any:
    """Bring the Fleet to what is said; what is not said of it is left alone.

    A CRD that came with the same release takes a moment to be served.

    Raises:
        KindMissing: it is not served in time.
        WorldUnavailable: the API server refused the Fleet, or did not answer.
    """
    query = {"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"}
    name = fleet["metadata"]["name"]
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return await api.call(
                "patch", FLEET, name=name, query=query, body=fleet, content_type=APPLY
            )
        except KindMissing:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.5)
