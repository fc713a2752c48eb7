"""Latency with an upstream far away: of the first call, after idle time, and in a burst."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from benchmarks.speed.contenders import Arm
from benchmarks.speed.measure import Load, Sample, ask
from benchmarks.speed.processes import Running
from benchmarks.speed.progress import say
from benchmarks.speed.upstream import Stub
from benchmarks.speed.works import get_room

ROUND_TRIP = 80
"""Round trip to the upstream, in milliseconds."""

IDLE = 65.0
"""Idle time, in seconds; longer than the gateway keeps an idle connection."""

BURST = 100
WARM_CALLS = 20
SETTLE = 1.0
"""Time between readiness and the first call, in seconds."""


def latency(
    stub: Stub, load: Load, relay: Path, arms: Sequence[Arm], rounds: int, idle: float = IDLE
) -> dict[str, dict[str, float]]:
    """Measure GetRoom over TLS on each arm that supports it; each round starts all of them anew.

    `relay` is the program that delays the bytes. Raises MeasurementError if a call fails.
    """
    arms = [arm for arm in arms if arm.does(get_room(1).over_tls())]
    seen: dict[str, list[dict[str, float]]] = {arm.name: [] for arm in arms}
    with _far_away(stub, relay) as far:
        for number in range(1, rounds + 1):
            say(f"latency: round {number} of {rounds}")
            for name, times in _round(far, load, arms, idle).items():
                seen[name].append(times)
    return {
        name: {key: median(each[key] for each in times) for key in times[0]}
        for name, times in seen.items()
    }


def _round(far: Stub, load: Load, arms: Sequence[Arm], idle: float) -> dict[str, dict[str, float]]:
    with ExitStack() as parts:
        running = [(arm, parts.enter_context(arm.running(far, tls=True))) for arm in arms]

        def measure(callers: int, calls: int) -> list[Sample]:
            return [_calls(load, *each, callers, calls) for each in running]

        time.sleep(SETTLE)
        first, warm = measure(1, 1), measure(1, WARM_CALLS)
        time.sleep(idle)
        later, burst = measure(1, 1), measure(BURST, BURST)
    return {
        arm.name: {
            "first_ms": a.max * 1000,
            "warm_ms": b.p50 * 1000,
            "after_idle_ms": c.max * 1000,
            "burst_p50_ms": d.p50 * 1000,
            "burst_max_ms": d.max * 1000,
            "burst_cpu_ms": d.server_cpu * 1000,
        }
        for arm, a, b, c, d in zip(arms, first, warm, later, burst, strict=True)
    }


def _calls(load: Load, arm: Arm, running: Running, callers: int, calls: int) -> Sample:
    work = get_room(callers).over_tls()
    if arm.in_process:
        return ask(work, running, seconds=0, calls=calls)
    return load.run(work, [running], seconds=0, request=arm.request(work), calls=calls)


@contextmanager
def _far_away(stub: Stub, relay: Path) -> Iterator[Stub]:
    """Return the stub as it is reached through the relay, over TLS."""
    target = urlsplit(stub.https).netloc
    process = subprocess.Popen(
        [relay, "-target", target, "-round-trip", f"{ROUND_TRIP}ms"],
        stdout=subprocess.PIPE,
        env={"GOMAXPROCS": "1"},
    )
    try:
        assert process.stdout
        port = json.loads(process.stdout.readline())["port"]
        yield replace(stub, https=f"https://127.0.0.1:{port}")
    finally:
        process.kill()
        process.communicate()
