"""Several gateway processes on one port."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
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
"""Number of connections; large, because the kernel assigns each connection to one process."""


@dataclass(frozen=True, slots=True)
class _Seen:
    sample: Sample
    upstream_cores: float
    """CPU time of the upstream per second."""


def processes(
    stub: Stub,
    load: Load,
    make: Callable[[str], Arm],
    rounds: int,
    seconds: float,
    counts: Sequence[int] = COUNTS,
) -> dict[str, dict[str, float]]:
    """Measure GetRoom from 64 callers with each number of processes; the first number is the base.

    `make` returns a gateway that listens on an address and shares its port.
    """
    seen: dict[int, list[_Seen]] = {count: [] for count in counts}
    with ExitStack() as parts:
        groups = {count: _group(parts, stub, make, count) for count in counts}
        for number in range(1, rounds + 1):
            for count, group in groups.items():
                say(f"{count} on one port: round {number} of {rounds}")
                seen[count].append(_measure(stub, load, group, seconds))
    return {str(count): _summary(mine, seen[counts[0]]) for count, mine in seen.items()}


def _group(parts: ExitStack, stub: Stub, make: Callable[[str], Arm], count: int) -> list[Running]:
    # A bound socket that does not listen reserves the port and accepts no connection.
    holder = parts.enter_context(socket.socket())
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{holder.getsockname()[1]}"
    return [parts.enter_context(make(address).running(stub)) for _ in range(count)]


def _measure(stub: Stub, load: Load, group: Sequence[Running], seconds: float) -> _Seen:
    begun, used = time.monotonic(), _cpu(stub.pid)
    sample = load.run(get_room(64), group, seconds=seconds, connections=CONNECTIONS)
    return _Seen(sample, (_cpu(stub.pid) - used) / (time.monotonic() - begun))


def _cpu(pid: int) -> float:
    """Return the CPU time of a process, in seconds; see clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def _summary(seen: Sequence[_Seen], one: Sequence[_Seen]) -> dict[str, float]:
    samples = [each.sample for each in seen]
    bases = [each.sample for each in one]
    return {
        "calls_per_second": median(_rate(sample) for sample in samples),
        "relative": median(
            _rate(sample) / _rate(base) for sample, base in zip(samples, bases, strict=True)
        ),
        "cpu_micros": median(sample.server_cpu / sample.calls * 1e6 for sample in samples),
        "p99_ms": median(sample.p99 for sample in samples) * 1000,
        "gateway_cores": median(sample.server_cpu / sample.seconds for sample in samples),
        "load_cores": median(sample.load_cpu / sample.seconds for sample in samples),
        "upstream_cores": median(each.upstream_cores for each in seen),
    }


def _rate(sample: Sample) -> float:
    return sample.calls / sample.seconds
