"""`aio.ReusableTimer`: due for waits that pass their deadline, and for no others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from rooms_gateway.aio import ReusableTimer


class Clock:
    """The clock of an event loop; advances in `tick` only."""

    def __init__(self) -> None:
        self.now = 0
        self.handles: list[asyncio.TimerHandle] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, (), cast("asyncio.AbstractEventLoop", self))
        self.handles.append(handle)
        return handle

    def get_debug(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.handles.remove(handle)

    def tick(self) -> None:
        self.now += 1
        for handle in [handle for handle in self.handles if handle.when() <= self.now]:
            self.handles.remove(handle)
            handle._run()


STEPS = st.lists(
    st.one_of(st.integers(1, 8).map(lambda seconds: ("start", seconds)), st.just(("stop", 0)))
    | st.integers(1, 12).map(lambda seconds: ("pass", seconds))
)


@given(STEPS)
def test_each_overdue_wait_calls_back_once(
    steps: list[tuple[str, int]],
) -> None:
    clock, calls, expected = Clock(), [], []
    timer = ReusableTimer(cast("asyncio.AbstractEventLoop", clock), lambda: calls.append(clock.now))
    deadline = None
    for step, seconds in steps:
        if step == "start":
            deadline = clock.now + seconds
            timer.start(deadline)
        elif step == "stop":
            deadline = None
            timer.stop()
        else:
            for _ in range(seconds):
                clock.tick()
                if clock.now == deadline:
                    expected.append(clock.now)
                    deadline = None
        assert calls == expected
        assert len(clock.handles) <= 1
    timer.close()
    assert not clock.handles


@given(st.lists(st.integers(0, 100), min_size=1, max_size=100))
def test_waits_that_end_in_time_share_one_handle(lengths: list[int]) -> None:
    clock = Clock()
    timer = ReusableTimer(cast("asyncio.AbstractEventLoop", clock), lambda: 1 / 0)
    timer.start(1000)
    [first] = clock.handles
    for length in sorted(lengths):
        timer.start(1000 + length)
        timer.stop()
    assert clock.handles == [first]


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_passed_deadline_can_be_replaced(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """Uvloop schedules what is due at once by a handle without a time."""

    async def wait() -> list[str]:
        loop, calls = asyncio.get_running_loop(), list[str]()
        timer = ReusableTimer(loop, lambda: calls.append("due"))
        timer.start(loop.time())
        timer.start(loop.time() - 1)
        await asyncio.sleep(0.01)
        return calls

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(wait()) == ["due"]
