"""The operator's process, seen from outside: its memory, its time, and what it counts itself."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
from audited import Audited, writes
from operator_process import OperatorProcess
from waiting import eventually

NAMESPACE = "shoal-system"
USER = "operator"
_WRITING = ("create", "patch", "update", "delete")
_LINE = re.compile(r"^(\w+)\{(.*)\} (\S+)$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Counts:
    """What an operator counted since it started. The calls of its Lease are left out."""

    reads: int
    writes: int
    models: int
    """Reconciles of Models, and below of Fleets."""

    fleets: int

    def since(self, before: "Counts") -> "Counts":
        then = asdict(before)
        return Counts(**{name: value - then[name] for name, value in asdict(self).items()})


class Measured:
    """One operator that leads. Use `running`."""

    def __init__(self, process: OperatorProcess, audit_log: Path) -> None:
        self.process = process
        self._audit_log = audit_log
        self._system = psutil.Process(process.pid)

    def megabytes(self) -> float:
        """Its resident memory, in MB."""
        return float(self._system.memory_info().rss) / 1e6

    def seconds(self) -> float:
        """Of processor time since it started."""
        spent = self._system.cpu_times()
        return float(spent.user + spent.system)

    def counts(self) -> Counts:
        lines = list(_lines(self.process.ask("/metrics")[1]))
        calls: Counter[bool] = Counter()
        reconciles: Counter[str] = Counter()
        for name, labels, value in lines:
            if name == "shoal_api_requests_total" and not labels["resource"].startswith("leases"):
                calls[labels["verb"] in _WRITING] += int(value)
            if name == "shoal_reconcile_total":
                reconciles[labels["kind"]] += int(value)
        return Counts(calls[False], calls[True], reconciles["Model"], reconciles["Fleet"])

    def written_since(self, moment: datetime) -> Counter[str]:
        """By resource, what the API server wrote for it, but for its Lease."""
        return Counter(
            one.resource
            for one in writes(self._audit_log)
            if one.user == USER and one.at >= moment and one.resource != "leases"
        )


def now() -> datetime:
    """As the audit log tells times."""
    return datetime.now(UTC)


@contextmanager
def running(
    plane: Audited, proxy: str, log: Path, resync: str, profile: Path | None
) -> Iterator[Measured]:
    """An operator that leads, until the end of the block; `profile` is a file for cProfile's."""
    process = OperatorProcess(
        USER,
        plane.kubeconfig_of_user(USER, "system:masters"),
        NAMESPACE,
        log,
        options=("--resync", resync),
        environment={"http_proxy": proxy, "no_proxy": ""},
        under=("-m", "cProfile", "-o", str(profile)) if profile is not None else (),
    )
    try:
        eventually(lambda: process.leads)
        yield Measured(process, plane.audit_log)
        process.stop()
        process.ended()
    finally:
        process.kill()


def _lines(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for line in text.splitlines():
        if (found := _LINE.match(line)) is not None:
            yield found[1], dict(_LABEL.findall(found[2])), float(found[3])
