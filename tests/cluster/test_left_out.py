"""What a machine cannot run is said in one line, and fails a run that must be whole."""

import os
import re
import subprocess
import sys

import pytest

TESTS = """
import pytest

def test_of_anything():
    pass

def test_of_the_api(control_plane):
    pass

@pytest.mark.kubernetes_node
def test_of_a_node():
    pass

@pytest.mark.shoal_images
def test_of_images():
    pass
"""


@pytest.fixture
def run_without_go(tmp_path):
    """Runs tests as a machine without Go would: the exit status, and the output."""
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")

    def run(*args, ci=""):
        told = {"PATH": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path), "CI": ci}
        command = (sys.executable, "-m", "pytest", "-p", "shoalcluster.plugin", *args)
        done = subprocess.run(command, cwd=tmp_path, env=told, capture_output=True, text=True)
        return done.returncode, done.stdout

    return run


LINE = re.compile(
    r"^left out: 1 of the tests that need Shoal's images \((buildah .*no apt-get|this is not .*)\),"
    r" 1 of the tests that need a Kubernetes API server \(Go is not installed\),"
    r" 1 of the tests that need a Kubernetes node \(Go is not installed\)",
    re.MULTILINE,
)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_one_line_says_what_was_left_out(run_without_go, workers):
    status, output = run_without_go("-n", workers)
    assert status == 0
    assert LINE.search(output)
    assert "1 passed" in output


@pytest.mark.parametrize("workers", ["0", "2"])
def test_leaving_out_fails_a_run_that_must_be_whole(run_without_go, workers):
    status, output = run_without_go("-n", workers, ci="true")
    assert status == pytest.ExitCode.TESTS_FAILED
    assert LINE.search(output)


def test_a_run_that_leaves_nothing_out_says_nothing(run_without_go):
    status, output = run_without_go("-k", "anything", ci="true")
    assert status == 0
    assert "left out" not in output
