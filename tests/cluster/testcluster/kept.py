"""The cluster that outlives the command that made it: one for each checkout of the repository."""

from machine.cache import locked
from machine.progress import say

from testcluster.state import LOCK, State, all_states


def kept() -> State | None:
    """The cluster that this checkout keeps, if it runs."""
    ours = (state for state in all_states() if state.is_kept_here())
    return next((state for state in ours if state.is_alive()), None)


def end_kept() -> None:
    """End the cluster that this checkout keeps, and what dead owners left."""
    with locked(LOCK):
        for state in all_states():
            if state.is_kept_here() or not state.is_alive():
                say(f"ending {state.root} ...")
                state.end()
