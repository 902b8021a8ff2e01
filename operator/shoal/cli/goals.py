"""What `shoal wait` can wait for, and for how long: kubectl's notations."""

from typing import NamedTuple

import click
from pydantic import TypeAdapter, ValidationError

from shoal.api import ConditionType, Duration, Fleet, Model
from shoal.cli.tables import condition


class Goal(NamedTuple):
    """That a condition has a status (in lower case), or, without one, that nothing is left."""

    condition: ConditionType | None
    status: str = ""

    def is_met(self, resource: Model | Fleet | None) -> bool:
        """Whether it is so for the spec that was applied last."""
        if self.condition is None or resource is None:
            return self.condition is None and resource is None
        found = condition(resource, self.condition)
        if found is None or found.status.lower() != self.status:
            return False
        seen = found.observed_generation or resource.status.observed_generation
        return seen >= resource.metadata.generation


def goal_of(_: click.Context, __: click.Parameter, text: str) -> Goal:
    """Read `condition=NAME[=STATUS]` or `delete`, in any case."""
    word, _sign, rest = text.lower().partition("=")
    name, _sign, status = rest.partition("=")
    kinds = {kind.lower(): kind for kind in ConditionType}
    if word == "delete" and not rest:
        return Goal(None)
    if word == "condition" and name in kinds:
        return Goal(kinds[name], status or "true")
    raise click.ClickException(
        f'unrecognized condition: "{text}": expected delete or condition=NAME[=STATUS], '
        f"with a NAME among {', '.join(ConditionType)}"
    )


def seconds_of(_: click.Context, __: click.Parameter, text: str) -> float:
    """Read a duration; `0` is one too."""
    if text == "0":
        return 0.0
    try:
        return TypeAdapter(Duration).validate_python(text).seconds
    except ValidationError:
        problem = f'invalid duration "{text}": expected one such as 60s or 1m30s'
        raise click.ClickException(problem) from None
