"""What can be said of the images without building them."""

import re
import shlex
from pathlib import Path

import pytest

from shoal.api.serve_environment import FAST_MODE

ROOT = Path(__file__).parents[2]
OPERATOR = (ROOT / "operator" / "Dockerfile").read_text()
SERVING = (ROOT / "serving" / "Dockerfile").read_text()
LOCKS = ("operator", "serving", "serving-gpu", "build")


def environment(dockerfile):
    joined = dockerfile.replace("\\\n", " ")
    words = [shlex.split(line)[1:] for line in joined.splitlines() if line.startswith("ENV ")]
    return dict(word.split("=", 1) for line in words for word in line)


def pinned(lock):
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    return set(re.findall(r"^\S+==[^\\\n]+", text, re.MULTILINE))


def bases(dockerfile):
    return re.findall(r"^ARG BASE=(\S+)$", dockerfile, re.MULTILINE)


def test_the_serving_image_is_in_fast_mode_whoever_starts_it():
    assert FAST_MODE.items() <= environment(SERVING).items()


def test_no_other_ray_setting_is_said_in_the_image_alone():
    ray = {name for name in environment(SERVING) if name.startswith("RAY_")}
    assert ray - FAST_MODE.keys() == {"RAY_SERVE_HAPROXY_BINARY_PATH"}


def test_both_images_stand_on_the_same_base():
    assert len(bases(OPERATOR)) == 1
    assert bases(OPERATOR) == bases(SERVING)


@pytest.mark.parametrize("dockerfile", [OPERATOR, SERVING])
def test_the_last_stage_runs_no_command(dockerfile):
    assert "\nRUN " not in dockerfile[dockerfile.rindex("\nFROM ") :]


@pytest.mark.parametrize("lock", LOCKS)
def test_an_image_installs_the_versions_that_the_tests_ran_with(lock):
    only_for_gpus = {one for one in pinned(lock) if one.startswith(("nvidia-", "onnxruntime-gpu"))}
    assert pinned(lock) - only_for_gpus <= pinned("dev")
    assert bool(only_for_gpus) == (lock == "serving-gpu")


@pytest.mark.parametrize("lock", [*LOCKS, "dev"])
def test_a_lock_names_no_place_that_packages_come_from(lock):
    assert "://" not in (ROOT / "requirements" / f"{lock}.txt").read_text()
