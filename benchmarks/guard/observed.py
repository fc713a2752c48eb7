"""A gateway as it ships, on an event loop and a thread of its own, with all it does counted.

Its callers and its upstream are on other threads. So what happens on the loop's thread is the
gateway's doing: Python's profile function sees one thread only, and an idle gateway does nothing.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import rooms_gateway
from benchmarks.guard import upstream
from benchmarks.guard.kinds import ALL_FRAMES, CALLS_INTO_C, FRAMES, STEPS, TASKS, WRITES
from rooms_gateway.app import Gateway
from rooms_gateway.cli.serve import event_loop as loops
from rooms_gateway.settings import Settings, Upstream
from rooms_gateway.telemetry import logs
from rooms_gateway.telemetry.log_options import LogFormat
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.versions import DEFAULT_API_VERSION

GATEWAY = Path(rooms_gateway.__file__).parent
_OURS = f"{GATEWAY}{os.sep}"
_POLL = 0.001
PATIENCE = 30.0
"""Seconds; a call is over within milliseconds."""


class NeverIdleError(Exception):
    """Something of the calls goes on for ever."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A gateway that serves."""

    address: str
    counts: Counter[str]
    """What it has done so far; as it is now once the gateway is idle."""
    frames: Counter[CodeType]
    """The frames among them, by what they ran."""
    loop: asyncio.AbstractEventLoop
    _idle_tasks: int

    def wait_until_idle(self) -> None:
        """Wait until calls are over on the gateway's side too, not only on their callers'.

        Raises NeverIdleError.
        """
        patient_until = time.monotonic() + PATIENCE
        while (more := len(asyncio.all_tasks(self.loop)) - self._idle_tasks) > 0:
            if time.monotonic() > patient_until:
                raise NeverIdleError(
                    f"{PATIENCE:g} s after the last call, the gateway runs {more} tasks more than "
                    "before the first: calls leave tasks behind."
                )
            time.sleep(_POLL)
        # What the last task has left to do is in the loop's queue by now, before this.
        self._run(lambda: None)

    @contextmanager
    def profiled(self) -> Iterator[None]:
        """Count the Python frames that are entered or resumed, and the calls into C."""
        self._run(partial(sys.setprofile, partial(_profile, self.counts, self.frames)))
        try:
            yield
        finally:
            self._run(partial(sys.setprofile, None))

    def _run(self, action: Callable[[], object]) -> None:
        done: Future[object] = Future()
        self.loop.call_soon_threadsafe(lambda: done.set_result(action()))
        done.result()


@contextmanager
def observed() -> Iterator[Observed]:
    """Run a gateway, and an upstream for it."""
    counts: Counter[str] = Counter()
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        upstream.running(counts) as port,
    ):
        # Else how often lines are written would depend on time.
        logs.FLUSH_INTERVAL = 0.0
        logs.configure("info", LogFormat.JSON, nowhere)
        settings = Settings(
            upstream=Upstream.with_key(Endpoint.parse(f"http://127.0.0.1:{port}"), b"key"),
            api_version=DEFAULT_API_VERSION,
            listen=("127.0.0.1:0",),
            admin_listen="127.0.0.1:0",
        )
        started: Future[tuple[Observed, asyncio.Event]] = Future()
        thread = threading.Thread(target=_run, args=(settings, counts, started), daemon=True)
        thread.start()
        gateway, stop = started.result()
        try:
            yield gateway
        finally:
            gateway.loop.call_soon_threadsafe(stop.set)
            thread.join()


def _run(
    settings: Settings, counts: Counter[str], started: Future[tuple[Observed, asyncio.Event]]
) -> None:
    async def serve() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        loop.set_task_factory(partial(_make_task, counts))
        _count_writes(loop, counts)
        async with Gateway(settings) as gateway:
            idle = len(asyncio.all_tasks())
            started.set_result(
                (Observed(gateway.addresses[0], counts, Counter(), loop, idle), stop)
            )
            await stop.wait()

    try:
        loops.run(serve())
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)


def _profile(
    counts: Counter[str], frames: Counter[CodeType], frame: FrameType, event: str, _: object
) -> None:
    file = frame.f_code.co_filename
    if file == __file__:
        return
    if event == "call":
        frames[frame.f_code] += 1
        counts[ALL_FRAMES.name] += 1
        counts[FRAMES.name] += file.startswith(_OURS)
    elif event == "c_call":
        counts[CALLS_INTO_C.name] += 1


def _make_task(
    counts: Counter[str],
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, Any],
    **others: Any,
) -> asyncio.Task[Any]:
    counts[TASKS.name] += 1
    return asyncio.Task(_Steps(coroutine, counts), loop=loop, **others)


class _Steps(Coroutine[Any, Any, Any]):
    """A coroutine that counts how often the loop has to come back to it."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], counts: Counter[str]) -> None:
        self._coroutine = coroutine
        self._counts = counts

    def send(self, value: Any) -> Any:
        self._counts[STEPS.name] += 1
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, None, Any]:
        return self._coroutine.__await__()


def _count_writes(loop: asyncio.AbstractEventLoop, counts: Counter[str]) -> None:
    """Give the connections that `loop` opens transports that count."""
    connect: Any = loop.create_connection

    def create_connection(make: Callable[[], Any], *args: Any, **others: Any) -> Any:
        def make_counting() -> Any:
            protocol = make()
            made = protocol.connection_made
            protocol.connection_made = lambda transport: made(_Writes(transport, counts))
            return protocol

        return connect(make_counting, *args, **others)

    loop.create_connection = create_connection  # type: ignore[assignment,method-assign]


class _Writes:
    def __init__(self, transport: Any, counts: Counter[str]) -> None:
        self._transport = transport
        self._counts = counts

    def write(self, data: bytes) -> None:
        self._counts[WRITES.name] += 1
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
