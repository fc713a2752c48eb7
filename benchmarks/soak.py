"""`python -m benchmarks.soak`: many calls, and a search for leaks.

A bounded number of unary calls, cancelled streams and connections. The resources of the gateway's
process are sampled; they must not grow with the number of calls.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import click
import grpc
from acs.rooms.v1 import rooms_pb2, rooms_service_pb2_grpc

from benchmarks.faults import report
from benchmarks.faults.systems import System, Usage, started
from benchmarks.stub import ROOM_ID, stub

CALLERS = 32

FEW = 2 * CALLERS
"""Allowed growth of descriptors: a cancelled list may leave two idle connections in the pool.
A leak would grow with the number of calls."""
SAMPLES = 40
SETTLED = 0.5
"""Share of the samples that are ignored at the start, while caches fill."""
SETTLE = 5.0
"""Timeout until the gateway has released the resources of the last calls, in seconds."""

Step = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Phase:
    """One workload."""

    name: str
    count: int
    bytes_each: float
    """Maximum growth of memory per call, in bytes."""


PHASES = (
    Phase("unary calls", 1_000_000, 8.0),
    Phase("cancelled streams", 100_000, 64.0),
    Phase("reconnects", 10_000, 640.0),
)


@dataclass(frozen=True, slots=True)
class Grown:
    """Result of a phase."""

    phase: str
    count: int
    per_second: float
    tasks: int
    """Tasks left over."""
    fds: int
    rss_before: int
    """Resident memory before the phase, in bytes."""
    rss_after: int
    slope: float
    """Growth of memory in bytes per call, over the second half."""
    flat: bool


def slope(points: list[tuple[int, int]]) -> float:
    """Return the slope of the least-squares line through `points`."""
    count = len(points)
    middle, level = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - middle) ** 2 for x, _ in points)
    return sum((x - middle) * (y - level) for x, y in points) / spread if spread else 0.0


async def repeat(
    step: Step, count: int, system: System, samples: int = SAMPLES
) -> list[tuple[int, int]]:
    """Run `step` `count` times, some concurrently; return samples of the memory, in bytes."""
    numbers = itertools.count(1)
    every = max(1, count // samples)
    points = []

    async def work() -> None:
        while (number := next(numbers)) <= count:
            await step()
            if number % every == 0:
                points.append((number, (await system.usage()).rss))

    workers = [work() for _ in range(CALLERS)]
    await asyncio.gather(*workers)
    return sorted(points)


async def left(system: System, before: Usage) -> Usage:
    """Return the resources once they are back at `before`, or at the end of SETTLE."""
    ends = time.monotonic() + SETTLE
    while True:
        now = await system.usage()
        if (now.tasks <= before.tasks and now.fds <= before.fds + FEW) or time.monotonic() > ends:
            return now
        await asyncio.sleep(0.1)


async def run(scale: float) -> list[Grown]:
    """Run all phases on one gateway."""
    async with (
        stub(late=2 * CALLERS) as endpoint,
        started("gateway", endpoint, quiet=True) as system,
    ):
        assert system.channel is not None
        rooms = rooms_service_pb2_grpc.RoomsServiceStub(system.channel)
        get, listing = rooms_pb2.GetRoomRequest(room_id=ROOM_ID), rooms_pb2.ListRoomsRequest()

        async def call() -> None:
            await rooms.GetRoom(get, timeout=30)

        async def cancel() -> None:
            pages = rooms.ListRooms(listing, timeout=30)
            await pages.read()
            pages.cancel()

        async def reconnect() -> None:
            own = [("grpc.use_local_subchannel_pool", 1)]
            async with grpc.aio.insecure_channel(system.address, own) as channel:
                await rooms_service_pb2_grpc.RoomsServiceStub(channel).GetRoom(get, timeout=30)

        found = []
        for phase, step in zip(PHASES, (call, cancel, reconnect), strict=True):
            await repeat(step, 4 * CALLERS, system, samples=1)
            before = await system.usage()
            begun = time.monotonic()
            count = max(CALLERS, round(phase.count * scale))
            points = await repeat(step, count, system)
            seconds = time.monotonic() - begun
            after = await left(system, before)
            found.append(_grown(phase, count, seconds, before, after, points))
            print(line(found[-1]), flush=True)
        return found


def _grown(
    phase: Phase,
    count: int,
    seconds: float,
    before: Usage,
    after: Usage,
    points: list[tuple[int, int]],
) -> Grown:
    rise = slope(points[int(len(points) * SETTLED) :])
    tasks, fds = max(0, after.tasks - before.tasks), max(0, after.fds - before.fds)
    # A few calls give no reliable slope: memory grows in pages and arenas.
    steady = rise <= phase.bytes_each or count < phase.count // 10
    return Grown(
        *(phase.name, count, count / seconds, tasks, fds, before.rss, after.rss, rise),
        flat=not tasks and fds <= FEW and steady,
    )


def line(grown: Grown) -> str:
    """Return the result of a phase as a line."""
    return (
        f"{grown.count:>9} {grown.phase:18} {grown.per_second:6.0f} per second, "
        f"left: {grown.tasks} tasks, {grown.fds} descriptors; memory "
        f"{grown.rss_before / 1e6:.1f} to {grown.rss_after / 1e6:.1f} MB, "
        f"{grown.slope:+.1f} bytes per call"
        f"{'' if grown.flat else '  NOT FLAT'}"
    )


def table(found: list[Grown]) -> str:
    """Return the results as a table in Markdown."""
    lines = [
        "| workload | count | per second | tasks left | fds left | memory, MB | bytes per call |",
        "| --- |" + " ---: |" * 6,
    ]
    lines += [
        f"| {g.phase} | {g.count:,} | {g.per_second:.0f} | {g.tasks} | {g.fds} | "
        f"{g.rss_before / 1e6:.1f} → {g.rss_after / 1e6:.1f} | {g.slope:+.1f} |"
        for g in found
    ]
    return "\n".join(lines)


@click.command()
@click.option("--scale", default=1.0, show_default=True, help="Factor for the number of calls.")
@click.option("--write", is_flag=True, help="Write the result into docs/reliability.md.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write JSON to this file.")
def main(*, scale: float, write: bool, file: Path | None) -> None:
    """Make 1,000,000 calls, cancel 100,000 streams, connect 10,000 times.

    Exits with 1 if tasks, descriptors or memory leak.
    """
    begun = time.monotonic()
    found = asyncio.run(run(scale))
    about = report.circumstances(scale, time.monotonic() - begun)
    if file is not None:
        report.save("soak", found, about, file)
    if write:
        report.publish("soak", about, table(found))
    sys.exit(not all(grown.flat for grown in found))


if __name__ == "__main__":
    main()
