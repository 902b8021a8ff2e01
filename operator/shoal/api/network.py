"""How a Fleet is reached: its limits, its Service, and who may come to it."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from shoal.api.base import Spec
from shoal.api.label_selector import LabelSelector
from shoal.api.metadata import LabelKey, Name
from shoal.api.quantity import ByteSize, Quantity

HOSTNAME = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
CIDR = r"^[0-9a-fA-F.:]+/[0-9]{1,3}$"
Hostname = Annotated[str, StringConstraints(pattern=HOSTNAME, max_length=253)]
Cidr = Annotated[str, StringConstraints(pattern=CIDR, max_length=64)]
Annotations = Annotated[dict[LabelKey, str], Field(max_length=64)]


class Service(Spec):
    """The Fleet's Service, which carries every request on port 8000."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    annotations: Annotations = Field(default_factory=dict)


class IpBlock(Spec):
    """Addresses outside of the cluster."""

    cidr: Cidr
    except_: Annotated[tuple[Cidr, ...], Field(max_length=64)] = Field(default=(), alias="except")


class Peer(Spec):
    """Who may reach the data port (`networking.k8s.io/v1` NetworkPolicyPeer)."""

    namespace_selector: LabelSelector | None = None
    pod_selector: LabelSelector | None = None
    ip_block: IpBlock | None = None

    @model_validator(mode="after")
    def _addresses_or_pods(self) -> "Peer":
        pods = self.namespace_selector is not None or self.pod_selector is not None
        if pods == (self.ip_block is not None):
            words = "expected ipBlock, or else namespaceSelector, podSelector or both"
            raise PydanticCustomError("union", words)
        return self


class Ingress(Spec):
    """An Ingress in front of the Fleet's Service."""

    host: Hostname
    class_name: Name | None = None
    tls_secret_name: Name | None = None
    annotations: Annotations = Field(default_factory=dict)


class Gateway(Spec):
    """A Gateway of the Gateway API that the Fleet's route is attached to."""

    name: Name
    namespace: Name | None = None
    section_name: Name | None = None


class Route(Spec):
    """An HTTPRoute of the Gateway API in front of the Fleet's Service."""

    gateways: Annotated[tuple[Gateway, ...], Field(min_length=1, max_length=8)]
    hostnames: Annotated[tuple[Hostname, ...], Field(max_length=16)] = ()
    port: StrictInt | None = Field(default=None, ge=1, le=65535)
    """The port by which people reach the Gateway, where it is not 80."""


class Network(Spec):
    """How the Fleet's address treats requests, and who reaches it."""

    max_body_size: ByteSize = Quantity("64Mi")
    """The largest request body."""

    access_log: StrictBool = False
    """Whether replicas log every request."""

    service: Service = Service()
    ingress: Ingress | None = None
    route: Route | None = None
    allow_from: Annotated[tuple[Peer, ...], Field(max_length=64)] | None = None
    """Who may reach the data port. Without it everybody may; an empty list lets nobody but the
    Fleet itself and the operator."""
