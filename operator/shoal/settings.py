"""What the operator is told, once, when it starts."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from shoal.api.quantity import Duration, Timeout

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
LEASE = "shoal-operator"

_INTERVAL: TypeAdapter[Duration] = TypeAdapter(Timeout)


class LogLevel(StrEnum):
    """From which records on the log has them."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens. An empty host is every interface."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """`0.0.0.0:8080`, `[::]:8080` or `:8080`. Raises ValueError."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"{text!r} is no address: expected HOST:PORT, as in 0.0.0.0:8080")
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Settings:
    """`namespace` is the operator's own: its Lease is there, and Fleets that name no other.

    `serving_image` is that of Fleets that name none. Without `kubeconfig` it runs in a pod.
    """

    namespace: str
    serving_image: str
    listen: Address
    leader_election: bool
    kubeconfig: Path | None
    resync: timedelta
    log_level: LogLevel


def parse_interval(text: str) -> timedelta:
    """A duration, as a resource's spec writes it: `30s`, `10m`, `1h30m`. Raises ValueError."""
    try:
        return timedelta(seconds=_INTERVAL.validate_python(text).seconds)
    except ValidationError as error:
        raise ValueError(f"{text!r} is no interval: {error.errors()[0]['msg']}") from error


def own_namespace() -> str | None:
    """The namespace of the pod that this process runs in; None outside of a cluster."""
    try:
        return (SERVICE_ACCOUNT / "namespace").read_text().strip() or None
    except OSError:
        return None
