"""The conditions of a filter, and the text that binds tokens to it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from acs.rooms.v1.rooms_pb2 import ListRoomsRequest, Room, RoomFilter
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from rooms_gateway.errors import InvalidRequestError
from rooms_gateway.services.convert.timestamps import MAX_SECONDS, MIN_SECONDS
from rooms_gateway.services.room_lists.conditions import RoomConditions
from rooms_gateway.upstream.models import Room as RestRoom

BOUNDS = ("valid_at", "created_after", "created_before", "valid_until_before")

INSTANTS = st.builds(Timestamp, seconds=st.integers(0, 2), nanos=st.integers(0, 2))
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(BOUNDS, INSTANTS),
    "pstn_dial_out_enabled": st.booleans(),
}
FILTERS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({}, optional=OPTIONAL)
FILTERS = FILTERS.filter(
    lambda fields: (
        not {"created_after", "created_before"} <= fields.keys()
        or fields["created_after"].ToNanoseconds() < fields["created_before"].ToNanoseconds()
    )
)


def at(nanos: int) -> Timestamp:
    return Timestamp(seconds=100, nanos=nanos)


@pytest.mark.parametrize(
    ("bound", "matching"),
    [
        ("valid_at", [("valid_from", (4, 5)), ("valid_until", (6,))]),
        ("created_after", [("created_at", (6,))]),
        ("created_before", [("created_at", (4,))]),
        ("valid_until_before", [("valid_until", (4,))]),
    ],
)
def test_each_time_excludes_or_includes_its_bound(
    bound: str, matching: list[tuple[str, tuple[int, ...]]]
) -> None:
    """A window includes its start and excludes its end; the other bounds are exclusive."""
    conditions = RoomConditions(RoomFilter(**{bound: at(5)}))  # type: ignore[arg-type] # any field
    fits: dict[str, Any] = {field: at(nanos[0]) for field, nanos in matching}
    for field, nanos in matching:
        found = [
            value for value in (4, 5, 6) if conditions.match(Room(**(fits | {field: at(value)})))
        ]
        assert tuple(found) == nanos


@pytest.mark.parametrize(
    ("bound", "needed"),
    [
        ("valid_at", ["valid_from", "valid_until"]),
        ("created_after", ["created_at"]),
        ("created_before", ["created_at"]),
        ("valid_until_before", ["valid_until"]),
    ],
)
def test_a_room_without_a_needed_time_is_left_out(bound: str, needed: list[str]) -> None:
    """An unset time is not the year 1970."""
    conditions = RoomConditions(RoomFilter(**{bound: Timestamp()}))  # type: ignore[arg-type] # any field
    every = {field: Timestamp(seconds=1) for field in needed}
    assert not conditions.match(Room())
    for field in needed:
        assert not conditions.match(Room(**{k: v for k, v in every.items() if k != field}))  # type: ignore[arg-type] # any field


@pytest.mark.parametrize("enabled", [True, False])
def test_dial_out_selects_rooms_with_the_setting(*, enabled: bool) -> None:
    conditions = RoomConditions(RoomFilter(pstn_dial_out_enabled=enabled))
    assert conditions.match(Room(pstn_dial_out_enabled=enabled))
    assert not conditions.match(Room(pstn_dial_out_enabled=not enabled))
    assert not conditions.match(Room())


@pytest.mark.parametrize("room_filter", [RoomFilter(), ListRoomsRequest().filter])
def test_no_condition_selects_every_room(room_filter: RoomFilter) -> None:
    conditions = RoomConditions(room_filter)
    assert conditions.match(Room())
    assert conditions.scope == ""


@given(FILTERS, FILTERS)
def test_the_scope_is_equal_for_equal_filters_only(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Also if the fields are set, or arrive, in another order."""
    first = RoomFilter(**one)
    shuffled = random.sample(sorted(one), len(one))
    again = RoomFilter()
    for name in shuffled:
        again.MergeFromString(RoomFilter(**{name: one[name]}).SerializeToString())
    assert RoomConditions(again).scope == RoomConditions(first).scope
    second = RoomFilter(**other)
    assert (RoomConditions(first).scope == RoomConditions(second).scope) == (first == second)


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize(
    "time",
    [
        Timestamp(nanos=-1),
        Timestamp(nanos=1_000_000_000),
        Timestamp(seconds=MIN_SECONDS - 1),
        Timestamp(seconds=MAX_SECONDS + 1),
    ],
)
def test_an_invalid_time_names_its_field(bound: str, time: Timestamp) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        RoomConditions(RoomFilter(**{bound: time}))  # type: ignore[arg-type] # any field
    assert [each.field for each in raised.value.violations] == [f"filter.{bound}"]


@pytest.mark.parametrize("before", [4, 5])
def test_bounds_that_exclude_every_room_are_invalid(before: int) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        RoomConditions(RoomFilter(created_after=at(5), created_before=at(before)))
    assert [each.field for each in raised.value.violations] == ["filter.created_before"]


@pytest.mark.parametrize(
    ("created_at", "ends"),
    [
        ([], False),
        ([None], False),
        (["1970-01-01T00:01:40.0000006Z"], False),
        (["1970-01-01T00:01:40.0000005Z"], True),
        (["1970-01-01T00:01:40Z"], True),
        (["1970-01-01T00:01:40Z", "1970-01-01T00:01:40.1Z"], False),
        (["1970-01-01T00:01:40.1Z", "1970-01-01T00:01:40Z"], True),
    ],
)
def test_the_last_room_of_a_page_ends_a_list(created_at: list[str | None], *, ends: bool) -> None:
    conditions = RoomConditions(RoomFilter(created_after=at(500)))
    assert conditions.end_after([RestRoom("1", time) for time in created_at]) is ends
    assert not RoomConditions(RoomFilter()).end_after([RestRoom("1", "1970-01-01T00:00:00Z")])
