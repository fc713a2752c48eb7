"""A `rooms-gateway` process: its start, output, readiness and end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

# -P: modules in the working directory of the tests do not shadow the installed ones.
_COMMAND = (sys.executable, "-P", "-m", "rooms_gateway.testing.child")
_SETTINGS = ("ROOMS_GATEWAY_", "ROOMS_EMULATOR_", "COMMUNICATION_", "AZURE_", "NOTIFY_SOCKET")
"""Prefixes of variables that could name another upstream, or change the state of a systemd unit."""

_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 5.0
_SHOWN_LINES = 40


class ProcessError(Exception):
    """A process did not start, or ended unexpectedly; the text contains the end of its log."""


class Process:
    """A running `rooms-gateway` with these arguments, and more environment variables.

    Ready when a line of its standard output matches the pattern `ready`. Its log is appended to
    `log_file`; None: to a temporary file. It ends with this process, even if that is killed. Raises
    ProcessError if it ends or is not ready within 30 seconds, and OSError if `log_file` cannot be
    opened.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        ready: str,
        *,
        environment: Mapping[str, str] | None = None,
        log_file: Path | None = None,
    ) -> None:
        self._name = f"rooms-gateway {arguments[0]}"
        self._lines: list[str] = []
        self._ready = re.compile(ready)
        self._is_ready = threading.Event()
        self._stopped = False
        self._forced = False
        self._last_log = ""
        self._log = _open_log(log_file)
        self._log_start = os.fstat(self._log.fileno()).st_size
        self._process = subprocess.Popen(  # noqa: S603 - a fixed command line
            [*_COMMAND, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
            # Settings in the developer's environment are not meant for the test.
            env=_foreign_variables() | dict(environment or {}),
            # Ctrl-C is for the tests, which may still call the gateway while they end.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def find(self, pattern: str) -> str | None:
        """Return the group of `pattern` in the first line of standard output that matches it."""
        for line in tuple(self._lines):
            if match := re.fullmatch(pattern, line):
                return match[1]
        return None

    def log(self) -> str:
        """Return the content of standard error so far."""
        if self._log.closed:
            return self._last_log
        # pread leaves the file offset alone, which the writing process shares.
        size = os.fstat(self._log.fileno()).st_size - self._log_start
        return os.pread(self._log.fileno(), size, self._log_start).decode(errors="replace")

    def stop(self) -> None:
        """Stop the process with SIGTERM, after 5 seconds with SIGKILL. Idempotent."""
        if self._stopped:
            return
        self._stopped = True
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._forced = True
            self._process.kill()
            self._process.wait()
        self._reader.join()
        for stream in filter(None, (self._process.stdin, self._process.stdout)):
            stream.close()
        self._last_log = self.log()
        self._log.close()

    def finish(self) -> None:
        """Stop the process. Raises ProcessError if it had ended before, other than by `stop`."""
        stopped_before = self._stopped
        ended_early = not stopped_before and self.ended
        self.stop()
        # A process that was killed a moment ago may still have seemed to run; its code is not 0.
        failed = self._process.returncode != 0 and not self._forced
        if ended_early or (failed and not stopped_before):
            raise ProcessError(self._message(f"ended with exit code {self._process.returncode}"))

    def shown_log(self) -> str:
        """Return the last lines of standard error."""
        return "\n".join(self.log().splitlines()[-_SHOWN_LINES:])

    def _read(self) -> None:
        if self._process.stdout is None:
            return
        for line in self._process.stdout:
            self._lines.append(line.rstrip("\n"))
            if self._ready.fullmatch(self._lines[-1]):
                self._is_ready.set()
        self._is_ready.set()

    def _wait(self) -> None:
        if not self._is_ready.wait(_START_TIMEOUT):
            raise ProcessError(self._message(f"was not ready after {_START_TIMEOUT:.0f} seconds"))
        if not any(self._ready.fullmatch(line) for line in self._lines):
            raise ProcessError(self._message(f"ended with exit code {self._process.wait()}"))

    def _message(self, event: str) -> str:
        return f"{self._name} {event}; the end of its log:\n{self.shown_log() or '(empty)'}"


def _foreign_variables() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith(_SETTINGS)}


def _open_log(path: Path | None) -> TextIO:
    """Open a log for the process to append to. Raises OSError if `path` cannot be opened."""
    # A file: a pipe that is not read while the process runs would fill up and block it.
    if path is None:
        return tempfile.TemporaryFile("a+", encoding="utf-8", errors="replace")
    return path.open("a+", encoding="utf-8", errors="replace")
