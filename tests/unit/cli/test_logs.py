"""`shoal logs`."""

import os
from contextlib import closing

import pytest

from shoal.cli.tail import Tail
from shoal.cluster.local import RunState
from shoal.cluster.local.run import log_file, run_folder


@pytest.fixture
def folder(home, tmp_path):
    """Where Ray Serve's replicas of this home write."""
    RunState(
        pid=1, url="", token="", dashboard="", ray_temp=str(tmp_path / "ray"), version=""
    ).write(home)
    found = tmp_path / "ray/session_latest/logs/serve"
    found.mkdir(parents=True)
    return found


def write(folder, replica, text, name="default.echo"):
    path = folder / f"replica_{name}_Replica_{replica}.log"
    path.write_text(text)
    os.utime(path, (1, ord(replica[0])))


def test_a_models_log(shoal, served, folder):
    served()
    write(folder, "a1", "loading\nready\n")
    write(folder, "z9", "another model\n", name="default.echo2")
    assert shoal("logs", "model/echo").stdout == "loading\nready\n"


def test_several_replicas_are_told_apart(shoal, served, folder):
    served()
    write(folder, "b2", "two\n")
    write(folder, "a1", "one\n")
    assert shoal("logs", "model/echo").stdout == "[a1] one\n[b2] two\n"


def test_only_the_last_lines(shoal, served, folder):
    served()
    write(folder, "a1", "1\n2\n3\n")
    assert shoal("logs", "model/echo", "--tail", "2").stdout == "2\n3\n"


def test_shoals_own_log(shoal, home):
    run_folder(home)
    log_file(home).write_text("started\n")
    assert shoal("logs").stdout == "started\n"


def test_what_has_no_log_is_said(shoal, served, folder):
    served()
    said = shoal("logs", "model/echo").stderr.splitlines()
    assert said[0].startswith("Warning: Shoal is not running on ")
    assert said[1:] == ["error: there are no logs"]
    assert shoal("logs").exit_code == 1
    assert "(NotFound)" in shoal("logs", "model/ghost").stderr
    assert "error: expected one model/NAME, got echo\n" in shoal("logs", "echo").stderr


def test_lines_are_told_once_and_whole(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("one\ntw")
    with closing(Tail(path)) as tail, path.open("a") as file:
        assert list(tail.lines()) == ["one"]
        print("o", file=file, flush=True)
        assert list(tail.lines()) == ["two"]
        assert list(tail.lines()) == []


def test_a_rotated_file_is_followed(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("one\n")
    with closing(Tail(path, last=1)) as tail:
        assert list(tail.lines()) == ["one"]
        path.rename(tmp_path / "a.log.1")
        path.write_text("two\nthree\n")
        assert list(tail.lines()) == ["two", "three"]
