"""Interference of calls: many callers with a slow upstream, and reads during lists."""

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
"""Delay of every response of the slow upstream, in milliseconds."""

LIST_DELAY = 2000
"""Delay of every page, in milliseconds; long, so that lists wait most of the time."""

SETTLE = 6
"""Time until each caller has a connection, and each list its first page, in seconds."""

HEALTH = Work("Check", "/grpc.health.v1.Health/Check", health_pb2.HealthCheckRequest(), 1)


def slow_upstream(stub: Stub, load: Load, gateway: Arm, seconds: float) -> dict[str, float]:
    """Return memory in MiB and latency of health checks while many callers wait."""
    say(f"{CROWD:,} callers, slow upstream")
    stub.shape(delay=DELAY)
    served, waiting = _crowd(stub, load, gateway, get_room(CROWD), seconds)
    return {"calls_per_second": served.calls / served.seconds, **waiting}


def slow_lists(stub: Stub, load: Load, gateway: Arm, seconds: float) -> dict[str, float]:
    """Return memory in MiB and latency of health checks while many callers read slow lists.

    They need more slots than the gateway has by default.
    """
    say(f"{CROWD:,} lists, slow upstream")
    lists = list_rooms(1000, 30, CROWD)
    stub.shape(lists.pages, lists.size, LIST_DELAY)
    served, waiting = _crowd(stub, load, gateway, lists, seconds)
    return {"pages_per_second": served.messages / served.seconds, **waiting}


def _crowd(
    stub: Stub, load: Load, gateway: Arm, work: Work, seconds: float
) -> tuple[Sample, dict[str, float]]:
    """Measure the gateway once all callers wait, and again later."""
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
    """Return the latency of reads, alone and with four concurrent endless lists."""
    lists, reads = list_rooms(100, 100), get_room(16)
    stub.shape(lists.pages, lists.size)
    alone, with_lists = [], []
    with gateway.running(stub) as running:
        for number in range(1, rounds + 1):
            say(f"reads with concurrent lists: round {number} of {rounds}")
            alone.append(load.run(reads, [running], seconds=seconds))
            with load.begin(lists, [running], seconds=seconds + 2) as listing:
                time.sleep(0.5)
                with_lists.append(load.run(reads, [running], seconds=seconds))
                read(listing)
    return {
        "p50_alone_ms": median(sample.p50 for sample in alone) * 1000,
        "p99_alone_ms": median(sample.p99 for sample in alone) * 1000,
        "p50_with_lists_ms": median(sample.p50 for sample in with_lists) * 1000,
        "p99_with_lists_ms": median(sample.p99 for sample in with_lists) * 1000,
    }
