"""The command tree itself, and `up`, `down`, `version` and `completion`."""

import os
import subprocess
import sys

import pytest

from shoal import __version__
from shoal.cli.detaching import start
from shoal.cluster.local import hold
from shoal.errors import AlreadyRunning, WorldUnavailable

COMMANDS = ("up", "down", "apply", "get", "describe", "delete", "scale", "wait", "logs")
COMMANDS += ("infer", "chat")


def test_every_command_has_help_with_an_example(shoal):
    for command in COMMANDS:
        result = shoal(command, "--help")
        assert result.exit_code == 0
        assert f"\nExample:\n  shoal {command}" in result.stdout


def test_without_a_command_the_help_is_shown(shoal):
    result = shoal()
    assert result.exit_code == 0
    assert all(f"\n  {command} " in result.stdout for command in COMMANDS)


def test_version(shoal):
    assert shoal("version").stdout == f"shoal {__version__}\n"


def test_version_loads_no_api():
    code = "import sys, shoal.cli.about; print('pydantic' in sys.modules, 'yaml' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert printed.stdout == "False False\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shoal, shell):
    assert "_SHOAL_COMPLETE" in shoal("completion", shell).stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("shoal des", ["describe"]),
        ("shoal get mod", ["models", "model/chat", "model/echo"]),
        ("shoal get models ", ["chat", "echo"]),
        ("shoal delete models echo ", ["chat"]),
        ("shoal infer model/e", ["model/echo"]),
        ("shoal get -n ops models ", ["other"]),
        ("shoal get nonsense ", []),
    ],
)
def test_completion_completes(shoal, home, served, words, offered):
    served("echo"), served("chat"), served("other", namespace="ops")
    number = str(len(words.split(" ")) - 1)
    asked = {"_SHOAL_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": number}
    said = shoal(prog_name="shoal", env=asked | {"SHOAL_HOME": str(home)}).stdout.split()
    assert said == [f"plain,{word}" for word in offered]


def test_the_home_comes_from_the_environment(shoal, manifest, tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "shoal", "apply", "-f", manifest()],
        env=os.environ | {"SHOAL_HOME": str(tmp_path / "elsewhere")},
        capture_output=True,
        text=True,
    )
    assert result.stdout == "model.shoal.dev/echo created\n", result.stderr
    assert (tmp_path / "elsewhere/models/default/echo.yaml").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-f", "nowhere"), 'error: the path "nowhere" does not exist\n'),
        (("-f", "-"), "error: standard input cannot be watched\n"),
        (("--port", "0"), "error: Invalid value for '--port'"),
        (("--cpus", "0"), "error: Invalid value for '--cpus'"),
    ],
)
def test_up_refuses_what_makes_no_sense(shoal, words, said):
    result = shoal("up", *words)
    assert result.exit_code == 1
    assert result.stderr.startswith(said)


def test_up_says_who_runs_already(shoal, running):
    for words in ((), ("--detach",)):
        result = shoal("up", *words)
        assert result.exit_code == 1
        assert "error: shoal is already running on " in result.stderr


def test_up_that_ends_at_once_shows_its_last_words(home):
    with pytest.raises(WorldUnavailable, match=r"ended with code 1:\nerror: .*nowhere"):
        start(home, ["up", "--home", str(home), "-f", "nowhere"])


def test_nothing_is_started_beside_what_runs(home):
    with hold(home), pytest.raises(AlreadyRunning):
        start(home, [])


def test_down_where_nothing_runs(shoal, home):
    result = shoal("down")
    assert (result.exit_code, result.stderr) == (0, f"Shoal was not running on {home}.\n")
