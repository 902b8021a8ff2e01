"""The bench of the operator still runs, at the size of a toy; its figures are not judged."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.kubernetes_api, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
SIZE = ("--models", "5", "--fleets", "2", "--times", "2")
SHORT = ("--rest-seconds", "2", "--changes", "1", "--resync", "2s")


def test_the_bench_of_the_operator_measures_everything(tmp_path):
    path = os.pathsep.join((str(ROOT), *filter(None, sys.path)))
    command = [sys.executable, "-m", "bench.control", *SIZE, *SHORT, "--out", str(tmp_path)]
    ran = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "operator.md").read_text() in ran.stdout
    assert "10 Models on 4 Fleets at rest" in ran.stdout
    found = json.loads((tmp_path / "operator.json").read_text())
    assert found["changes"]
    assert found["rest"]["megabytes"] > 0
