"""One `rooms-gateway` process: started, awaited, read, and stopped whatever happened."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence

# With -P, no folder called gateway where the tests run is taken for this package.
_COMMAND = (sys.executable, "-P", "-m", "rooms_gateway")
_OURS = ("ROOMS_GATEWAY_", "COMMUNICATION_")
_START_SECONDS = 30.0
_STOP_SECONDS = 5.0
_SHOWN_LINES = 40


class ProcessError(Exception):
    """A process did not start, or ended on its own; the text holds what it wrote last."""


class Process:
    """A process that is running once this was made.

    Args:
        arguments: what to give `rooms-gateway`.
        ready: a pattern; the process is ready when it has printed a line that it matches.

    Raises:
        ProcessError: it ended, or took more than 30 seconds.

    """

    def __init__(self, arguments: Sequence[str], ready: str) -> None:
        self._name = f"rooms-gateway {arguments[0]}"
        self._lines: list[str] = []
        self._ready = re.compile(ready)
        self._is_ready = threading.Event()
        self._stopped = False
        self._forced = False
        self._last_log = ""
        # A file and not a pipe, because nobody reads it while the process runs.
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            [*_COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
            # The settings of whoever runs the tests are not those of the tests.
            env={name: text for name, text in os.environ.items() if not name.startswith(_OURS)},
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
        """Whether it has ended."""
        return self._process.poll() is not None

    def find(self, pattern: str) -> str | None:
        """Return the group of the first line of standard output that a pattern matches, if any."""
        for line in tuple(self._lines):
            if match := re.fullmatch(pattern, line):
                return match[1]
        return None

    def log(self) -> str:
        """Return what it has written to standard error."""
        if self._log.closed:
            return self._last_log
        # By another offset than the process', which goes on writing at the end.
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def stop(self) -> None:
        """End it: by SIGTERM, and by force after 5 seconds. Nothing happens the second time."""
        if self._stopped:
            return
        self._stopped = True
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._forced = True
            self._process.kill()
            self._process.wait()
        self._reader.join()
        if self._process.stdout:
            self._process.stdout.close()
        self._last_log = self.log()
        self._log.close()

    def finish(self) -> None:
        """Stop it, and complain if somebody else ended it.

        Raises:
            ProcessError: it had ended already.

        """
        stopped_before = self._stopped
        ended_alone = not stopped_before and self.ended
        self.stop()
        # A clean stop ends with 0; who was killed a moment ago may not have looked dead yet.
        failed = self._process.returncode != 0 and not self._forced
        if ended_alone or (failed and not stopped_before):
            raise ProcessError(self._tell(f"ended with exit code {self._process.returncode}"))

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
        if not self._is_ready.wait(_START_SECONDS):
            raise ProcessError(self._tell(f"was not ready after {_START_SECONDS:.0f} seconds"))
        if not any(self._ready.fullmatch(line) for line in self._lines):
            raise ProcessError(self._tell(f"ended with exit code {self._process.wait()}"))

    def _tell(self, what: str) -> str:
        return f"{self._name} {what}; it wrote:\n{self.shown_log() or '(nothing)'}"
