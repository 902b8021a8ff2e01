"""A replica that does nothing but be there.

Ray Serve runs a proxy on the head and wherever a replica is. So workers that hold no Model would
take no requests: nobody would answer for the Fleet, and nobody would wake a Model that is idle. A
door on a worker keeps its proxy. It has no route, so nobody can ask it for anything.
"""

from typing import Any

from ray import serve
from ray.serve import Application

from shoal.api.runtime import DOOR_DEPLOYMENT


@serve.deployment(name=DOOR_DEPLOYMENT)
class Door:
    """Holds nothing and does nothing."""


def build(args: dict[str, Any]) -> Application:
    """The Serve application of a pool's doors; how many, and where, is the configuration's."""
    deployment: Any = Door
    application: Application = deployment.bind()
    return application
