"""The folder that a Ray head starts on."""

import fcntl
import os
import subprocess
import sys
import time

import pytest

from shoal_serving import gcs_folder

DAY = gcs_folder.GONE_S
HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold():
    """Another process that has a RocksDB open; `kill` it to let go."""
    started = []

    def held(folder):
        command = [sys.executable, "-c", HOLD, str(a_database(folder))]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield held
    for process in started:
        process.kill()
        process.communicate()


def a_database(folder, age=0.0):
    """A Ray cluster's folder that was last written to `age` seconds ago."""
    lock = folder / "rocksdb" / "LOCK"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    for path in (lock, lock.parent, folder):
        os.utime(path, (time.time() - age,) * 2)
    return lock


def run(root, monkeypatch, cluster="mine"):
    monkeypatch.setattr(sys, "argv", ["gcs_folder", str(root), cluster])
    gcs_folder.main()


def test_a_new_ray_cluster_gets_a_folder(tmp_path, monkeypatch):
    run(tmp_path, monkeypatch)
    assert (tmp_path / "mine").is_dir()


def test_a_head_that_comes_again_finds_what_was_there(tmp_path, monkeypatch):
    lock = a_database(tmp_path / "mine", age=2 * DAY)
    run(tmp_path, monkeypatch)
    assert lock.exists()


def test_it_waits_until_the_head_before_lets_go(tmp_path, hold):
    process = hold(tmp_path / "mine")
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        if len(waited) == 3:
            process.kill()
            process.wait()

    assert gcs_folder.released(tmp_path / "mine", sleep)
    assert len(waited) == 3


def test_a_head_that_never_lets_go_is_told_of(tmp_path, hold, monkeypatch):
    hold(tmp_path / "mine")
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(SystemExit, match="mine is still in use after 120 s"):
        run(tmp_path, monkeypatch)


def test_looking_leaves_the_lock_free(tmp_path):
    lock = a_database(tmp_path / "mine")
    assert not gcs_folder.is_held(tmp_path / "mine")
    with lock.open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_folders_of_ray_clusters_that_are_long_gone_are_removed(tmp_path, monkeypatch, capsys):
    a_database(tmp_path / "old", age=2 * DAY)
    run(tmp_path, monkeypatch)
    assert not (tmp_path / "old").exists()
    assert "old is removed" in capsys.readouterr().out


def test_the_other_head_of_an_upgrade_is_left_alone(tmp_path, monkeypatch):
    a_database(tmp_path / "upgraded", age=DAY / 2)
    run(tmp_path, monkeypatch)
    assert (tmp_path / "upgraded").exists()


def test_a_quiet_head_that_lives_is_left_alone(tmp_path, monkeypatch, hold):
    hold(tmp_path / "quiet")
    a_database(tmp_path / "quiet", age=2 * DAY)
    run(tmp_path, monkeypatch)
    assert (tmp_path / "quiet").exists()


def test_what_is_no_folder_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    run(tmp_path, monkeypatch)
    assert (tmp_path / "file").exists()
