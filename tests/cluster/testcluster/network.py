"""The addresses of one node's network, and the cable between it and this machine.

The node's network namespace holds its bridge, its iptables rules and its listening ports. A pair
of virtual interfaces, the cable, leads into it, and this machine gets a route to its pods and
services, which ends with the cable. Nothing is ever written to this machine's own rules.

Pods reach this machine, at `Network.host`, and nothing beyond it.
"""

import contextlib
import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from machine.commands import CommandFailed, run

# From the range that is set aside for testing networks, so that it is nobody's real address.
RANGE = ipaddress.IPv4Network("198.19.0.0/16")
LINKS = Path("/sys/class/net")


class NoRoom(Exception):
    """Every block of addresses is in use."""


@dataclass(frozen=True)
class Network:
    """A /22: a quarter for pods, one for services, and two addresses for the cable."""

    number: int

    @property
    def block(self) -> ipaddress.IPv4Network:
        """All of its addresses."""
        return list(RANGE.subnets(new_prefix=22))[self.number]

    @property
    def pods(self) -> ipaddress.IPv4Network:
        return self._quarters[0]

    @property
    def services(self) -> ipaddress.IPv4Network:
        return self._quarters[1]

    @property
    def host(self) -> str:
        """This machine, as the node and its pods reach it."""
        return str(self._cable[1])

    @property
    def node(self) -> str:
        """The node, as this machine reaches it."""
        return str(self._cable[2])

    @property
    def kubernetes_service(self) -> str:
        """Where pods reach the API server: always the first address of the services."""
        return str(self.services[1])

    @property
    def dns_service(self) -> str:
        return str(self.services[10])

    @property
    def link(self) -> str:
        """This machine's end of the cable."""
        return f"shoal{self.number}"

    @property
    def _cable(self) -> ipaddress.IPv4Network:
        return next(self._quarters[2].subnets(new_prefix=30))

    @property
    def _quarters(self) -> list[ipaddress.IPv4Network]:
        return list(self.block.subnets(new_prefix=24))

    def connect(self, pid: int, owner: str) -> None:
        """Lay the cable into the network namespace of a process; `remove_cable` knows the owner."""
        peer = ("peer", "name", "eth0", "netns", str(pid))
        run("ip", "link", "add", self.link, "type", "veth", *peer)
        run("ip", "link", "set", self.link, "alias", owner)
        run("ip", "address", "add", f"{self.host}/30", "dev", self.link)
        run("ip", "link", "set", self.link, "up")
        for target in (self.pods, self.services):
            run("ip", "route", "add", str(target), "via", self.node, "dev", self.link)

    def inside(self) -> list[tuple[str, ...]]:
        """What has to be run in the namespace then."""
        return [
            ("ip", "link", "set", "lo", "up"),
            ("ip", "address", "add", f"{self.node}/30", "dev", "eth0"),
            ("ip", "link", "set", "eth0", "up"),
            ("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"),
            # A connection that nobody owns any more would keep the namespace for minutes.
            ("sh", "-c", "echo 1 > /proc/sys/net/ipv4/tcp_orphan_retries"),
        ]


def remove_cable(owner: str) -> None:
    """Remove the cable that was laid for an owner, if it is still there."""
    for alias in LINKS.glob("shoal*/ifalias"):
        with contextlib.suppress(OSError):
            if alias.read_text().strip() == owner:
                _remove_link(alias.parent)


def _remove_link(link: Path) -> None:
    """The kernel removes it as well, a moment after the namespace at its other end has ended."""
    try:
        run("ip", "link", "delete", link.name)
    except CommandFailed:
        if link.exists():
            raise


def free_network() -> Network:
    """One whose addresses this machine has no route to; raises NoRoom."""
    taken, links = _routes(), _links()
    for number in range(2 ** (22 - RANGE.prefixlen)):
        network = Network(number)
        overlaps = any(network.block.overlaps(route) for route in taken)
        if not overlaps and network.link not in links:
            return network
    raise NoRoom(f"every block of {RANGE} is routed on this machine; see `ip route`")


def _routes() -> list[ipaddress.IPv4Network]:
    routes = json.loads(run("ip", "-json", "-4", "route", "show"))
    return [ipaddress.IPv4Network(one["dst"]) for one in routes if one["dst"] != "default"]


def _links() -> set[str]:
    return {path.name for path in LINKS.iterdir()}
