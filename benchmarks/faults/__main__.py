"""`python -m benchmarks.faults`: run the fault campaign, or parts of it."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from pathlib import Path

import click

from benchmarks.faults import cell, report
from benchmarks.faults.admissions.scenarios import ADMISSION_SCENARIOS
from benchmarks.faults.jobs.scenarios import JOB_SCENARIOS
from benchmarks.faults.row import Row
from benchmarks.faults.scenarios import BY_NAME, SCENARIOS

SYSTEMS = ("gateway", "sdk", "naive")


@click.command()
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(BY_NAME)),
    help="Run only this scenario; repeatable.",
)
@click.option("--admissions", is_flag=True, help="Run only the scenarios of admissions.")
@click.option("--jobs", is_flag=True, help="Run only the scenarios of bulk jobs and syncs.")
@click.option(
    "--system", "systems", multiple=True, type=click.Choice(SYSTEMS),
    help="Run only this system; repeatable.",
)  # fmt: skip
@click.option("--seed", default=20_250_313, show_default=True, help="Seed of all random choices.")
@click.option("--scale", default=1.0, show_default=True, help="Factor for the number of trials.")
@click.option("--write", is_flag=True, help="Write the result into docs/reliability.md.")
@click.option(
    "--json", "file", type=click.Path(path_type=Path), help="Write the result to this JSON file."
)
def main(
    *,
    only: tuple[str, ...],
    admissions: bool,
    jobs: bool,
    systems: tuple[str, ...],
    seed: int,
    scale: float,
    write: bool,
    file: Path | None,
) -> None:
    """Run every fault against every system; exit with 1 if the gateway misses a target."""
    # The emulator's server logs every broken connection, which the scenarios cause on purpose.
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
    begun = time.monotonic()
    rows: list[Row] = []
    groups = (*(ADMISSION_SCENARIOS if admissions else ()), *(JOB_SCENARIOS if jobs else ()))
    chosen = [BY_NAME[name] for name in only] or groups or SCENARIOS
    for scenario in chosen:
        for system in systems or SYSTEMS:
            if system not in scenario.only:
                continue
            row = asyncio.run(cell.run(scenario, system, seed=seed, scale=scale))
            rows.append(row)
            print(report.line(row), flush=True)
            print(f"    {row.codes}", flush=True)
            for note in row.notes if system == "gateway" else ():
                print(f"    {note}", flush=True)
    seconds = time.monotonic() - begun
    missed = [(row, row.missed()) for row in rows if row.system == "gateway" and row.missed()]
    result = report.Result(tuple(rows), seed, scale, seconds)
    if file is not None:
        file.write_text(json.dumps(result.as_json(), indent=1) + "\n")
    if write:
        report.write(result)
    print(f"{len(rows)} cells in {seconds:.0f} s, seed {seed}")
    for row, what in missed:
        print(f"the gateway misses its targets under {row.scenario}: {', '.join(what)}")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
