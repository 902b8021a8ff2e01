"""A Fleet and a Model of the same name, and whether an operator has told all there is to tell."""

from typing import Any

from testcluster.control_plane import ControlPlane

VERSION = "shoal.dev/v1alpha1"


def little_fleet(name: str) -> list[dict[str, Any]]:
    """Both of this name; the Model is in namespace `default`."""
    fleet = {
        "apiVersion": VERSION,
        "kind": "Fleet",
        "metadata": {"name": name},
        "spec": {"pools": [{"name": "cpu"}]},
    }
    model = {
        "apiVersion": VERSION,
        "kind": "Model",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"fleet": name, "source": {"uri": "file:///models/m"}},
    }
    return [fleet, model]


def is_told(plane: ControlPlane, name: str, namespace: str) -> bool:
    """Whether all is written: the RayService, in this namespace, has the Model, and both have a
    status.
    """
    resources = plane.get("fleet,model", "-n", "default")["items"]
    mine = [one for one in resources if one["metadata"]["name"] == name]
    services = plane.get("rayservices", "-n", namespace)["items"]
    config = [one["spec"]["serveConfigV2"] for one in services if one["metadata"]["name"] == name]
    told = all(one.get("status", {}).get("conditions") for one in mine)
    return told and any(f'"/default/{name}"' in one for one in config)
