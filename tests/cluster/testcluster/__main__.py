"""A cluster for a person: `python -m testcluster up IMAGE...`, and `down`.

It stays after the command ends, one for each checkout of the repository. What `up` prints to the
standard output is for a shell to read: `eval "$(make -s cluster)"`.
"""

import argparse
import sys
from pathlib import Path

from testcluster.binaries import binary, say
from testcluster.needs import Need, missing
from testcluster.node import Node
from testcluster.state import State, all_states, locked


def main() -> None:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(prog="testcluster", description=__doc__)
    commands = parser.add_subparsers(required=True)
    starting = commands.add_parser("up", help="start a cluster, unless one is running")
    starting.add_argument("images", nargs="*", type=Path, help="archives that the node gets")
    starting.set_defaults(run=lambda asked: up(asked.images))
    ending = commands.add_parser("down", help="remove every trace of it")
    ending.set_defaults(run=lambda _: down())
    asked = parser.parse_args()
    asked.run(asked)


def up(archives: list[Path]) -> None:
    """Start a cluster with these images, unless one is running, and say how to use it."""
    kept = (state for state in all_states() if state.is_kept_here())
    running = next((state for state in kept if state.is_alive()), None)
    _say_how_to_use(running or _start(archives))


def down() -> None:
    """End the cluster that this checkout kept, and what dead owners left."""
    with locked():
        for state in all_states():
            if state.is_kept_here() or not state.is_alive():
                say(f"ending {state.root} ...")
                state.end()


def _start(archives: list[Path]) -> State:
    reason = missing(Need.NODE)
    if reason is not None:
        sys.exit(f"a cluster cannot run here: {reason}")
    say("starting a node: about half a minute ...")
    node = Node().start()
    for archive in archives:
        say(f"importing {archive.name} ...")
        node.import_image(archive)
    node.state.keep()
    return node.state


def _say_how_to_use(state: State) -> None:
    tools = dict.fromkeys(str(binary(program).parent) for program in ("kubectl", "helm"))
    print(f"export PATH={':'.join(tools)}:$PATH")
    print(f"export KUBECONFIG={state.kubeconfig}")


if __name__ == "__main__":
    main()
