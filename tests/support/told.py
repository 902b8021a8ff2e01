"""What tests measured and do not judge: printed at the end of a run, also where it passed.

A test tells with the fixture `tell`. pytest-xdist brings it to the main process with the report.
"""

from collections.abc import Callable
from typing import Any

import pytest

KEY = "told"

Tell = Callable[[str], None]


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Takes a line for the end of the run."""
    return lambda line: record_property(KEY, line)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [one for listed in terminalreporter.stats.values() for one in listed]
    properties = [
        said
        for one in reports
        if getattr(one, "when", None) == "call"
        for said in getattr(one, "user_properties", ())
    ]
    lines = [line for key, line in properties if key == KEY]
    if lines:
        terminalreporter.section("measured")
    for line in lines:
        terminalreporter.write_line(str(line))
