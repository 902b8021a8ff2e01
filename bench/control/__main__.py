"""`make bench-operator`: measure the operator at scale, print the table, write `bench/out`."""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from testcluster import binaries
from testcluster.needs import missing_for_an_api_server

from bench import machine
from bench.control.crowd import Size
from bench.control.report import document, markdown
from bench.control.run import Options, measure

OUT = Path(__file__).parents[1] / "out"


def main() -> int:
    given = _given()
    if (reason := missing_for_an_api_server()) is not None:
        print(f"no Kubernetes API server can be made here: {reason}", file=sys.stderr)
        return 1
    binaries.ensure(binaries.API)
    described = machine.describe([])
    size = Size(given.models, given.fleets)
    options = Options(size, given.times, given.rest_seconds, given.changes, given.resync)
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as scratch:
        results = measure(options, Path(scratch))
    described["load after"] = round(os.getloadavg()[0], 2)
    text = markdown(results, described)
    print(text)
    given.out.mkdir(exist_ok=True)
    (given.out / "operator.md").write_text(text)
    (given.out / "operator.json").write_text(
        json.dumps(document(results, described), indent=1) + "\n"
    )
    return 0


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.control", description=__doc__)
    add = parser.add_argument
    add("--models", type=int, default=1000, help="that are applied at once; default 1000")
    add("--fleets", type=int, default=5, help="that they are on, 200 on each at most; default 5")
    add("--times", type=int, default=5, help="so many times as many are there at rest; default 5")
    add("--rest-seconds", type=float, default=120.0, help="how long rest is watched; default 120")
    add("--changes", type=int, default=10, help="of one Model; default 10")
    add("--resync", default="60s", help="of the operator that has nothing to do; default 60s")
    add("--out", type=Path, default=OUT, help="the folder of the report; default bench/out")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
