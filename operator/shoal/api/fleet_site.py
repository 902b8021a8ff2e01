"""Where a Fleet's Ray runs and how it is reached, as the cluster at hand has it."""

from shoal.api.base import Wire


class Site(Wire):
    """`namespace` holds its RayService; Ray Serve is told to listen on `host` and `port`.

    `address` is the base URL under which its models are reached, without a slash at its end.
    `image` is the serving image of a Fleet that names none; None where there are no pods.
    `operator_namespace` is where the operator runs; empty where there are no pods.
    """

    namespace: str
    host: str
    port: int
    address: str
    image: str | None = None
    operator_namespace: str = ""

    @property
    def has_pods(self) -> bool:
        """Whether Ray runs in pods, rather than on this machine."""
        return self.image is not None
