"""`python -m bench`: measure everything side by side, print the tables, write `bench/out`."""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import cases, environments, load, report, run, tables
from bench.contestants import PEERS
from bench.llm import run as llm
from bench.llm.engine import EngineFailed
from bench.llm.tables import markdown

HERE = Path(__file__).parent
OUT = HERE / "out"
PARTS = ("servers", "llm")


def main() -> int:
    given = _given()
    if "servers" in given.parts and not load.installed():
        print(load.MISSING, file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if "servers" in given.parts:
            _servers(_options(given))
        if "llm" in given.parts:
            _llm(given)
    except environments.EnvironmentFailed as failed:
        print(f"no environment: {failed}", file=sys.stderr)
        return 1
    except EngineFailed as failed:
        print(f"Shoal's own engine failed: {failed}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _servers(options: run.Options) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as scratch:
        found = run.Run(options, Path(scratch)).everything()
    _write(found)


def _llm(given: argparse.Namespace) -> None:
    rounds = given.rounds or (1 if given.quick else 3)
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as scratch:
        found = llm.measure(rounds, Path(scratch))
    OUT.mkdir(exist_ok=True)
    text = markdown(found)
    print(text)
    (OUT / "llm.md").write_text(text)
    (OUT / "llm.json").write_text(json.dumps(found, indent=1) + "\n")
    print(f"written: {OUT}/llm.md, llm.json")


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help="servers, llm; default both")
    add("--quick", action="store_true", help="fewer rounds and cells, memory left out")
    add("--peers", default=list(PEERS), type=_some_of(PEERS), metavar="NAME,...")
    add("--cases", default=list(cases.NAMES), type=_some_of(cases.NAMES), metavar="NAME,...")
    add("--concurrency", type=_some_of(("1", "16", "64")), metavar="NUMBER,...")
    add("--rounds", type=int, help="default 4, of llm 3")
    add("--seconds", type=int, default=1, help="for each cell; the encoder takes twice that")
    given = parser.parse_args()
    given.parts = given.parts or list(PARTS)
    if unknown := [part for part in given.parts if part not in PARTS]:
        parser.error(f"{unknown[0]!r} is none of {', '.join(PARTS)}")
    return given


def _options(given: argparse.Namespace) -> run.Options:
    concurrency = given.concurrency or (["1", "16"] if given.quick else ["1", "16", "64"])
    return run.Options(
        peers=given.peers,
        cases=given.cases,
        concurrency=[int(number) for number in concurrency],
        rounds=given.rounds or (2 if given.quick else 4),
        seconds=given.seconds,
        memory=not given.quick,
    )


def _some_of(known: tuple[str, ...]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return names

    return read


def _write(found: report.Row) -> None:
    OUT.mkdir(exist_ok=True)
    text = tables.markdown(found)
    print(text)
    (OUT / "latest.md").write_text(text)
    (OUT / "latest.json").write_text(json.dumps(found, indent=1) + "\n")
    python = environments.python("plot", HERE / "plot-requirements.txt")
    plot = [python, HERE / "plot.py", OUT / "latest.json", OUT / "latest.png"]
    subprocess.run(plot, check=True)
    print(f"written: {OUT}/latest.md, latest.json, latest.png")


if __name__ == "__main__":
    sys.exit(main())
