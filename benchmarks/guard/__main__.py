"""`python -m benchmarks.guard`: count the cost of calls; fail if one exceeds its bounds."""

from __future__ import annotations

from pathlib import Path

import click
import grpc

from benchmarks.guard import bounds
from benchmarks.guard.bounds import BoundsError, Counted, Difference
from benchmarks.guard.counting import WORKS, count, list_frames
from benchmarks.guard.kinds import KINDS
from benchmarks.guard.observed import NeverIdleError

BOUNDS = Path(__file__).with_name("bounds.json")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--accept", is_flag=True, help="Write the counts as the new bounds.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON, not as a table.")
@click.option("--only", default="", metavar="TEXT", help="Only calls with TEXT in their names.")
@click.option(
    "--frames", is_flag=True, help="List the functions that each call runs, with their counts."
)
@click.option(
    "--bounds", "path", default=BOUNDS, type=click.Path(dir_okay=False, path_type=Path),
    help="File with the bounds; default: bounds.json of this package.",
)  # fmt: skip
@click.option(
    "--patience", default=30.0, show_default=True,
    help="Timeout until all tasks of finished calls have ended, in seconds.",
)  # fmt: skip
def main(
    *, accept: bool, as_json: bool, only: str, frames: bool, path: Path, patience: float
) -> None:
    """Count the cost of calls, and fail if one exceeds its bounds.

    Nothing is timed: the counts are the same on slow and on busy machines.
    """
    if not any(only in name for name in WORKS):
        raise click.UsageError(f"--only: {only!r} is in no name of {', '.join(WORKS)}")
    try:
        if frames:
            click.echo("\n".join(list_frames(only, patience)))
            return
        counted = count(only, patience)
    except NeverIdleError as error:
        raise click.ClickException(str(error)) from error
    except grpc.RpcError as error:
        raise click.ClickException(
            f"a counted call failed; `make test` may show the cause.\n{error}"
        ) from error
    click.echo(counted.json() if as_json else table(counted), nl=not as_json)
    if accept:
        bounds.accept(path, counted)
        click.echo(f"These are the bounds now: {path}", err=True)
    else:
        compare(path, counted)


def compare(path: Path, counted: Counted) -> None:
    """Print all differences. Raises ClickException if a count has grown."""
    try:
        before = bounds.read(path)
    except BoundsError as error:
        raise click.ClickException(
            f"No bounds to compare with: {error}\n`make guard GUARD=--accept` writes {path}."
        ) from error
    if before.on != counted.on:
        names = ", ".join(kind.name for kind in KINDS if kind.of_python)
        click.echo(
            f"Not compared (bounds are of {before.on}, this is {counted.on}): {names}.",
            err=True,
        )
    found = list(bounds.differences(before, counted))
    grown = [difference for difference in found if difference.too_much]
    if grown:
        raise click.ClickException(complaint(grown, path))
    if found:
        lines = "\n".join(f"  {difference}" for difference in found)
        click.echo(
            f"Within the allowance, but different from the bounds:\n{lines}\n"
            "`make guard GUARD=--accept` writes them as the new bounds.",
            err=True,
        )


def complaint(grown: list[Difference], path: Path) -> str:
    """Return the growth and the remedy."""
    lines = "\n".join(f"  {difference}" for difference in grown)
    return (
        f"calls cost more than before:\n{lines}\n"
        "These are counts, not times: the code has changed, not the machine. To find the cause,\n"
        "compare `make -s guard GUARD=--frames` of two checkouts. To accept the cost, run\n"
        f"`make guard GUARD=--accept` and commit {path.name}: reviewers see the cost there."
    )


def table(counted: Counted) -> str:
    """Return the counts as a table, a column for each work."""
    names = list(counted.works)
    first = max(len(kind.name) for kind in KINDS)
    lines = [f"{'':{first}}  {'  '.join(names)}"]
    for kind in KINDS:
        cells = (f"{counted.works[name][kind.name]:>{len(name)}}" for name in names)
        lines.append(f"{kind.name:{first}}  {'  '.join(cells)}")
    return "\n".join(["", f"One call, counted on {counted.on}:", *lines])


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.guard")
