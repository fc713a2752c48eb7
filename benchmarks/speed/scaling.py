"""Several gateways on one address."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks.speed.contenders import Arm
from benchmarks.speed.measure import Load, Sample
from benchmarks.speed.processes import Running
from benchmarks.speed.progress import say
from benchmarks.speed.upstream import Stub
from benchmarks.speed.works import get_room

FLAG = "--reuse-port"
COUNTS = (1, 2, 4)
CONNECTIONS = 32
"""Many, since the kernel gives each connection to one process for good."""


def can_share_a_port(path: Path) -> bool:
    """Say whether the gateway at `path` has the flag."""
    shown = subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "--help"],
        cwd=path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": f"{path}:{path / 'generated'}"},
    )  # fmt: skip
    return FLAG in shown.stdout


def processes(
    stub: Stub, load: Load, make: Callable[[str], Arm], rounds: int, seconds: float
) -> dict[str, dict[str, float]]:
    """Measure GetRoom at 64 callers with each number of processes, in turn.

    `make` returns a gateway that listens on an address and shares its port.
    """
    samples: dict[int, list[Sample]] = {count: [] for count in COUNTS}
    with ExitStack() as parts:
        groups = {count: _group(parts, stub, make, count) for count in COUNTS}
        for number in range(1, rounds + 1):
            for count, group in groups.items():
                say(f"{count} processes on one port: round {number} of {rounds}")
                samples[count].append(
                    load.run(get_room(64), group, seconds=seconds, connections=CONNECTIONS)
                )
    return {
        str(count): {
            "calls_per_second": median(sample.calls / sample.seconds for sample in seen),
            "relative": median(
                (sample.calls / sample.seconds) / (one.calls / one.seconds)
                for sample, one in zip(seen, samples[1], strict=True)
            ),
            "cpu_micros": median(sample.server_cpu / sample.calls * 1e6 for sample in seen),
            "p99_ms": median(sample.p99 for sample in seen) * 1000,
        }
        for count, seen in samples.items()
    }


def _group(parts: ExitStack, stub: Stub, make: Callable[[str], Arm], count: int) -> list[Running]:
    first = parts.enter_context(make("127.0.0.1:0").running(stub))
    others = (make(first.address).running(stub) for _ in range(count - 1))
    return [first, *map(parts.enter_context, others)]
