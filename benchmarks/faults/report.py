"""Reports of a campaign: progress lines, the table in docs/reliability.md, a picture, JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.faults.admissions.scenarios import ADMISSION_SCENARIOS
from benchmarks.faults.jobs.scenarios import JOB_SCENARIOS
from benchmarks.faults.row import Row
from benchmarks.faults.scenarios import BY_NAME
from benchmarks.faults.verdicts import Verdict

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
PICTURE = ROOT / "docs" / "reliability.png"
DATA = ROOT / ".tools" / "measured" / "reliability.json"
"""All numbers of the last run; not committed."""
LIBRARIES = (
    *("aiohttp", "azure-communication-identity", "azure-communication-rooms", "azure-core"),
    *("grpcio", "rooms-gateway"),
)

_HEADINGS = (
    *("fault", "system", "trials (affected)", "first attempt", "after retry", "typed error"),
    *("wrong", "untyped", "late", "duplicated", "lost", "secrets", "requests per call"),
    *("requests per success", "share of the quota used"),
    *("p50 / p99 added, ms", "tasks / fds / MB left"),
)
ADMISSION_HEADINGS = (
    *("fault", "system", "trials (affected)", "guests", "first attempt", "after retry"),
    *("typed error", "wrong", "untyped", "tokens without participant", "duplicated"),
    *("unreported", "lost", "secrets", "requests per call", "tasks / fds / MB left"),
)
JOB_HEADINGS = (
    *("fault", "system", "trials (affected)", "first attempt", "after retry", "typed error"),
    *("wrong", "untyped", "late", "duplicated", "lost", "in part", "secrets", "requests per call"),
    *("requests per success", "share of the quota used", "tasks / fds / MB left"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """All rows of one run, and its parameters."""

    rows: tuple[Row, ...]
    seed: int
    scale: float
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return the whole result."""
        return {"run": self.run, "rows": [row.as_json() for row in self.rows]}

    @property
    def run(self) -> dict[str, Any]:
        """Parameters of the run."""
        return circumstances(self.scale, self.seconds, self.seed)


def circumstances(scale: float, seconds: float, seed: int = 0) -> dict[str, Any]:
    """Return the parameters of a run that took `seconds`: versions, machine, seed, scale."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "seed": seed,
        "scale": scale,
        "seconds": round(seconds),
        **{name: version(name) for name in LIBRARIES},
    }


def cells(row: Row, headings: Sequence[str] = _HEADINGS) -> tuple[str, ...]:
    """Format a row, one text per heading."""
    counts = [*(row.verdicts[v] for v in Verdict), row.overdue, row.duplicates, row.lost]
    texts = (
        *(row.scenario, row.system, f"{row.trials} ({row.struck})"),
        *(str(count) for count in (*counts, row.secrets)),
        f"{row.requests_per_call:.2f}",
        f"{row.requests_per_success:.2f}" if row.succeeded else "-",
        "-" if row.quota_used is None else f"{row.quota_used:.2f}",
        f"{row.added_p50:.0f} / {row.added_p99:.0f}",
        f"{row.tasks} / {row.fds} / {row.rss / 1e6:.0f}",
    )
    named = {
        **dict(zip(_HEADINGS, texts, strict=True)),
        "guests": str(row.guests),
        "tokens without participant": str(row.false_tokens),
        "unreported": str(row.unreported),
        "in part": str(row.halves),
    }
    return tuple(named[heading] for heading in headings)


def line(row: Row) -> str:
    """Format a row as a line of progress."""
    first, second, trials, *others = cells(row)
    counts = " ".join(f"{other:>6}" for other in others)
    return f"{first:22} {second:8} {trials:12} {counts} {row.seconds:5.1f} s"


def table(rows: Sequence[Row], headings: Sequence[str] = _HEADINGS) -> str:
    """Format the rows as a table in Markdown, with a description of each fault."""
    lines = [
        "| " + " | ".join(headings) + " |",
        "| --- | --- |" + " ---: |" * (len(headings) - 2),
    ]
    last = ""
    for row in rows:
        name, *others = cells(row, headings)
        first = "" if name == last else f"**{name}**: {BY_NAME[name].what}"
        last = name
        lines.append("| " + " | ".join([first, *others]) + " |")
    return "\n".join(lines)


def replace_between(page: str, name: str, text: str) -> str:
    """Replace the text between the markers of `name` in `page`.

    Raises ValueError if `page` has no such markers.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    head, mark, rest = page.partition(begin)
    _, second, tail = rest.partition(end)
    if not (mark and second):
        raise ValueError(f"the page has no markers {begin} and {end}")
    return f"{head}{begin}\n\n{text}\n\n{end}{tail}"


def publish(name: str, run: dict[str, Any], text: str) -> None:
    """Write a result and the parameters of its run into the page."""
    parameters = ", ".join(f"{key} {value}" for key, value in run.items())
    PAGE.write_text(replace_between(PAGE.read_text(), name, f"{text}\n\n{parameters}."))


def save(name: str, found: Sequence[Any], run: dict[str, Any], file: Path) -> None:
    """Write results, which are dataclasses, and the parameters of their run to `file` as JSON."""
    content = {"run": run, name: [asdict(one) for one in found]}
    file.write_text(json.dumps(content, indent=1) + "\n")


def tables(rows: Sequence[Row]) -> dict[str, str]:
    """Format the rows as tables by the name of their markers; no table has no rows."""
    headings = {"faults": _HEADINGS, "admissions": ADMISSION_HEADINGS, "jobs": JOB_HEADINGS}
    groups = {name: [row for row in rows if _group(row) == name] for name in headings}
    return {name: table(these, headings[name]) for name, these in groups.items() if these}


def write(result: Result) -> None:
    """Write the tables into the page, draw the picture of "faults", and write the JSON to DATA.

    The page and the picture stay as they are where the result has no rows.
    """
    DATA.parent.mkdir(parents=True, exist_ok=True)
    DATA.write_text(json.dumps(result.as_json(), indent=1) + "\n")
    written = tables(result.rows)
    for name, text in written.items():
        publish(name, result.run, text)
    if "faults" in written:
        from benchmarks.faults.picture import draw

        draw(tuple(row for row in result.rows if _group(row) == "faults"), PICTURE)


def _group(row: Row) -> str:
    scenario = BY_NAME[row.scenario]
    if scenario in ADMISSION_SCENARIOS:
        return "admissions"
    return "jobs" if scenario in JOB_SCENARIOS else "faults"
