"""Shoal as a user runs it, with one model that generates text."""

import json
import sys
from pathlib import Path

from bench.contestants import free_port
from bench.llm.contestants import SEQUENCES, THREADS, Model
from bench.llm.engine import Engine
from bench.processes import Tree

START_TIMEOUT = 180.0


class Serving:
    """`shoal up` and a client of it. It is frozen until it is thawed."""

    def __init__(self, model: Model, scratch: Path) -> None:
        """Start both.

        Raises:
            StartFailed: Shoal did not come up.
        """
        manifests, port = scratch / "manifests", free_port()
        manifests.mkdir(parents=True)
        (manifests / "model.yaml").write_text(json.dumps(_manifest(model)))
        shoal = str(Path(sys.executable).with_name("shoal"))
        words = ["up", "--home", str(scratch / "home"), "--port", str(port), "-f", str(manifests)]
        self.tree = Tree([shoal, *words], {}, scratch / "log")
        path = f"/default/{model.name}"
        try:
            ready = f"http://127.0.0.1:{port}{path}/v2/models/{model.name}/ready"
            self.tree.wait([ready], START_TIMEOUT)
            arguments = [str(port), path]
            self.client = Engine(
                "http", Path(sys.executable), "client", arguments, scratch / "client"
            )
        except BaseException:
            self.tree.stop()
            raise
        self.tree.freeze()

    def stop(self) -> None:
        self.client.stop()
        self.tree.stop()


def _manifest(model: Model) -> dict[str, object]:
    """JSON is YAML."""
    return {
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "Model",
        "metadata": {"name": model.name},
        "spec": {
            "task": "text-generation",
            "precision": "fp32",
            "source": {"uri": model.folder.as_uri()},
            "resources": {"cpu": THREADS},
            "generation": {"maxSequences": int(SEQUENCES), "maxTokens": 1024},
        },
    }
