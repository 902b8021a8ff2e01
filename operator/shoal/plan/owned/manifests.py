"""Everything that a Fleet owns, as a list of manifests in a stable order."""

from typing import Any

from shoal.plan.observed import ObservedFleet
from shoal.plan.owned.address import service
from shoal.plan.owned.disruption import disruption_budgets
from shoal.plan.owned.fleet_secrets import credentials_secret, token_secret
from shoal.plan.owned.manifest import Manifest, manifest
from shoal.plan.owned.outside import http_route, ingress
from shoal.plan.owned.policies import network_policies
from shoal.plan.owned.volume import state_claim


def owned_manifests(observed: ObservedFleet, fresh_token: str) -> list[dict[str, Any]]:
    """The objects of a Fleet on a site that has pods.

    `fresh_token` is Ray's token if there is none yet: its Secret is written once.
    """
    fleet, namespace = observed.fleet, observed.site.namespace
    said: list[Manifest | None] = [
        token_secret(fleet, fresh_token),
        credentials_secret(observed),
        state_claim(fleet),
        service(observed),
        *network_policies(observed),
        *disruption_budgets(observed),
        ingress(fleet),
        http_route(fleet),
    ]
    return [manifest(fleet, namespace, one) for one in said if one is not None]
