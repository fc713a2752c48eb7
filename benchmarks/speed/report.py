"""What a run found, as JSON, as a picture, and in `docs/performance.md`."""

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
from benchmarks.speed.summary import Cell

BEGIN = "<!-- measured: begin -->"
END = "<!-- measured: end -->"

LIBRARIES = ("grpcio", "protobuf", "aiohttp", "msgspec", "uvloop", "azure-communication-rooms")

_SECTIONS = {
    "start": "Start and memory",
    "lists": "Peak memory by the rooms in a list, MiB",
    "slow upstream": "1,000 callers before an upstream that takes 500 ms for every answer",
    "slow lists": "1,000 lists before an upstream that takes 2 s for every page",
    "lists beside reads": "GetRoom from 16 callers, alone and beside four lists",
}


@dataclass(frozen=True, slots=True)
class Report:
    """All that a run found."""

    where: dict[str, str]
    rounds: int
    seconds: float
    cells: list[Cell]
    more: Mapping[str, Mapping[str, Any]]

    def json(self) -> bytes:
        """Return it for programs."""
        return msgspec.json.format(msgspec.json.encode(self))

    def markdown(self) -> str:
        """Return it for people."""
        where = ", ".join(f"{name} {value}" for name, value in self.where.items())
        parts = [
            (
                f"{where}. {self.rounds} rounds of {self.seconds:g} s for each work and arm, more "
                "where a target is close. The load generator used at most "
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
        if shared := self.more.get("processes"):
            parts.append(_processes(shared))
        return "\n\n".join(parts)

    def _load_share(self) -> float:
        return max((cell.load_share for cell in self.cells), default=0.0)


def _values(values: Mapping[str, float]) -> str:
    rows = (f"| {name.replace('_', ' ')} | {value:,.2f} |" for name, value in values.items())
    return "\n".join(("| | |", "| --- | --- |", *rows))


def _processes(shared: Mapping[str, Mapping[str, float]]) -> str:
    rows = (
        f"| {count} | {seen['relative']:.2f} | {seen['cpu_micros']:.0f} | {seen['p99_ms']:.1f} "
        f"| {seen['gateway_cores']:.2f} | {seen['load_cores']:.2f} | {seen['upstream_cores']:.2f} |"
        for count, seen in shared.items()
    )
    about = (
        "GetRoom from 64 callers over 32 connections. The cores in use are those of the gateways, "
        f"of the load generator and of the upstream; this machine has {_cores()} for all of them, "
        "and where they use these up, another process adds nothing but its own cost."
    )
    head = (
        "| processes | calls per second, × one | µs of CPU for a call | p99 ms | cores: gateways "
        "| cores: load | cores: upstream |"
    )
    lines = ("### Processes on one port", "", about, "", head, "| --- " * 7 + "|", *rows)
    return "\n".join(lines)


def where() -> dict[str, str]:
    """Say on what and with which versions it was measured."""
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
    """Put the report between the markers of `page`, and the picture and the JSON beside it."""
    # Not at the top: quick looks do without matplotlib.
    from benchmarks.speed.picture import draw  # noqa: PLC0415

    before, found, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, also, after = rest.partition(END)
    if not (found and also):
        sys.exit(f"{page} lacks the lines {BEGIN} and {END}")
    picture = page.with_suffix(".svg")
    draw(report.cells, picture)
    page.with_suffix(".json").write_bytes(report.json() + b"\n")
    image = f"![Calls and rooms per CPU-second, relative to the floor]({picture.name})"
    page.write_text(
        f"{before}{BEGIN}\n\n{image}\n\n{report.markdown()}\n\n{END}{after}", encoding="utf-8"
    )
