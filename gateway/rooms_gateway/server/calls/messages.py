"""Sends responses: messages of a stream, or the status of a failed call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import NoReturn

import grpc
from google.protobuf.message import Message

from rooms_gateway.aio import ReusableTimer
from rooms_gateway.call import Context
from rooms_gateway.errors import StreamStalledError
from rooms_gateway.server.admission import ConcurrencyLimiter
from rooms_gateway.server.calls.status import RpcStatus

_STATUS_DETAILS = "grpc-status-details-bin"
_PUSHBACK = "grpc-retry-pushback-ms"
_CANCELLATION_TIMEOUT = 1.0
"""Timeout until grpc cancels the task of a cancelled call, in seconds."""


async def send_messages(
    messages: AsyncGenerator[Message | bytes, None],
    context: Context,
    stall_timeout: float,
    on_sent: Callable[[], None],
) -> None:
    """Send `messages`, and call `on_sent` after each.

    Raises StreamStalledError if the client leaves a message unread for `stall_timeout` seconds.
    """
    loop, limit = asyncio.get_running_loop(), asyncio.timeout(None)
    # An asyncio.timeout for each message would cost more than twenty times as much.
    timer = ReusableTimer(loop, lambda: limit.reschedule(loop.time()))
    try:
        # grpc.aio would close an async generator only when it is garbage-collected, and what the
        # generator reads ahead would continue until then.
        async with limit, aclosing(messages):
            async for message in messages:
                timer.start(loop.time() + stall_timeout)
                try:
                    await context.write(message)
                except grpc.aio.InternalError:
                    # The client has cancelled. grpc cancels this task too, on Python 3.13 only some
                    # passes of the event loop later: the wait ends with that.
                    await asyncio.sleep(_CANCELLATION_TIMEOUT)
                    raise
                timer.stop()
                on_sent()
    except TimeoutError:
        if not limit.expired():
            raise
        raise StreamStalledError(f"the client has read nothing for {stall_timeout:g} s") from None
    finally:
        timer.close()


class UnreadResponses:
    """Unary responses that clients have not read, and the slots of their calls.

    grpc sends the response of a handler after it has returned, and keeps it for as long as the
    client's flow control allows none of it. Nothing in grpc.aio ends such a call.
    """

    def __init__(self, limiter: ConcurrencyLimiter, stall_timeout: float) -> None:
        """Release the slots of `limiter` after `stall_timeout` seconds at the latest."""
        self._limiter = limiter
        self._stall_timeout = stall_timeout
        self.count = 0
        """Number of unread responses, with or without a slot."""
        # In the order of their deadlines, with the caller that has the slot.
        self._held: dict[Context, tuple[float, str]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def hold_slot(self, caller: str, context: Context) -> None:
        """Release the slot of `caller` when the client has read the response, or disconnected."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._stall_timeout
        self.count += 1
        self._held[context] = deadline, caller
        context.add_done_callback(self._read)  # type: ignore[arg-type] # no protocol in the stubs
        # One timer for all calls, because one per call would cost more than the rest of this.
        if self._timer is None:
            self._timer = loop.call_at(deadline, self._release_stalled, loop)

    def _read(self, context: Context) -> None:
        self.count -= 1
        held = self._held.pop(context, None)
        if held is not None:
            self._limiter.release(held[1])

    def _release_stalled(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        for context, (deadline, caller) in list(self._held.items()):
            if deadline > loop.time():
                self._timer = loop.call_at(deadline, self._release_stalled, loop)
                break
            del self._held[context]
            self._limiter.release(caller)


async def send_status(error: BaseException, status: RpcStatus, context: Context) -> NoReturn:
    """End the call with the status for `error`, and drop its traceback."""
    # The error that grpc raises is part of a reference cycle, in which it would keep the frames.
    error.__traceback__ = None
    metadata: tuple[tuple[str, str | bytes], ...] = (
        (_STATUS_DETAILS, status.status.SerializeToString()),
    )
    if status.pushback is not None:
        metadata += ((_PUSHBACK, str(status.pushback)),)
    # Not abort_with_status, with which observers of the server do not see the code.
    abort = context.abort(status.code, status.status.message, trailing_metadata=metadata)
    if isinstance(error, StreamStalledError):
        # The status is queued behind the unread messages; grpc keeps them until the client reads
        # or the call ends. So abort starts, and is not awaited to its end. While the first message
        # is unread, grpc can send no status (InternalError).
        with suppress(TimeoutError, grpc.aio.InternalError):
            async with asyncio.timeout(0):
                await abort
        # After its status, a handler may end only with this error: grpc logs any other.
        raise asyncio.CancelledError
    await abort
    raise AssertionError("grpc's abort has returned")
