"""Whether calls get into each other's way: a crowd before a slow upstream, or reads with lists."""

from __future__ import annotations

import time
from statistics import median

from grpc_health.v1 import health_pb2

from benchmarks.speed.contenders import Arm
from benchmarks.speed.footprint import MIB
from benchmarks.speed.measure import Load, Sample, read
from benchmarks.speed.progress import say
from benchmarks.speed.upstream import Stub
from benchmarks.speed.works import Work, get_room, list_rooms

CROWD = 1000
DELAY = 500
"""Milliseconds that every answer of the slow upstream waits."""

LIST_DELAY = 2000
"""The same for every page, so that lists mostly wait: they would be busy for long otherwise."""

SETTLE = 6
"""Seconds until each has its connection, and of a list a page in hand."""

HEALTH = Work("Check", "/grpc.health.v1.Health/Check", health_pb2.HealthCheckRequest(), 1)


def slow_upstream(stub: Stub, load: Load, gateway: Arm, seconds: float) -> dict[str, float]:
    """Return MiB of memory and health's latency while a crowd waits for a slow upstream."""
    say(f"{CROWD:,} callers before a slow upstream")
    stub.shape(delay=DELAY)
    served, waiting = _crowd(stub, load, gateway, get_room(CROWD), seconds)
    return {"calls_per_second": served.calls / served.seconds, **waiting}


def slow_lists(stub: Stub, load: Load, gateway: Arm, seconds: float) -> dict[str, float]:
    """Return MiB of memory and health's latency while a crowd reads lists that hardly move on.

    They need more places than the gateway has as it ships.
    """
    say(f"{CROWD:,} lists before a slow upstream")
    lists = list_rooms(1000, 30, CROWD)
    stub.shape(lists.pages, lists.size, LIST_DELAY)
    served, waiting = _crowd(stub, load, gateway, lists, seconds)
    return {"pages_per_second": served.messages / served.seconds, **waiting}


def _crowd(
    stub: Stub, load: Load, gateway: Arm, work: Work, seconds: float
) -> tuple[Sample, dict[str, float]]:
    """Look at the gateway when all of a crowd wait, and a while later."""
    try:
        with gateway.running(stub) as running:
            alone = load.run(HEALTH, [running], seconds=seconds)
            before = running.rss / MIB
            with load.begin(work, [running], seconds=5 * seconds + SETTLE) as crowd:
                time.sleep(SETTLE)
                early = running.rss / MIB
                health = load.run(HEALTH, [running], seconds=2 * seconds)
                time.sleep(seconds)
                late = running.rss / MIB
                served = read(crowd)
    finally:
        stub.shape()
    return served, {
        "rss_before_mib": before,
        "rss_early_mib": early,
        "rss_late_mib": late,
        "health_p50_alone_ms": alone.p50 * 1000,
        "health_p50_ms": health.p50 * 1000,
        "health_p99_ms": health.p99 * 1000,
        "health_max_ms": health.max * 1000,
    }


def reads_with_lists(
    stub: Stub, load: Load, gateway: Arm, rounds: int, seconds: float
) -> dict[str, float]:
    """Return the latency of reads, alone and with four endless lists."""
    lists, reads = list_rooms(100, 100), get_room(16)
    stub.shape(lists.pages, lists.size)
    alone, crowded = [], []
    with gateway.running(stub) as running:
        for number in range(1, rounds + 1):
            say(f"reads with lists: round {number} of {rounds}")
            alone.append(load.run(reads, [running], seconds=seconds))
            with load.begin(lists, [running], seconds=seconds + 2) as listing:
                time.sleep(0.5)
                crowded.append(load.run(reads, [running], seconds=seconds))
                read(listing)
    return {
        "p50_alone_ms": median(sample.p50 for sample in alone) * 1000,
        "p99_alone_ms": median(sample.p99 for sample in alone) * 1000,
        "p50_with_lists_ms": median(sample.p50 for sample in crowded) * 1000,
        "p99_with_lists_ms": median(sample.p99 for sample in crowded) * 1000,
    }
