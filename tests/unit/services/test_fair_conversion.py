"""Fair scheduling of lists, measured in rounds of the event loop, not in time."""

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
from rooms_gateway.services.fair_conversion import CHUNK_SIZE, FREE_ROUNDS, FairConverter

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


class RecordingConverter(FairConverter):
    """Records the round in which each chunk is converted."""

    def __init__(self, counting: Rounds) -> None:
        super().__init__()
        self._counting = counting
        self.seen: list[int] = []

    async def convert(self, items: Sequence[T], convert: Callable[[Sequence[T]], None]) -> None:
        def record(chunk: Sequence[T]) -> None:
            self.seen.append(self._counting.now)
            convert(chunk)

        await super().convert(items, record)


@given(st.lists(st.integers(0, 3 * CHUNK_SIZE), min_size=1, max_size=5))
@settings(deadline=None)
def test_each_item_is_converted_once_in_order(lengths: list[int]) -> None:
    async def run() -> list[list[int]]:
        converter = FairConverter()
        found: list[list[int]] = [[] for _ in lengths]
        await asyncio.gather(
            *(
                converter.convert(range(length), into.extend)
                for length, into in zip(lengths, found, strict=True)
            )
        )
        return found

    assert asyncio.run(run()) == [list(range(length)) for length in lengths]


async def test_a_page_is_converted_in_chunks() -> None:
    found: list[int] = []
    await FairConverter().convert(range(3 * CHUNK_SIZE + 4), lambda chunk: found.append(len(chunk)))
    assert found == [CHUNK_SIZE, CHUNK_SIZE, CHUNK_SIZE, 4]


@pytest.mark.parametrize("lists", [1, 4, 100])
async def test_a_call_waits_for_few_chunks(lists: int) -> None:
    """The wait of a call does not grow with the number of lists."""
    with rounds() as counting:
        converter = RecordingConverter(counting)

        async def listing() -> None:
            while True:
                await converter.convert(range(100), lambda _: None)

        tasks = [asyncio.ensure_future(listing()) for _ in range(lists)]
        await asyncio.sleep(0)
        before = len(converter.seen)
        for _ in range(10 * FREE_ROUNDS):  # the rounds that a call takes
            await asyncio.sleep(0)
        assert 0 < len(converter.seen) - before <= 10
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_free_rounds_precede_each_chunk() -> None:
    """Also with one list: a cancelled list is noticed in these rounds, before its next write."""
    with rounds() as counting:
        converter = RecordingConverter(counting)
        await converter.convert(range(3 * CHUNK_SIZE), lambda _: None)
    assert len(converter.seen) == 3
    assert all(later - earlier >= FREE_ROUNDS for earlier, later in pairwise([0, *converter.seen]))


async def test_lists_alternate_chunk_by_chunk() -> None:
    converter = FairConverter()
    order: list[str] = []
    await asyncio.gather(
        converter.convert(range(3 * CHUNK_SIZE), lambda _: order.append("long")),
        converter.convert(range(CHUNK_SIZE), lambda _: order.append("short")),
        converter.convert(range(2 * CHUNK_SIZE), lambda _: order.append("middle")),
    )
    assert order == ["long", "short", "middle", "long", "middle", "long"]


@pytest.mark.parametrize("rounds_until_then", range(2 * FREE_ROUNDS))
async def test_a_cancelled_list_blocks_no_other(rounds_until_then: int) -> None:
    """Whatever the round in which it is cancelled."""
    converter = FairConverter()
    leaving = [
        asyncio.ensure_future(converter.convert(range(999), lambda _: None)) for _ in range(3)
    ]
    for _ in range(rounds_until_then):
        await asyncio.sleep(0)
    for task in leaving:
        task.cancel()
    found: list[int] = []
    async with asyncio.timeout(5):
        await converter.convert(range(100), found.extend)
    assert found == list(range(100))


async def test_a_failed_conversion_blocks_no_other() -> None:
    converter = FairConverter()

    def fail(_: Sequence[int]) -> None:
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        await converter.convert(range(100), fail)
    found: list[int] = []
    async with asyncio.timeout(5):
        await converter.convert(range(100), found.extend)
    assert found == list(range(100))


async def test_lists_of_both_services_share_a_converter(emulator: Emulator) -> None:
    emulator.store.seed(90)
    with rounds() as counting:
        converter = RecordingConverter(counting)
        async with quick_gateway(upstream_of(emulator), converter=converter) as gateway:
            participants = [Participant(raw_id=user(number)) for number in range(CHUNK_SIZE + 1)]
            created = await gateway.rooms.CreateRoom(CreateRoomRequest(participants=participants))
            roster = ListParticipantsRequest(room_id=created.room.id)
            await asyncio.gather(
                *(collect(gateway.rooms.ListRooms(ListRoomsRequest())) for _ in range(4)),
                *(collect(gateway.participants.ListParticipants(roster)) for _ in range(4)),
            )
    assert len(converter.seen) == 4 * 4 + 4 * 2
    assert all(later - earlier >= FREE_ROUNDS for earlier, later in pairwise(converter.seen))
