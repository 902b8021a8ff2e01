"""The chart's values are explained, and checked by a schema that knows each of them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from shoal import __version__

CHART = Path(__file__).parents[3] / "helm" / "shoal"
TEXT = (CHART / "values.yaml").read_text()
VALUES = yaml.safe_load(TEXT)
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
# Parts whose fields are Kubernetes' or a Fleet's, and are explained there.
FOREIGN = ("resources.", "topologySpreadConstraints", "defaultFleet.spec.")


def explained() -> Iterator[tuple[str, bool]]:
    """Every value's path, and whether a comment stands right above it."""
    path: list[str] = []
    before = ""
    for line in TEXT.splitlines():
        if key := re.match(r"( *)(\w+):", line):
            path[len(key[1]) // 2 :] = [key[2]]
            yield ".".join(path), before.lstrip().startswith("#")
        before = line


def paths(values: Any, schema: Any, at: str = "") -> Iterator[str]:
    """Paths that a schema of closed objects knows, or that values say."""
    for name in {*schema.get("properties", {}), *(values or {})} - {"global"}:
        yield f"{at}{name}"
        below = schema.get("properties", {}).get(name, {})
        if below.get("properties"):
            yield from paths((values or {}).get(name), below, f"{at}{name}.")


def test_the_chart_is_of_shoals_version():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_every_value_has_a_comment():
    bare = [path for path, said in explained() if not said and not path.startswith(FOREIGN)]
    assert bare == []


def test_the_schema_and_the_values_know_the_same_names():
    known = {path for path in paths({}, SCHEMA) if not path.startswith(FOREIGN)}
    said = {path for path, _ in explained() if not path.startswith(FOREIGN)}
    items = {path for path in known if path.split(".")[0] in ("imagePullSecrets", "extraEnv")}
    assert known - items == said - items
