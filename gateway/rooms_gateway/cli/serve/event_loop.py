"""The event loop of a process: uvloop if it is installed, else asyncio's."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run `main` as `asyncio.run` does, on uvloop if it is installed."""
    with asyncio.Runner(loop_factory=_loop_class()) as runner:
        return runner.run(main)


class _DaemonLookups:
    """Looks up names in threads that do not delay the end of the process.

    The loops' own threads are joined at exit, for as long as a DNS server does not respond.
    """

    async def getaddrinfo(
        self, host: str | None, port: str | int | None, **options: int
    ) -> list[Any]:
        """Return what `socket.getaddrinfo` returns."""
        return await _in_daemon_thread(lambda: socket.getaddrinfo(host, port, **options))


async def _in_daemon_thread(function: Callable[[], Result]) -> Result:
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Result] = loop.create_future()

    def call() -> None:
        try:
            result = function()
        except Exception as error:  # noqa: BLE001 - raised in the caller
            finish(outcome.set_exception, error)
        else:
            finish(outcome.set_result, result)

    def finish(set_outcome: Callable[[Any], None], value: object) -> None:
        def deliver() -> None:
            # The caller may have been cancelled.
            if not outcome.done():
                set_outcome(value)

        # The loop is closed if the process ends meanwhile.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(deliver)

    threading.Thread(target=call, name="lookup", daemon=True).start()
    return await outcome


def _loop_class() -> Callable[[], asyncio.AbstractEventLoop]:
    base: type[asyncio.AbstractEventLoop]
    try:
        # Optional: uvloop does not support Windows, and only speed depends on it.
        import uvloop
    except ImportError:
        if sys.platform == "win32":
            base = asyncio.ProactorEventLoop
        else:
            base = asyncio.SelectorEventLoop
    else:
        base = uvloop.Loop
    return type("Loop", (_DaemonLookups, base), {})
