"""A command in the foreground: its signals, and its exit code as a shell reports it."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

EXIT_CANNOT_EXECUTE = 126
EXIT_NOT_FOUND = 127
_EXIT_SIGNALLED = 128
"""Plus the number of the signal."""

_PR_SET_PDEATHSIG = 1
_OF_THE_TERMINAL = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
"""The terminal sends them to all processes in the foreground, so also to the command."""


class ChildCommand:
    """A command that shares the terminal and the standard streams of this process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._running = False
        self._terminations = 0

    @contextmanager
    def handling_signals(self) -> Iterator[None]:
        """Leave signals to the command while it runs; before and after, they end this process.

        A signal that is ignored stays ignored, such as SIGINT in the background jobs of a shell.
        """
        previous = {}
        for number in (signal.SIGTERM, *_OF_THE_TERMINAL):
            if signal.getsignal(number) is not signal.SIG_IGN:
                previous[number] = signal.signal(number, self._on_signal)
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run the command to its end; return its exit code. Raises OSError if it cannot run."""
        self._running = True
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the command of the user
                arguments,
                env=environment,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - makes one system call
            )
            self._forward()
            code = self._process.wait()
        finally:
            self._running = False
        return code if code >= 0 else _EXIT_SIGNALLED - code

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if not self._running:
            sys.exit(_EXIT_SIGNALLED + number)
        if number == signal.SIGTERM:
            self._terminations += 1
            self._forward()

    def _forward(self) -> None:
        """Forward SIGTERM, also one that arrived while the command was started."""
        if self._process is not None and self._terminations:
            first = self._terminations == 1
            self._process.send_signal(signal.SIGTERM if first else signal.SIGKILL)


def exit_code_of(error: OSError) -> int:
    """Return the exit code of a shell for a command that cannot run because of `error`."""
    return EXIT_NOT_FOUND if isinstance(error, FileNotFoundError) else EXIT_CANNOT_EXECUTE


_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _end_with_parent() -> None:
    """Request SIGTERM for this process when its parent ends, also if that is killed. Linux only."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
