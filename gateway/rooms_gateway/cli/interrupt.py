"""Ctrl-C in commands that call a gateway."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

EXIT_CODE = 130
"""128 plus the number of SIGINT, as a shell reports it."""


@contextmanager
def exit_on_interrupt(clean_up: Callable[[], object] | None = None) -> Iterator[None]:
    """End the process with exit code 130 at SIGINT, after `clean_up`. Also a decorator.

    Python's own handler raises KeyboardInterrupt at any line, and also inside grpc: after the start
    of a call and before that of the thread that serves it, which leaves `Channel.close` waiting for
    that thread without a limit. Output needs no flush: `click.echo` does it.

    Leaves SIGINT alone where it is ignored (background jobs of a shell) or handled already.
    """
    handled = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    if handled or threading.current_thread() is not threading.main_thread():
        yield
        return

    def end_process(*_: object) -> None:
        if clean_up is not None:
            clean_up()
        os._exit(EXIT_CODE)

    signal.signal(signal.SIGINT, end_process)
    try:
        yield
    except KeyboardInterrupt:
        raise click.exceptions.Exit(EXIT_CODE) from None
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
