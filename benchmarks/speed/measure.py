"""One measurement: an arm runs a workload for some seconds."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.speed.processes import Running
from benchmarks.speed.works import Work

CONNECTIONS = 4
"""Maximum number of connections that the callers share, like a few clients."""


class MeasurementError(Exception):
    """A response was wrong or missing, so the measurement is invalid."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Result of one measurement. Times are in seconds."""

    calls: int
    errors: int
    items: int
    seconds: float
    server_cpu: float
    """CPU time of all threads of the server."""
    p50: float
    p90: float
    p99: float
    max: float
    load_cpu: float = 0.0
    """CPU time of the load generator."""
    messages: int = 0
    problem: str = ""

    def amount(self, work: Work) -> int:
        """Return the amount of work done, in the unit of `work`."""
        return self.items if work.streams else self.calls


@dataclass(frozen=True, slots=True)
class Load:
    """The load generator."""

    program: Path

    def run(
        self,
        work: Work,
        servers: Sequence[Running],
        *,
        seconds: float,
        request: bytes | None = None,
        calls: int = 0,
        connections: int | None = None,
    ) -> Sample:
        """Load the first of `servers`, and measure the CPU time of all of them.

        Raises MeasurementError if a response is wrong or missing.
        """
        with self.begin(
            work, servers, seconds=seconds, request=request, calls=calls, connections=connections
        ) as process:
            return read(process)

    def begin(
        self,
        work: Work,
        servers: Sequence[Running],
        *,
        seconds: float,
        request: bytes | None = None,
        calls: int = 0,
        connections: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start the load generator as `run` does, without waiting for it."""
        arguments = {
            **_job(work, seconds, request),
            "target": servers[0].address,
            "connections": connections or min(CONNECTIONS, work.callers),
            "calls": calls,
            "items": work.pages * work.size,
            "bytes": work.response_bytes,
            "pids": ",".join(str(server.pid) for server in servers),
        }
        return subprocess.Popen(
            [self.program, *(f"-{name}={value}" for name, value in arguments.items())],
            stdout=subprocess.PIPE,
            env={"GOMAXPROCS": "1", "GOGC": "400"},
        )


def ask(work: Work, arm: Running, *, seconds: float, calls: int = 0) -> Sample:
    """Run `work` in an arm that makes the calls itself. Raises MeasurementError if a call fails."""
    job = {**_job(work, seconds), "calls": calls}
    return checked(arm.ask(json.dumps(job)).encode())


def _job(work: Work, seconds: float, request: bytes | None = None) -> dict[str, Any]:
    return {
        "method": work.method,
        "request": (work.request.SerializeToString() if request is None else request).hex(),
        "callers": work.callers,
        "seconds": seconds,
        "warmup": min(0.3, seconds / 3),
    }


def read(process: subprocess.Popen[bytes]) -> Sample:
    """Wait for the result of a load generator. Raises MeasurementError if it failed."""
    out, _ = process.communicate()
    if process.returncode:
        raise MeasurementError(f"the load generator ended with {process.returncode}")
    return checked(out)


def checked(line: bytes) -> Sample:
    """Parse a measurement. Raises MeasurementError if a response is wrong or missing."""
    sample = msgspec.json.decode(line, type=Sample)
    if sample.errors or not (sample.calls or sample.items):
        raise MeasurementError(f"{sample.errors} errors, {sample.calls} calls: {sample.problem}")
    return sample
