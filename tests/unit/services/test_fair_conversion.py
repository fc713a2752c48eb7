"""That lists leave the event loop free for calls: counted in rounds of the loop, not in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeVar

import pytest
from acs.rooms.v1.participants_pb2 import ListParticipantsRequest, Participant
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, ListRoomsRequest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fast_gateway import quick_gateway
from support.gateways import collect, upstream_of
from support.samples import user

from rooms_emulator import Emulator
from rooms_gateway.services.fair_conversion import (
    CALM,
    CALM_PIECE,
    FREE_ROUNDS,
    PIECE,
    FairConverter,
)

T = TypeVar("T")


class Rounds:
    """Counts the rounds of the event loop."""

    def __init__(self) -> None:
        self.now = 0
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_soon(self._count)

    def _count(self) -> None:
        self.now += 1
        self._next = self._loop.call_soon(self._count)

    def stop(self) -> None:
        self._next.cancel()


@contextmanager
def rounds() -> Iterator[Rounds]:
    counting = Rounds()
    yield counting
    counting.stop()


def one_call() -> int:
    """Say that there is a call in flight."""
    return 1


class Watched(FairConverter):
    """Turns, beside a call, that note in which round each piece was converted."""

    def __init__(self, counting: Rounds) -> None:
        super().__init__(one_call)
        self._counting = counting
        self.seen: list[int] = []

    async def convert(self, items: Sequence[T], convert: Callable[[Sequence[T]], None]) -> None:
        def noted(piece: Sequence[T]) -> None:
            self.seen.append(self._counting.now)
            convert(piece)

        await super().convert(items, noted)


@given(st.lists(st.integers(0, 3 * PIECE), min_size=1, max_size=5))
@settings(deadline=None)
def test_every_item_of_every_list_is_converted_once_and_in_order(lengths: list[int]) -> None:
    async def run() -> list[list[int]]:
        turns = FairConverter(one_call)
        found: list[list[int]] = [[] for _ in lengths]
        await asyncio.gather(
            *(
                turns.convert(range(length), into.extend)
                for length, into in zip(lengths, found, strict=True)
            )
        )
        return found

    assert asyncio.run(run()) == [list(range(length)) for length in lengths]


@pytest.mark.parametrize("lists", [1, 4, 100])
async def test_however_many_lists_there_are_a_call_waits_for_few_pieces(lists: int) -> None:
    with rounds() as counting:
        turns = Watched(counting)

        async def listing() -> None:
            while True:
                await turns.convert(range(100), lambda _: None)

        tasks = [asyncio.ensure_future(listing()) for _ in range(lists)]
        await asyncio.sleep(0)
        before = len(turns.seen)
        for _ in range(10 * FREE_ROUNDS):  # as a call goes through the loop
            await asyncio.sleep(0)
        assert 0 < len(turns.seen) - before <= 10
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_without_calls_a_page_is_converted_at_once_and_soon_after_one_in_pieces() -> None:
    calls = 0
    turns = FairConverter(lambda: calls)

    async def pieces(length: int) -> list[int]:
        found: list[int] = []
        await turns.convert(range(length), lambda piece: found.append(len(piece)))
        return found

    assert await pieces(100) == [100]
    assert await pieces(CALM_PIECE + 1) == [CALM_PIECE, 1]
    calls = 1
    assert await pieces(100) == [PIECE, PIECE, PIECE, 4]
    calls = 0
    assert await pieces(100) == [PIECE, PIECE, PIECE, 4]
    await asyncio.sleep(2 * CALM)
    assert await pieces(100) == [100]


async def test_without_calls_too_there_are_free_rounds_before_each_piece() -> None:
    seen: list[int] = []
    with rounds() as counting:
        await FairConverter(int).convert(range(3 * CALM_PIECE), lambda _: seen.append(counting.now))
    assert len(seen) == 3
    assert all(later - earlier >= FREE_ROUNDS for earlier, later in pairwise([0, *seen]))


async def test_lists_take_turns_piece_by_piece() -> None:
    turns = FairConverter(one_call)
    order: list[str] = []
    await asyncio.gather(
        turns.convert(range(3 * PIECE), lambda _: order.append("long")),
        turns.convert(range(PIECE), lambda _: order.append("short")),
        turns.convert(range(2 * PIECE), lambda _: order.append("middle")),
    )
    assert order == ["long", "short", "middle", "long", "middle", "long"]


@pytest.mark.parametrize("rounds_until_then", range(2 * FREE_ROUNDS))
async def test_a_list_that_is_cancelled_at_any_point_holds_up_nobody(
    rounds_until_then: int,
) -> None:
    turns = FairConverter(one_call)
    leaving = [asyncio.ensure_future(turns.convert(range(999), lambda _: None)) for _ in range(3)]
    for _ in range(rounds_until_then):
        await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    found: list[int] = []
    async with asyncio.timeout(5):
        await turns.convert(range(100), found.extend)
    assert found == list(range(100))


async def test_a_page_that_cannot_be_converted_holds_up_nobody() -> None:
    turns = FairConverter(one_call)

    def fail(_: Sequence[int]) -> None:
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        await turns.convert(range(100), fail)
    found: list[int] = []
    async with asyncio.timeout(5):
        await turns.convert(range(100), found.extend)
    assert found == list(range(100))


async def test_lists_of_both_services_leave_the_loop_free_between_their_pages(
    emulator: Emulator,
) -> None:
    emulator.store.seed(90)
    with rounds() as counting:
        turns = Watched(counting)
        async with quick_gateway(upstream_of(emulator), turns=turns) as gateway:
            people = [Participant(raw_id=user(number)) for number in range(PIECE + 1)]
            created = await gateway.rooms.CreateRoom(CreateRoomRequest(participants=people))
            roster = ListParticipantsRequest(room_id=created.room.id)
            await asyncio.gather(
                *(collect(gateway.rooms.ListRooms(ListRoomsRequest())) for _ in range(4)),
                *(collect(gateway.participants.ListParticipants(roster)) for _ in range(4)),
            )
    assert len(turns.seen) == 4 * 4 + 4 * 2
    assert all(later - earlier >= FREE_ROUNDS for earlier, later in pairwise(turns.seen))
