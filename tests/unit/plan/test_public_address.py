import pytest
from fleet_pods import SITE, on_a_cluster

from shoal.plan.public_address import public_address

GATEWAYS = [{"name": "edge"}]


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ({}, SITE.address),
        ({"service": {"type": "LoadBalancer"}}, SITE.address),
        ({"ingress": {"host": "m.test"}}, "http://m.test"),
        ({"ingress": {"host": "m.test", "tlsSecretName": "tls"}}, "https://m.test"),
        ({"ingress": {"host": "*.m.test"}}, SITE.address),
        ({"route": {"gateways": GATEWAYS}}, SITE.address),
        ({"route": {"gateways": GATEWAYS, "hostnames": ["*.m.test", "m.test"]}}, "http://m.test"),
        ({"route": {"gateways": GATEWAYS, "hostnames": ["m.test"], "port": 80}}, "http://m.test"),
        ({"route": {"gateways": GATEWAYS, "hostnames": ["m.test"], "port": 443}}, "https://m.test"),
        (
            {"route": {"gateways": GATEWAYS, "hostnames": ["m.test"], "port": 8080}},
            "http://m.test:8080",
        ),
        (
            {
                "route": {"gateways": GATEWAYS, "hostnames": ["r.test"]},
                "ingress": {"host": "i.test"},
            },
            "http://i.test",
        ),
    ],
)
def test_people_are_told_where_the_fleet_is_reached_from_outside(network, address):
    assert public_address(on_a_cluster(network=network)) == address
