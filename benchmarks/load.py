"""`python -m benchmarks.load`: more and more callers at once, for a bounded time each.

Nobody may be told anything but an answer or that the gateway is overloaded, typed. Every caller
calls again as soon as it has its answer, so waiting grows with the number of callers; what counts
is that it grows no faster.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import click
import grpc
from acs.rooms.v1 import rooms_pb2, rooms_pb2_grpc

from benchmarks.faults import report
from benchmarks.faults.grpc_caller import told
from benchmarks.faults.row import quantile
from benchmarks.faults.systems import System, started
from benchmarks.faults.verdicts import OK
from benchmarks.stub import ROOM_ID, stub

CALLERS = (16, 64, 256, 1024)
SECONDS = 10.0
WARM_UP = 1.0
"""Seconds, at the most."""
ALLOWED = frozenset({OK, "RESOURCE_EXHAUSTED GATEWAY_OVERLOADED"})
BYTES_EACH = 1 << 16
"""Memory that a caller may cost, beside what the gateway takes for the fewest callers."""
BACK_OFF = 0.05
"""Seconds that a caller waits after it was turned away."""


@dataclass(frozen=True, slots=True)
class Held:
    """What so many callers saw."""

    callers: int
    calls: int
    per_second: float
    p50: float
    """Milliseconds, of calls that were answered."""
    p99: float
    ratio: float
    """p99 to that of the fewest callers."""
    codes: dict[str, int]
    rss: int
    """Bytes, at the end."""
    bound: int
    """Bytes that it may be at the most."""

    @property
    def fine(self) -> bool:
        """Whether nobody was told anything else than is allowed, and memory is in its bound."""
        return ALLOWED.issuperset(self.codes) and self.rss <= self.bound


async def hold(system: System, callers: int, seconds: float, fewest: Held | None) -> Held:
    """Have so many callers call for so long; `fewest` is what the fewest saw, if known."""
    assert system.channel is not None
    rooms = rooms_pb2_grpc.RoomsServiceStub(system.channel)
    request = rooms_pb2.GetRoomRequest(room_id=ROOM_ID)
    taken: list[float] = []
    codes: Counter[str] = Counter()
    ends = time.monotonic() + seconds

    async def call() -> None:
        while (begun := time.monotonic()) < ends:
            try:
                await rooms.GetRoom(request, timeout=30)
            except grpc.aio.AioRpcError as error:
                codes[f"{error.code().name} {told(error)[1]}".strip()] += 1
                await asyncio.sleep(BACK_OFF)
            else:
                codes[OK] += 1
                taken.append(time.monotonic() - begun)

    begun = time.monotonic()
    await asyncio.gather(*(call() for _ in range(callers)))
    rate = len(taken) / (time.monotonic() - begun)
    p99 = 1000 * quantile(taken, 0.99)
    rss = (await system.usage()).rss
    return Held(
        *(
            callers,
            sum(codes.values()),
            rate,
            1000 * quantile(taken, 0.5),
            p99,
            p99 / (fewest.p99 if fewest else p99),
        ),
        codes=dict(codes),
        rss=rss,
        bound=(fewest.rss if fewest else rss) + callers * BYTES_EACH,
    )


async def run(scale: float) -> list[Held]:
    """Hold every number of callers on one gateway."""
    async with stub() as endpoint, started("gateway", endpoint, quiet=True) as system:
        await hold(system, CALLERS[0], min(WARM_UP, SECONDS * scale), None)
        found: list[Held] = []
        for callers in CALLERS:
            fewest = found[0] if found else None
            found.append(await hold(system, callers, SECONDS * scale, fewest))
            one = found[-1]
            print(
                f"{callers:5} callers: {one.per_second:6.0f} a second, p50 {one.p50:.1f} ms, "
                f"p99 {one.p99:.1f} ms ({one.ratio:.1f} times), {one.rss / 1e6:.0f} of "
                f"{one.bound / 1e6:.0f} MB, "
                f"{one.codes}",
                flush=True,
            )
        return found


def table(found: list[Held]) -> str:
    """Return the numbers as a table in Markdown."""
    lines = [
        (
            "| callers | calls | per second | p50, ms | p99, ms | p99 ratio | rejected | "
            "memory (bound), MB |"
        ),
        "|" + " ---: |" * 8,
    ]
    lines += [
        f"| {h.callers:,} | {h.calls:,} | {h.per_second:.0f} | {h.p50:.1f} | {h.p99:.1f} | "
        f"{h.ratio:.1f} | {h.calls - h.codes.get(OK, 0):,} | "
        f"{h.rss / 1e6:.0f} ({h.bound / 1e6:.0f}) |"
        for h in found
    ]
    return "\n".join(lines)


@click.command()
@click.option("--scale", default=1.0, show_default=True, help="How long, to 10 seconds each.")
@click.option("--write", is_flag=True, help="Write the result into docs/reliability.md.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write JSON to this file.")
def main(*, scale: float, write: bool, file: Path | None) -> None:
    """Hold 16 to 1,024 callers.

    Exits with 1 if one is told anything but an answer or overload, or costs too much memory.
    """
    begun = time.monotonic()
    found = asyncio.run(run(scale))
    about = report.circumstances(scale, time.monotonic() - begun)
    if file is not None:
        report.save("load", found, about, file)
    if write:
        report.publish("load", about, table(found))
    sys.exit(not all(held.fine for held in found))


if __name__ == "__main__":
    main()
