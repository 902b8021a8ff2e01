"""`shoal wait`."""

import os
import pty
import sys
import threading

import pytest

from shoal.api import Model
from shoal.cli.progress import Progress, step


def test_a_condition_that_is_met(shoal, served, running):
    served(Ready="True/Ready")
    result = shoal("wait", "model/echo", "--for", "condition=Ready", "--timeout", "0")
    assert (result.exit_code, result.output) == (0, "model.shoal.dev/echo condition met\n")


@pytest.mark.parametrize("goal", ["condition=ready=false", "condition=Ready=False"])
def test_a_condition_that_is_to_be_false(shoal, served, running, goal):
    served(Ready="False/Loading")
    assert shoal("wait", "model/echo", "--for", goal, "--timeout", "0").exit_code == 0


def test_what_takes_too_long_is_told_with_its_cause(shoal, served, running):
    served(Accepted="True/Accepted", Loaded="False/ArtifactNotFound/There is nothing there.")
    result = shoal("wait", "models", "echo", "--for=condition=Ready", "--timeout=1ms")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: timed out waiting for the condition on models/echo\n"
        "echo: ArtifactNotFound: There is nothing there.\n"
    )


def test_the_last_spec_is_waited_for(shoal, served, manifest, running):
    served(Ready="True/Ready")
    shoal("apply", "-f", manifest(replicas=2))
    assert shoal("wait", "model/echo", "--for=condition=Ready", "--timeout=0").exit_code == 1


def test_without_shoal_up_nothing_is_ready(shoal, served):
    served(Ready="True/Ready")
    assert shoal("wait", "model/echo", "--for=condition=Ready", "--timeout=0").exit_code == 1


def test_a_condition_that_comes_true_meanwhile(shoal, served, running):
    served(Ready="False/Loading")
    threading.Timer(0.2, served, kwargs={"Ready": "True/Ready"}).start()
    result = shoal("wait", "model/echo", "--for=condition=Ready", "--timeout=60s")
    assert result.exit_code == 0


def test_everything_can_be_waited_for(shoal, served, running):
    served("a", Ready="True/Ready"), served("b", Ready="True/Ready")
    result = shoal("wait", "models", "--all", "--for=condition=Ready", "--timeout=0")
    assert result.stdout.count("condition met") == 2
    nothing = shoal("wait", "fleets", "--all", "--for=condition=Ready")
    assert nothing.stderr == "error: no matching resources found\n"


def test_deletion_can_be_waited_for(shoal, served, store, running):
    served()
    still = shoal("wait", "model/echo", "--for=delete", "--timeout=0")
    assert still.exit_code == 1
    store.delete(Model, "", "echo")
    gone = shoal("wait", "model/echo", "--for=delete")
    assert (gone.exit_code, gone.output) == (0, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--for=condition=Ready",), 'Error from server (NotFound): models.shoal.dev "ghost"'),
        (("--for=Ready",), 'error: unrecognized condition: "Ready"'),
        (("--for=condition=Redy",), 'error: unrecognized condition: "condition=Redy"'),
        (("--for=delete", "--timeout=60"), 'error: invalid duration "60"'),
        ((), "error: Missing option '--for'"),
    ],
)
def test_what_makes_no_sense_is_said(shoal, running, words, said):
    result = shoal("wait", "model/ghost", *words)
    assert result.exit_code == 1
    assert result.stderr.startswith(said)


def test_a_terminal_sees_how_far_it_is(served, monkeypatch):
    model = served(Accepted="True/Accepted", Loaded="False/Loading/fetch 12/45 MiB")
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal, os.fdopen(master, "rb", 0) as screen:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "80")
        with Progress() as progress:
            progress.show(step(model))
        shown = b"\r\x1b[Kecho  Loading  fetch 12/45 MiB\r\x1b[K"
        assert b"".join(screen.read(1) for _ in shown) == shown


def test_nobody_sees_progress_without_a_terminal(capsys):
    with Progress() as progress:
        progress.show("loading")
    assert capsys.readouterr() == ("", "")
