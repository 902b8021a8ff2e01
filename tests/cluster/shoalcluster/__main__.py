"""A cluster with Shoal for a person: `python -m shoalcluster up`, and `down`.

It stays after the command ends. What `up` prints to the standard output is for a shell to read:
`eval "$(make -s cluster)"`.
"""

import sys
from pathlib import Path

from machine.progress import say
from productimages import needs as of_images
from shoal_chart import NAMESPACE
from testcluster import needs as of_clusters
from testcluster.binaries import binary
from testcluster.kept import end_kept, kept
from testcluster.node import Node
from testcluster.state import State

from shoalcluster import needs
from shoalcluster.installation import apply_samples, install, prepare

WHAT_NEXT = f"""\
Shoal runs. In a shell that has read the lines above, as `eval "$(make -s cluster)"` does:

  kubectl wait --for=condition=Ready fleet/default --timeout=10m
  kubectl wait --for=condition=Ready model --all --timeout=5m
  address=$(kubectl get service default -n {NAMESPACE} -o jsonpath='{{.spec.clusterIP}}')
  curl http://$address:8000/default/alarm-triage -d '{{"inputs": "disk is full"}}'
  shoal --kubeconfig $KUBECONFIG get models

`make cluster-down` ends it."""


def up() -> None:
    """Start a cluster with Shoal on it, unless one is running, and say how to use it."""
    state = kept()
    if state is None:
        state = _start()
    else:
        say("it is running already, with what was built then; `make cluster-down` ends it")
    _say_how_to_use(state)


def _start() -> State:
    reason = of_clusters.missing_for_a_node() or of_images.missing()
    if reason is not None:
        sys.exit(f"a cluster cannot run here: {reason}")
    for need in (needs.NODE, needs.IMAGES_BUILT):
        need.prepare()
    say("starting a node: about half a minute ...")
    node = Node().start()
    say("importing the images and installing Shoal: about a minute ...")
    prepare(node)
    install(node)
    apply_samples(node)
    node.state.keep()
    return node.state


def _say_how_to_use(state: State) -> None:
    tools = dict.fromkeys(str(binary(program).parent) for program in ("kubectl", "helm"))
    print(f"export PATH={':'.join(tools)}:$PATH:{Path(sys.executable).parent}")
    print(f"export KUBECONFIG={state.kubeconfig}", flush=True)
    print(WHAT_NEXT, file=sys.stderr)


if __name__ == "__main__":
    {"up": up, "down": end_kept}[sys.argv[1]]()
