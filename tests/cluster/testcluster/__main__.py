"""A cluster for a person: `python -m testcluster up`, and `down`.

It stays after the command ends. What `up` prints to the standard output is for a shell to read:
`eval "$(make -s cluster)"`.
"""

import argparse
import sys

from testcluster.binaries import binary, say
from testcluster.needs import Need, missing
from testcluster.node import Node
from testcluster.state import State, all_states, locked


def main() -> None:
    """Run one of the two commands."""
    commands = {"up": up, "down": down}
    parser = argparse.ArgumentParser(prog="testcluster", description=__doc__)
    parser.add_argument("command", choices=sorted(commands))
    commands[parser.parse_args().command]()


def up() -> None:
    """Start a cluster, unless one is running, and say how to use it."""
    running = next((state for state in all_states() if state.is_kept()), None)
    _say_how_to_use(running or _start())


def down() -> None:
    """End the cluster that was kept, and what dead owners left."""
    with locked():
        for state in all_states():
            if state.is_kept() or not state.owner_lives():
                say(f"ending {state.root} ...")
                state.end()


def _start() -> State:
    reason = missing(Need.NODE)
    if reason is not None:
        sys.exit(f"a cluster cannot run here: {reason}")
    say("starting a node: about half a minute ...")
    node = Node(kept=True).start()
    node.import_built_images()
    return node.state


def _say_how_to_use(state: State) -> None:
    tools = dict.fromkeys(str(binary(program).parent) for program in ("kubectl", "helm"))
    print(f"export PATH={':'.join(tools)}:$PATH")
    print(f"export KUBECONFIG={state.kubeconfig}")


if __name__ == "__main__":
    main()
