"""`shoal logs`: what a model's replicas wrote, or Shoal itself.

Ray Serve gives every replica a file of its own, `replica_<application>_<deployment>_<id>.log` in
its session's folder; the application of a Model is `<namespace>.<name>`.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import click

from shoal.api.runtime import DEPLOYMENT
from shoal.cli.asking import model_of
from shoal.cli.command import Command
from shoal.cli.exits import FAILED, say
from shoal.cli.kinds import Target, model_target_of
from shoal.cli.naming import resources_argument
from shoal.cli.scope import Scope, pass_scope, scoped
from shoal.cli.tail import Tail
from shoal.cli.world import World
from shoal.cluster.local import RunState
from shoal.cluster.local.run import log_file
from shoal.errors import ShoalError

_POLL_S = 0.2


@click.command(cls=Command, example="shoal logs model/alarm-triage -f")
@resources_argument("[model/NAME]")
@click.option("-f", "--follow", is_flag=True, help="Go on as lines are written.")
@click.option("--tail", type=click.IntRange(min=0), help="Only the last lines of each replica.")
@scoped
@pass_scope
def logs(scope: Scope, what: tuple[str, ...], follow: bool, tail: int | None) -> int:
    """Print what the replicas of a model wrote; without a model, what Shoal wrote itself.

    Replicas that ended are among them. Where there are several, each line begins with its replica.
    """
    if scope.on_cluster:
        return _print_remote(scope, what, follow, tail)
    if not what:
        _print(lambda: _existing([log_file(scope.home)]), follow, tail)
        return 0
    pattern = _pattern(World(scope), model_target_of(what))
    _print(lambda: _replica_files(scope.home, pattern), follow, tail)
    return 0


def _pattern(world: World, target: Target) -> str:
    meta = world.get(target.kind, str(target.name)).metadata
    return f"replica_{meta.namespace}.{meta.name}_{DEPLOYMENT}_*.log"


def _replica_files(home: Path, pattern: str) -> list[Path]:
    state = RunState.read(home)
    if state is None:
        return []
    folder = Path(state.ray_temp) / "session_latest" / "logs" / "serve"
    return sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)


def _existing(paths: list[Path]) -> list[Path]:
    return [path for path in paths if path.exists()]


def _print(files: Callable[[], list[Path]], follow: bool, last: int | None) -> None:
    with ExitStack() as opened:
        tails = {path: opened.enter_context(closing(Tail(path, last))) for path in files()}
        if not (tails or follow):
            raise click.ClickException("there are no logs")
        _print_news(tails)
        while follow:
            time.sleep(_POLL_S)
            new = [path for path in files() if path not in tails]
            tails |= {path: opened.enter_context(closing(Tail(path))) for path in new}
            _print_news(tails)


def _print_remote(scope: Scope, what: tuple[str, ...], follow: bool, last: int | None) -> int:
    """On a cluster Shoal itself is a Deployment, and `kubectl logs` has its words."""
    if not what:
        problem = "expected a model; kubectl logs -n NAMESPACE deploy/shoal-operator is the rest"
        raise click.UsageError(problem, click.get_current_context())
    world = World(scope)
    remote: Any = world.store
    logs = remote.logs(model_of(world, model_target_of(what)))
    files = logs.files()
    if not files:
        raise click.ClickException("there are no logs")

    def show(file: Any) -> None:
        prefix = f"[{file.replica}] " if len(files) > 1 else ""
        for line in logs.lines(file, last, follow):
            click.echo(prefix + line)

    if follow:
        return _all_at_once(show, files)
    for file in files:
        show(file)
    return 0


def _all_at_once(show: Callable[[Any], None], files: Sequence[Any]) -> int:
    """Until the last one ends, or Ctrl-C; what goes wrong with one is said at once."""
    failed = []

    def read(file: Any) -> None:
        try:
            show(file)
        except ShoalError as error:
            say(error)
            failed.append(file)

    readers = [threading.Thread(target=read, args=(file,), daemon=True) for file in files]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return FAILED if failed else 0


def _print_news(tails: dict[Path, Tail]) -> None:
    for path, tail in tails.items():
        prefix = f"[{path.stem.rpartition('_')[2]}] " if len(tails) > 1 else ""
        for line in tail.lines():
            click.echo(prefix + line)
