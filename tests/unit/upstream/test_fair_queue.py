"""The queue of the pacer: nothing is lost, callers alternate, bulk requests have a share."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from rooms_gateway.upstream.transport.pacing.fair_queue import BULK_EVERY, FairQueue, Waiter

WAITERS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.booleans(), st.booleans()), min_size=1, max_size=60
)


def made(caller: str, *, bulk: bool = False) -> Waiter:
    loop = asyncio.new_event_loop()
    try:
        return Waiter(caller, bulk, 0.0, loop.create_future())
    finally:
        loop.close()


@given(WAITERS)
def test_each_waiter_is_released_once(steps: list[tuple[str, bool, bool]]) -> None:
    queue, added = FairQueue(), []
    for caller, bulk, first in steps:
        waiter = made(caller, bulk=bulk)
        queue.add(waiter, first=first)
        added.append(waiter)
    discarded = added[::3]
    for waiter in [*discarded, *discarded]:
        queue.discard(waiter)
    assert len(queue) == len([*queue]) == len(added) - len(discarded)
    released = [queue.pop() for _ in range(len(queue))]
    assert {*map(id, released)} == {*map(id, added)} - {*map(id, discarded)}
    assert not queue


@given(WAITERS)
def test_requests_of_a_caller_keep_their_order(steps: list[tuple[str, bool, bool]]) -> None:
    queue, added = FairQueue(), []
    for caller, bulk, _ in steps:
        added.append(made(caller, bulk=bulk))
        queue.add(added[-1], first=False)
    released = [queue.pop() for _ in range(len(queue))]
    for caller, bulk in {(each.caller, each.bulk) for each in added}:
        kind = [each for each in added if (each.caller, each.bulk) == (caller, bulk)]
        assert [each for each in released if each in kind] == kind


@given(WAITERS)
def test_the_expected_position_is_not_exceeded(steps: list[tuple[str, bool, bool]]) -> None:
    """Unless further requests come, a request is released after at most `ahead` others."""
    queue = FairQueue()
    for caller, bulk, _ in steps[:-1]:
        queue.add(made(caller, bulk=bulk), first=False)
    caller, bulk, _ = steps[-1]
    last, ahead = made(caller, bulk=bulk), queue.ahead(caller, bulk=bulk)
    queue.add(last, first=False)
    position = 0
    while queue.pop() is not last:
        position += 1
    assert position <= ahead + 2


def test_callers_alternate() -> None:
    queue = FairQueue()
    for caller in "aaaabbc":
        queue.add(made(caller), first=False)
    assert [queue.pop().caller for _ in range(7)] == [*"abcabaa"]


def test_bulk_has_one_release_in_five() -> None:
    queue = FairQueue()
    for caller in range(20):
        queue.add(made(f"interactive {caller}"), first=False)
        queue.add(made(f"bulk {caller}", bulk=True), first=False)
    released = [queue.pop().bulk for _ in range(20)]
    assert [at for at, bulk in enumerate(released) if bulk] == [
        BULK_EVERY - 1 + BULK_EVERY * each for each in range(4)
    ]
