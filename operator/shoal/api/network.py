"""How a Fleet is reached: its limits, its Service, and who may come to it."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from shoal.api.base import Spec
from shoal.api.label_selector import LabelSelector
from shoal.api.metadata import AnnotationKey, Name, Subdomain
from shoal.api.quantity import ByteSize, Quantity
from shoal.api.rules import Rule, matching

HOSTNAME = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
# CEL's own `isCIDR` came later than the oldest Kubernetes that Shoal runs on.
_BYTE, _GROUP = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])", "[0-9a-fA-F]{1,4}"
_IPV4 = rf"{_BYTE}(\.{_BYTE}){{3}}/(3[0-2]|[12]?[0-9])"
_SHORTENED = "|".join(rf"({_GROUP}:){{1,{7 - n}}}(:{_GROUP}){{1,{n}}}" for n in range(1, 7))
_ADDRESS = rf"({_GROUP}:){{7}}{_GROUP}|({_GROUP}:){{1,7}}:|:((:{_GROUP}){{1,7}}|:)|{_SHORTENED}"
_IPV6 = rf"({_ADDRESS})/(12[0-8]|1[01][0-9]|[1-9]?[0-9])"
CIDR = rf"^({_IPV4}|{_IPV6})$"
_HOSTNAME = "expected a host name such as models.example.com, in lower case"
_CIDR = "expected addresses such as 10.0.0.0/8 or fd00::/8"
Hostname = Annotated[str, Field(max_length=253), matching(HOSTNAME, _HOSTNAME)]
Cidr = Annotated[str, Field(max_length=64), matching(CIDR, _CIDR)]
Annotations = Annotated[dict[AnnotationKey, str], Field(max_length=64)]


class Service(Spec):
    """The Fleet's Service, which carries every request on port 8000."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """Who reaches it: the cluster, or those who reach its nodes or a load balancer too."""

    annotations: Annotations = Field(default_factory=dict)
    """Annotations of the Service, for a load balancer's controller."""


class IpBlock(Spec):
    """Addresses outside of the cluster."""

    cidr: Cidr
    """The addresses."""

    except_: Annotated[tuple[Cidr, ...], Field(max_length=64)] = Field(default=(), alias="except")
    """Addresses among them that are left out."""


class Peer(Spec):
    """Who may reach the data port (`networking.k8s.io/v1` NetworkPolicyPeer)."""

    namespace_selector: LabelSelector | None = None
    """Namespaces whose pods may; without it, pods of the Fleet's own namespace."""

    pod_selector: LabelSelector | None = None
    """Pods of these namespaces that may; without it, all of them."""

    ip_block: IpBlock | None = None
    """Addresses that may, instead of pods."""

    rules = (
        Rule(
            "expected ipBlock, or else namespaceSelector, podSelector or both",
            cel="(has(self.namespaceSelector) || has(self.podSelector)) != has(self.ipBlock)",
            holds=lambda peer: bool(peer.ip_block) != _selects_pods(peer),
        ),
    )


def _selects_pods(peer: Peer) -> bool:
    return peer.namespace_selector is not None or peer.pod_selector is not None


class Ingress(Spec):
    """An Ingress in front of the Fleet's Service."""

    host: Hostname
    """The host name that requests come to."""

    class_name: Subdomain | None = None
    """The IngressClass; the cluster's default if it is not said."""

    tls_secret_name: Subdomain | None = None
    """A Secret of the Fleet's namespace with the certificate; without it, plain HTTP."""

    annotations: Annotations = Field(default_factory=dict)
    """Annotations of the Ingress, for its controller."""


class Gateway(Spec):
    """A Gateway of the Gateway API that the Fleet's route is attached to."""

    name: Subdomain
    """The Gateway."""

    namespace: Name | None = None
    """Its namespace; the Fleet's if it is not said."""

    section_name: Subdomain | None = None
    """One of its listeners; all of them if it is not said."""


class Route(Spec):
    """An HTTPRoute of the Gateway API in front of the Fleet's Service."""

    gateways: Annotated[tuple[Gateway, ...], Field(min_length=1, max_length=8)]
    """The Gateways that it is attached to."""

    hostnames: Annotated[tuple[Hostname, ...], Field(max_length=16)] = ()
    """Host names that requests come to; those of the Gateways if none is said."""
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
    allow_from: Annotated[tuple[Peer, ...], Field(max_length=16)] | None = None
    """Who may reach the data port. Without it everybody may; an empty list lets nobody but the
    Fleet itself and the operator."""
