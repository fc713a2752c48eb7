"""Defaults and bounds of rooms, over all times that a request can have."""

from __future__ import annotations

from functools import partial

import pytest
from acs.rooms.v1.participants_pb2 import ParticipantRole
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given
from hypothesis import strategies as st

from rooms_gateway.call import Call
from rooms_gateway.errors import RoomLifetimeTooLongError
from rooms_gateway.services.convert.participants import role_to_rest
from rooms_gateway.services.convert.rooms import create_to_rest
from rooms_gateway.services.convert.timestamps import MAX_SECONDS, MIN_SECONDS, ticks_of
from rooms_gateway.services.room_defaults import RoomDefaults
from rooms_gateway.upstream.models import MAX_LIFETIME, ROLES, CreateRoom, ParticipantProperties
from rooms_gateway.upstream.versions import API_VERSIONS

NOW = 1_893_456_000 * 10**9 + 123_456_789
NOW_TICKS = NOW // 100
BOUND = 3600
TIMES = st.builds(Timestamp, seconds=st.integers(MIN_SECONDS, MAX_SECONDS)) | st.builds(
    Timestamp,
    seconds=st.integers(NOW // 10**9 - 2 * BOUND, NOW // 10**9 + 2 * BOUND),
    nanos=st.integers(0, 10**9 - 1),
)

defaults = partial(RoomDefaults, clock=lambda: NOW)


def a_call() -> Call:
    return Call("request", 0.0, idempotent=True)


@given(st.none() | TIMES, st.none() | TIMES, st.sampled_from([None, 0.5, 60.0, float(BOUND)]))
@example(Timestamp(seconds=MAX_SECONDS, nanos=999_999_999), None, 60.0)
@example(Timestamp(seconds=MIN_SECONDS), Timestamp(seconds=MAX_SECONDS), None)
def test_every_create_is_complete_and_in_bounds(
    start: Timestamp | None, end: Timestamp | None, lifetime: float | None
) -> None:
    """Or rejected, if the window that it has is too long."""
    body = create_to_rest(CreateRoomRequest(valid_from=start, valid_until=end))
    begin = NOW_TICKS if body.valid_from is None else ticks_of(body.valid_from)
    try:
        completed = defaults(lifetime=lifetime, max_lifetime=BOUND).complete_create(body, a_call())
    except RoomLifetimeTooLongError as error:
        assert body.valid_until is not None
        assert ticks_of(body.valid_until) - begin > BOUND * 10**7
        assert [each.field for each in error.violations] == ["valid_until"]  # noqa: PT017
        return
    assert completed.valid_from == body.valid_from
    assert completed.valid_until is not None
    assert ticks_of(completed.valid_until) - begin <= BOUND * 10**7
    assert body.valid_until in (None, completed.valid_until)


@pytest.mark.parametrize(("ticks", "fits"), [(0, True), (1, False)])
def test_a_window_from_now_ends_at_the_bound(ticks: int, fits: bool) -> None:
    """To the tick."""
    end = Timestamp()
    end.FromNanoseconds((NOW_TICKS + BOUND * 10**7 + ticks) * 100)
    body = create_to_rest(CreateRoomRequest(valid_until=end))
    bounded = defaults(max_lifetime=BOUND)
    if fits:
        assert bounded.complete_create(body, a_call()) == body
    else:
        with pytest.raises(RoomLifetimeTooLongError, match=r"3600\.0000001 seconds.* permits 3600"):
            bounded.complete_create(body, a_call())


def test_the_longest_window_is_left_to_the_service() -> None:
    """The service counts it from its own clock, which may be behind."""
    bounded = defaults(max_lifetime=MAX_LIFETIME)
    assert bounded.complete_create(CreateRoom(), a_call()) == CreateRoom()


def test_roles_and_removals_stay() -> None:
    roster = {"a": ParticipantProperties("Presenter"), "b": None, "c": ParticipantProperties("?")}
    call = a_call()
    assert defaults(role="Consumer").complete_roster(roster, call) == roster
    assert call.applied_settings == ()


def test_the_roles_are_those_of_the_contract() -> None:
    """And those that an older api-version lacks are among them."""
    assert set(ROLES) == {*map(role_to_rest, ParticipantRole.values())} - {None}
    for version in API_VERSIONS.values():
        assert version.unknown_roles <= set(ROLES)
