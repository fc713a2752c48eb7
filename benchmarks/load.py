"""`python -m benchmarks.load`: growing numbers of concurrent callers, for a bounded time each.

Every call must succeed or be rejected with ERROR_REASON_GATEWAY_OVERLOADED. Each caller calls again
as soon as it has a response, so latency grows with the number of callers; it must not grow faster.
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
from acs.rooms.v1 import rooms_pb2, rooms_service_pb2_grpc

from benchmarks.faults import report
from benchmarks.faults.grpc_caller import error_text
from benchmarks.faults.row import quantile
from benchmarks.faults.systems import System, started
from benchmarks.faults.verdicts import OK
from benchmarks.stub import ROOM_ID, stub

CALLERS = (16, 64, 256, 1024)
SECONDS = 10.0
WARM_UP = 1.0
"""Maximum duration, in seconds."""
ALLOWED = frozenset({OK, "RESOURCE_EXHAUSTED ERROR_REASON_GATEWAY_OVERLOADED"})
BYTES_EACH = 1 << 16
"""Allowed memory per caller, in bytes, above the memory with the fewest callers."""
BACK_OFF = 0.05
"""Wait of a caller after a rejected call, in seconds."""


@dataclass(frozen=True, slots=True)
class Held:
    """Result for one number of callers."""

    callers: int
    calls: int
    per_second: float
    p50: float
    """Latency of successful calls, in milliseconds."""
    p99: float
    ratio: float
    """p99 relative to that of the fewest callers."""
    codes: dict[str, int]
    rss: int
    """Resident memory at the end, in bytes."""
    bound: int
    """Maximum of `rss`, in bytes."""

    @property
    def fine(self) -> bool:
        """Whether all outcomes are allowed, and memory is within its bound."""
        return ALLOWED.issuperset(self.codes) and self.rss <= self.bound


async def hold(system: System, callers: int, seconds: float, fewest: Held | None) -> Held:
    """Load the gateway with `callers` callers; `fewest`: result for the fewest, if known."""
    assert system.channel is not None
    rooms = rooms_service_pb2_grpc.RoomsServiceStub(system.channel)
    request = rooms_pb2.GetRoomRequest(room_id=ROOM_ID)
    taken: list[float] = []
    codes: Counter[str] = Counter()
    ends = time.monotonic() + seconds

    async def call() -> None:
        while (begun := time.monotonic()) < ends:
            try:
                await rooms.GetRoom(request, timeout=30)
            except grpc.aio.AioRpcError as error:
                codes[f"{error.code().name} {error_text(error)[1]}".strip()] += 1
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
    """Load one gateway with each number of callers."""
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
    """Return the results as a table in Markdown."""
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
@click.option(
    "--scale",
    default=1.0,
    show_default=True,
    help="Factor for the duration of 10 seconds per number of callers.",
)
@click.option("--write", is_flag=True, help="Write the result into docs/reliability.md.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write JSON to this file.")
def main(*, scale: float, write: bool, file: Path | None) -> None:
    """Load a gateway with 16 to 1,024 concurrent callers.

    Exits with 1 if a call fails for another reason than overload, or memory exceeds its bound.
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
