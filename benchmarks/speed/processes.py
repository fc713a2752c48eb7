"""Start, readiness and end of the measured programs."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

READY = re.compile(r"ready on (\S+)")

PATIENCE = 30.0
"""Timeout of the startup of a program, in seconds."""


class NotReadyError(Exception):
    """A program ended before it was ready."""


@dataclass(frozen=True, slots=True)
class Running:
    """A program that is ready."""

    pid: int
    address: str
    start_seconds: float
    """Time from start to the readiness line, in seconds."""
    process: subprocess.Popen[str]

    def ask(self, line: str) -> str:
        """Write a line to its standard input, and return the line that it prints."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    @property
    def rss(self) -> int:
        """Resident memory, in bytes."""
        return _status(self.pid, "VmRSS")

    @property
    def peak_rss(self) -> int:
        """Peak resident memory, in bytes."""
        return _status(self.pid, "VmHWM")


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(name)


@contextmanager
def started(
    command: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[Running]:
    """Run `command` until the end of the block; its standard error goes to a file.

    A pipe would add the cost of a reader. Raises NotReadyError, with the end of that file, if the
    program ends before it is ready.
    """
    begun = time.monotonic()
    with TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**_clean_environment(), **(env or {})},
            cwd=cwd,
            text=True,
        )
        try:
            assert process.stdout
            address = _address(process.stdout, log, command)
            yield Running(process.pid, address, time.monotonic() - begun, process)
        finally:
            process.kill()
            process.communicate()


def _clean_environment() -> dict[str, str]:
    """Return the environment without variables that change the settings of a gateway."""
    prefixes = ("ROOMS_GATEWAY_", "COMMUNICATION_", "GRPC_")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def _address(out: IO[str], log: IO[bytes], command: Sequence[str]) -> str:
    for line in out:
        if match := READY.search(line):
            return match[1]
    log.seek(0)
    raise NotReadyError(f"{' '.join(command)}\n{log.read()[-2000:].decode(errors='replace')}")
