"""`aio.ReusableTimer`: due for waits that pass their deadline, and for no others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

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
