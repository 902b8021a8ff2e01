"""What `shoal operator` is told, and what it refuses."""

from datetime import timedelta
from pathlib import Path

import pytest

from shoal.manager import operating
from shoal.settings import Address, LogLevel, Settings

SAID = ("operator", "--namespace", "shoal-system", "--serving-image", "serving:1")


@pytest.fixture
def told(monkeypatch):
    """The settings that the operator is started with."""
    started = []
    monkeypatch.setattr(operating, "operate", started.append)
    return started


def test_what_is_not_said_has_a_default(shoal, told):
    assert shoal(*SAID).exit_code == 0
    assert told == [
        Settings(
            namespace="shoal-system",
            serving_image="serving:1",
            listen=Address("0.0.0.0", 8080),
            leader_election=True,
            kubeconfig=None,
            resync=timedelta(minutes=10),
            log_level=LogLevel.INFO,
        )
    ]


def test_everything_may_be_said_by_the_environment(shoal, told, monkeypatch):
    said = {
        "NAMESPACE": "elsewhere",
        "SERVING_IMAGE": "serving:2",
        "LISTEN": "[::1]:9090",
        "LEADER_ELECTION": "false",
        "KUBECONFIG": "/there",
        "RESYNC": "1h30m",
        "LOG_LEVEL": "debug",
    }
    for name, value in said.items():
        monkeypatch.setenv(f"SHOAL_{name}", value)
    assert shoal("operator").exit_code == 0
    assert told == [
        Settings(
            namespace="elsewhere",
            serving_image="serving:2",
            listen=Address("::1", 9090),
            leader_election=False,
            kubeconfig=Path("/there"),
            resync=timedelta(minutes=90),
            log_level=LogLevel.DEBUG,
        )
    ]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--listen", "8080"), "'8080' is no address: expected HOST:PORT, as in 0.0.0.0:8080"),
        (("--listen", "here:99999"), "is no address"),
        (("--resync", "often"), "'often' is no interval: expected a duration such as"),
        (("--resync", "0s"), "'0s' is no interval: expected more than 0s"),
        (("--log-level", "loud"), "'loud' is not one of"),
    ],
)
def test_what_cannot_be_meant_is_refused(shoal, told, words, why):
    result = shoal(*SAID, *words)
    assert result.exit_code == 1
    assert why in result.stderr
    assert not told


@pytest.mark.parametrize("missing", ["--namespace", "--serving-image"])
def test_what_must_be_said_is_asked_for(shoal, told, missing):
    at = SAID.index(missing)
    result = shoal(*SAID[:at], *SAID[at + 2 :])
    assert result.exit_code == 1
    assert missing in result.stderr
    assert not told
