"""The images, built from their Dockerfiles and tried out without a container engine."""

import json
import re
import tarfile

import pytest
from machine.commands import CommandFailed
from productimages.images import IMAGES, OPERATOR, SERVING, archive, container

MEGABYTE = 1_000_000
INSTALLED = "import importlib.metadata as m; print(*(one.name for one in m.distributions()))"
LOADED = re.compile(r"^# code object from '?(/opt/[^'\n]+)", re.MULTILINE)

pytestmark = pytest.mark.shoal_images


@pytest.fixture
def operator():
    with container(OPERATOR) as made:
        yield made


@pytest.fixture
def serving():
    with container(SERVING) as made:
        yield made


def layers_and_config(image):
    """How many bytes each layer has, the base's first, and what the image says to a runtime."""
    with tarfile.open(archive(image)) as tar:
        (manifest,) = json.load(tar.extractfile("manifest.json"))
        config = json.load(tar.extractfile(manifest["Config"]))
        sizes = [tar.getmember(name).size for name in manifest["Layers"]]
    return sizes, config["config"]


def installed(made):
    return set(made.run("python", "-c", INSTALLED).split())


def compiled_at_start(made, modules):
    """The sources that Python compiles when it imports the modules, for want of bytecode."""
    loaded = LOADED.findall(made.run("bash", "-c", f"python -v -c 'import {modules}' 2>&1"))
    assert loaded
    return [path for path in loaded if path.endswith(".py")]


def test_the_operator_runs_as_nobody(operator):
    assert operator.run("shoal", "version").startswith("shoal ")
    assert operator.run("id", "-u").strip() == "65532"


def test_the_operator_talks_to_kubernetes_and_holds_nothing_of_the_data_plane(operator):
    found = installed(operator)
    assert {"shoal", "kubernetes", "aiohttp"} <= found
    assert not found & {"ray", "onnxruntime", "numpy", "pip", "setuptools", "hatchling"}


def test_the_operator_finds_its_bytecode(operator):
    assert compiled_at_start(operator, "shoal.controllers, kubernetes.aio.client.api_client") == []


def test_the_operator_is_small():
    _, *above_base = layers_and_config(OPERATOR)[0]
    assert sum(above_base) < 150 * MEGABYTE


def test_the_operator_starts_by_itself():
    config = layers_and_config(OPERATOR)[1]
    assert config["Entrypoint"] + config["Cmd"] == ["shoal", "operator"]
    assert config["User"] == "65532:65532"


def test_ray_its_autoscaler_and_the_replicas_can_start(serving):
    assert "2.60.0" in serving.run("ray", "--version")
    assert "KubeRay" in serving.run("ray", "kuberay-autoscaler", "--help")
    serving.run("python", "-c", "import shoal_serving.app")


def test_ray_finds_our_haproxy(serving):
    assert "HAProxy version" in serving.run("bash", "-c", '"$RAY_SERVE_HAPROXY_BINARY_PATH" -v')


def test_the_data_plane_runs_as_a_user_that_owns_the_cache(serving):
    serving.run("bash", "-c", 'test "$(id -u):$(id -g)" = 1000:1000 && touch ~/a "$SHOAL_CACHE/a"')
    with pytest.raises(CommandFailed, match="Permission denied"):
        serving.run("touch", "/opt/shoal/a")


def test_the_data_plane_finds_its_bytecode(serving):
    assert compiled_at_start(serving, "shoal_serving.app, ray.serve") == []


def test_the_data_plane_holds_what_it_needs_to_run_and_no_more(serving):
    found = installed(serving)
    assert {"shoal", "ray", "onnxruntime"} <= found
    assert not found & {"kubernetes", "torch", "transformers", "pip", "setuptools", "hatchling"}


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_says_nothing_of_the_machine_that_built_it(image):
    with container(image) as made:
        made.run("test", "!", "-e", "/etc/pip.conf")
        assert "PIP_" not in made.run("env")
