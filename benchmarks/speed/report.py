"""Report of a run: the tables in docs/performance.md, the picture, and JSON."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.speed import summary, targets
from benchmarks.speed.latency import BURST, IDLE, ROUND_TRIP, SETTLE
from benchmarks.speed.summary import Cell

DATA = Path(__file__).parents[2] / ".tools" / "measured" / "performance.json"
"""All numbers of the last run; not committed."""

BEGIN = "<!-- measured: begin -->"
END = "<!-- measured: end -->"

LIBRARIES = ("grpcio", "protobuf", "aiohttp", "msgspec", "uvloop", "azure-communication-rooms")

_SECTIONS = {
    "start": "Startup and memory",
    "idle connections": "Memory of an idle connection, KiB",
    "lists": "Peak memory by number of rooms in a list, MiB",
    "slow upstream": "1,000 callers, upstream latency 500 ms per response",
    "slow lists": "1,000 lists, upstream latency 2 s per page",
    "reads with lists": "GetRoom from 16 callers, alone and with four concurrent lists",
}


@dataclass(frozen=True, slots=True)
class Report:
    """All results of a run."""

    where: dict[str, str]
    rounds: int
    seconds: float
    cells: list[Cell]
    more: Mapping[str, Mapping[str, Any]]

    def json(self) -> bytes:
        """Return the report as JSON."""
        return msgspec.json.format(msgspec.json.encode(self))

    def markdown(self) -> str:
        """Return the report as Markdown."""
        where = ", ".join(f"{name} {value}" for name, value in self.where.items())
        parts = [
            (
                f"{where}. {self.rounds} rounds of {self.seconds:g} s per workload and arm, more "
                "where a result is close to its target. The load generator used at most "
                f"{self._load_share():.0%} of one core."
            ),
            "### Targets\n\n" + targets.table(targets.targets(self.cells, self.more)).rstrip(),
            "### All arms\n\n" + summary.table(self.cells).rstrip(),
        ]
        parts += [
            f"### {title}\n\n{_values(self.more[name])}"
            for name, title in _SECTIONS.items()
            if name in self.more
        ]
        if far := self.more.get("latency"):
            parts.append(_latency(far))
        if shared := self.more.get("processes"):
            parts.append(_processes(shared))
        return "\n\n".join(parts)

    def _load_share(self) -> float:
        return max((cell.load_share for cell in self.cells), default=0.0)


def _values(values: Mapping[str, float]) -> str:
    rows = (f"| {name.replace('_', ' ')} | {value:,.2f} |" for name, value in values.items())
    return "\n".join(("| | |", "| --- | --- |", *rows))


def _latency(far: Mapping[str, Mapping[str, float]]) -> str:
    rows = (
        f"| {arm} | {seen['first_ms']:.0f} | {seen['warm_ms']:.0f} | {seen['after_idle_ms']:.0f} "
        f"| {seen['burst_p50_ms']:.0f} | {seen['burst_max_ms']:.0f} | {seen['burst_cpu_ms']:.0f} |"
        for arm, seen in far.items()
    )
    about = (
        f"GetRoom over TLS through a relay that adds {ROUND_TRIP} ms to each round trip, also to "
        f"that of a TCP connect. The first call is made {SETTLE:g} s after startup; the burst of "
        f"{BURST} calls follows on the call after {IDLE:g} s without calls."
    )
    head = (
        f"| arm | first call, ms | warm, ms | after {IDLE:g} s, ms | burst: p50, ms "
        "| burst: slowest, ms | burst: CPU, ms |"
    )
    title = f"### Latency with an upstream {ROUND_TRIP} ms away"
    return "\n".join((title, "", about, "", head, "| --- " * 7 + "|", *rows))


def _processes(shared: Mapping[str, Mapping[str, float]]) -> str:
    rows = (
        f"| {count} | {seen['relative']:.2f} | {seen['cpu_micros']:.0f} | {seen['p99_ms']:.1f} "
        f"| {seen['gateway_cores']:.2f} | {seen['load_cores']:.2f} | {seen['upstream_cores']:.2f} |"
        for count, seen in shared.items()
    )
    about = (
        "GetRoom from 64 callers over 32 connections, with the cores used by gateways, load "
        f"generator and upstream. This machine has {_cores()} cores for all of them: "
        "when they are used up, a further process only adds overhead."
    )
    head = (
        "| processes | calls per second, × one | µs of CPU per call | p99 ms | cores: gateways "
        "| cores: load | cores: upstream |"
    )
    lines = ("### Processes on one port", "", about, "", head, "| --- " * 7 + "|", *rows)
    return "\n".join(lines)


def where() -> dict[str, str]:
    """Return date, machine and versions of the measurement."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "Measured": datetime.now(UTC).date().isoformat(),
        "on": f"{cpu} with {_cores()} cores, Linux {platform.release()}",
        "CPython": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def _cores() -> int:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return sum(line.startswith("processor") for line in text.splitlines())


def write_page(report: Report, page: Path) -> None:
    """Write the report between the markers of `page`, draw the picture, and write JSON to DATA."""
    from benchmarks.speed.picture import draw

    before, found, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, also, after = rest.partition(END)
    if not (found and also):
        sys.exit(f"{page} lacks the lines {BEGIN} and {END}")
    DATA.parent.mkdir(parents=True, exist_ok=True)
    DATA.write_bytes(report.json() + b"\n")
    picture = page.with_suffix(".svg")
    draw(report.cells, picture)
    image = f"![Calls and rooms per CPU-second, relative to the floor]({picture.name})"
    page.write_text(
        f"{before}{BEGIN}\n\n{image}\n\n{report.markdown()}\n\n{END}{after}", encoding="utf-8"
    )
