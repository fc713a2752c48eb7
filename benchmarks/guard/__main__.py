"""`python -m benchmarks.guard`: count what calls cost, and fail if one costs more than before."""

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
@click.option("--accept", is_flag=True, help="Make what is counted the bounds of later runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON, not as a table.")
@click.option("--only", default="", metavar="TEXT", help="Only works with TEXT in their names.")
@click.option("--frames", is_flag=True, help="Only list the functions that are run, and how often.")
@click.option(
    "--bounds", "path", default=BOUNDS, type=click.Path(dir_okay=False, path_type=Path),
    help="The file with the bounds, if not the one beside this program.",
)  # fmt: skip
def main(*, accept: bool, as_json: bool, only: str, frames: bool, path: Path) -> None:
    """Count what calls cost, and fail if one costs more than the bounds say.

    Nothing is timed: the counts are the same on a slow machine, and on a busy one.
    """
    if not any(only in name for name in WORKS):
        raise click.UsageError(f"--only: there are {', '.join(WORKS)}; none has {only!r} in it")
    try:
        if frames:
            click.echo("\n".join(list_frames(only)))
            return
        counted = count(only)
    except NeverIdleError as error:
        raise click.ClickException(str(error)) from error
    except grpc.RpcError as error:
        raise click.ClickException(
            f"a call that was to be counted failed; `make test` may say why.\n{error}"
        ) from error
    click.echo(counted.json() if as_json else table(counted), nl=not as_json)
    if accept:
        bounds.accept(path, counted)
        click.echo(f"These are the bounds now: {path}", err=True)
    else:
        compare(path, counted)


def compare(path: Path, counted: Counted) -> None:
    """Say what has changed. Raises ClickException if something has grown."""
    try:
        before = bounds.read(path)
    except BoundsError as error:
        raise click.ClickException(
            f"No bounds to compare with: {error}\n`make guard GUARD=--accept` writes {path}."
        ) from error
    if before.on != counted.on:
        names = ", ".join(kind.name for kind in KINDS if kind.of_python)
        click.echo(
            f"Not compared, as the bounds are for {before.on} and this is {counted.on}: {names}.",
            err=True,
        )
    found = list(bounds.differences(before, counted))
    grown = [difference for difference in found if difference.too_much]
    if grown:
        raise click.ClickException(complaint(grown, path))
    if found:
        lines = "\n".join(f"  {difference}" for difference in found)
        click.echo(
            f"No more than allowed, but other than the bounds:\n{lines}\n"
            "If calls got cheaper, `make guard GUARD=--accept` keeps them so.",
            err=True,
        )


def complaint(grown: list[Difference], path: Path) -> str:
    """Return what has grown, and what to do."""
    lines = "\n".join(f"  {difference}" for difference in grown)
    return (
        f"calls cost more than they did:\n{lines}\n"
        "These are counts, not times: it is the code, not the machine. Make it cheaper:\n"
        "`make -s guard GUARD=--frames` lists what is run; compare it with another checkout's.\n"
        f"If it is worth its price, `make guard GUARD=--accept` writes {path.name}, and whoever\n"
        "reviews the change sees the price in it."
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
