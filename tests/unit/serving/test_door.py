"""A door is as little as a replica can be."""

import subprocess
import sys

from shoal.api.runtime import DOOR_DEPLOYMENT
from shoal_serving.door import build

LOADED = """
import sys, shoal_serving.door
print([name for name in sys.modules if name.split(".")[0] in ("shoal_serving", "onnxruntime")])
"""


def test_a_door_has_the_name_that_the_configuration_calls_it_by():
    assert build({})._bound_deployment.name == DOOR_DEPLOYMENT


def test_a_door_loads_nothing_of_the_data_plane():
    command = [sys.executable, "-c", LOADED]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    assert said.stdout.splitlines()[-1] == "['shoal_serving', 'shoal_serving.door']"
