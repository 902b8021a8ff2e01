"""What `shoal up` shows while it runs: how far models are, then where they answer.

On a terminal one line follows what is still on its way: Ray first, then the models. Once everything
has settled the table of models is printed, with a line for each to paste; from then on, what
changes. What Shoal warns of in its log is said here too.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
import httpx

from shoal.api import ConditionType, Fleet, Model
from shoal.cli.ages import span
from shoal.cli.exits import say, warn
from shoal.cli.progress import Progress, blocker, step
from shoal.cli.tables import Style, condition, table
from shoal.cluster import Key
from shoal.cluster.local import RunState, Store
from shoal.cluster.local.layout import key_of
from shoal.cluster.local.run import log_file
from shoal.errors import InvalidResource

_TICK_S = 1.0


async def show(home: Path, store: Store) -> None:
    """Show it until cancelled."""
    state = RunState.read(home)
    where = state.url if state else "this machine"
    click.echo(f"Shoal is starting on {where}, with the resources in {home}. Ctrl-C stops it.")
    models = store.list(Model)
    if not models:
        click.echo("There are no models yet; `shoal apply -f FILE` adds one.")
    try:
        with Progress() as progress, _aloud(progress, home):
            await _follow(store, _Display(progress, models))
    finally:
        click.echo("Shoal is stopping.")


async def _follow(store: Store, display: "_Display") -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(display.tick())
        async with aclosing(store.watch()) as changes:
            async for key in changes:
                await display.update(key, _look(store, key))


def _look(store: Store, key: Key) -> Model | Fleet | None:
    try:
        if key.kind == Fleet.__name__:
            return store.get(Fleet, key.namespace, key.name)
        if key.kind == Model.__name__:
            return store.get(Model, key.namespace, key.name)
    except InvalidResource as error:
        say(error)
    return None


@contextmanager
def _aloud(progress: Progress, home: Path) -> Iterator[None]:
    """Warnings of Shoal's log are said as well, unless this very output is the log."""
    handler = _Aloud(progress)
    logger = logging.getLogger("shoal")
    if not _writes_to(log_file(home)):
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _writes_to(path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(sys.stderr.fileno()), path.stat())
    except OSError:
        return False


class _Aloud(logging.Handler):
    """Says a record's sentence; its traceback is for the log alone."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.WARNING)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.show("")
        warn(record.getMessage())


class _Display:
    def __init__(self, progress: Progress, models: Sequence[Model]) -> None:
        self._progress = progress
        self._models = {key_of(model): model for model in models}
        self._fleets: dict[Key, Fleet] = {}
        self._told: dict[Key, tuple[str, ...]] = {}
        self._since: float | None = time.monotonic()

    async def tick(self) -> None:
        """Keep the seconds going, so that a person sees that it lives."""
        while True:
            self._show_pending()
            await asyncio.sleep(_TICK_S)

    async def update(self, key: Key, resource: Model | Fleet | None) -> None:
        if isinstance(resource, Model):
            self._models[key] = resource
        elif isinstance(resource, Fleet):
            self._fleets[key] = resource
        else:
            self._models.pop(key, None)
            self._told.pop(key, None)
        if not self._show_pending():
            await self._tell()

    def _show_pending(self) -> bool:
        """Show what is waited for, and for how long; whether there is anything."""
        pending = [one for one in self._models.values() if not _settled(one)]
        fleets = [one for one in self._fleets.values() if blocker(one)]
        awaited: list[Model | Fleet] = [*fleets, *pending] if pending or not self._models else []
        if not awaited:
            self._since = None
            self._progress.show("")
            return False
        self._since = self._since or time.monotonic()
        waited = span(time.monotonic() - self._since)
        settled = len(self._models) - len(pending)
        text = f"{settled}/{len(self._models)} settled  {waited}  {step(awaited[0])}"
        self._progress.show(text)
        return True

    async def _tell(self) -> None:
        """Everything that was not told like this before."""
        now = {key: _gist(model) for key, model in self._models.items()}
        news = [key for key in sorted(now) if self._told.get(key) != now[key]]
        self._told = now
        if not news:
            return
        models = [self._models[key] for key in news]
        namespaces = len({key.namespace for key in self._models}) > 1
        lines = table(models, Style(wide=True, namespaces=namespaces), datetime.now(UTC))
        click.echo("\n" + "\n".join(lines))
        for model in models:
            click.echo(_trouble(model) or await _example(model), nl=False)


def _settled(model: Model) -> bool:
    """kstatus: nothing newer is on its way (or it failed, and is only tried again)."""
    status = model.status
    if status.observed_generation < model.metadata.generation or not status.conditions:
        return False
    moving = condition(model, ConditionType.RECONCILING) is not None
    return not moving or status.last_failure is not None


def _gist(model: Model) -> tuple[str, ...]:
    ready = condition(model, ConditionType.READY)
    state = (ready.status, ready.reason, ready.message) if ready else ()
    return (*state, model.status.revision or "")


async def _example(model: Model) -> str:
    """The line to paste, from the model's own page."""
    ready = condition(model, ConditionType.READY)
    if model.status.url is None or ready is None or ready.status != "True":
        return ""
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            page = (await client.get(model.status.url)).json()
    except (httpx.HTTPError, ValueError):
        return ""
    line = page.get("curl") if isinstance(page, dict) else None
    return f"\n{line}\n" if line else ""


def _trouble(model: Model) -> str:
    """Why it is not as it should be, if it is not."""
    failure, blocking = model.status.last_failure, blocker(model)
    if failure is not None:
        serving = f" Revision {model.status.revision} serves on." if model.status.revision else ""
        return f"\n{model.metadata.name}: {failure.message} {failure.action}{serving}\n"
    if blocking is None or not blocking.message:
        return ""
    return f"\n{model.metadata.name}: {blocking.message}\n"
