"""The obstacles to a join: each on its own, all together, and their table against the contract."""

from __future__ import annotations

import re

import pytest
from acs.identity.v1 import identity_service_pb2
from acs.rooms.v1 import (
    join_pb2,
    join_service_pb2,
    participants_service_pb2,
    rooms_service_pb2,
)
from acs.rooms.v1.participants_pb2 import PARTICIPANT_ROLE_CONSUMER
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from support.paths import ROOT
from support.samples import A, B
from support.unsigned_tokens import unsigned_token

from rooms_gateway.errors import InvalidUpstreamResponseError
from rooms_gateway.services.join_explanation import OBSTACLES, explain
from rooms_gateway.upstream.models import Participant, Room

TICK = 100
"""Resolution of the Rooms service, in nanoseconds."""

OPENS, CLOSES = "2026-03-06T09:00:00.1234567+00:00", "2026-03-06T10:00:00+00:00"
ROOM = Room("99400000000000001", valid_from=OPENS, valid_until=CLOSES)
RESOURCE = "b60f5cc1-83a7-485a-a45c-7288de014884"
NOON = 1_772_798_400
"""2026-03-06T12:00:00Z in seconds since 1970."""

SERVICES = {
    service.full_name: service
    for module in (
        identity_service_pb2,
        join_service_pb2,
        participants_service_pb2,
        rooms_service_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
}


def at(text: str, nanoseconds: int = 0) -> Timestamp:
    """Return the time `nanoseconds` after the one in `text`."""
    time = Timestamp()
    time.FromJsonString(text)
    time.FromNanoseconds(time.ToNanoseconds() + nanoseconds)
    return time


OPEN = at(OPENS, 60 * 10**9)
"""A time in the window."""


def token_for(raw_id: str = A, **claims: object) -> str:
    """Return a token with which `raw_id` can join, with some claims replaced."""
    return unsigned_token(
        {
            "skypeid": raw_id.removeprefix("8:"),
            "exp": NOON,
            "acsScope": "voip.join",
            "resourceId": RESOURCE,
            **claims,
        }
    )


def kinds(response: join_pb2.ExplainJoinResponse) -> list[str]:
    return [
        join_pb2.JoinObstacleKind.Name(obstacle.kind).removeprefix("JOIN_OBSTACLE_KIND_")
        for obstacle in response.obstacles
    ]


def found(
    room: Room | None = ROOM,
    *,
    raw_id: str = A,
    on_roster: bool = True,
    time: Timestamp = OPEN,
    token: str = "",
) -> list[str]:
    """Return the kinds of the obstacles; by default there is none."""
    participant = Participant(raw_id, "Attendee") if on_roster else None
    return kinds(explain(room, participant, raw_id, time, token))


def test_no_obstacle() -> None:
    response = explain(ROOM, Participant(A, "Consumer"), A, OPEN, token_for())
    assert not response.obstacles
    assert response.room.id == ROOM.id
    assert (response.participant.raw_id, response.participant.role) == (
        A,
        PARTICIPANT_ROLE_CONSUMER,
    )
    assert response.token_claims == join_pb2.TokenClaims(
        expires_at=Timestamp(seconds=NOON), scope_names=["voip.join"]
    )


@pytest.mark.parametrize("token", ["", "x", token_for()])
def test_unchecked_conditions_are_always_listed(token: str) -> None:
    response = explain(None, None, A, OPEN, token)
    names = {join_pb2.UncheckedJoinCondition.Name(value) for value in response.not_checked}
    assert names == {
        f"UNCHECKED_JOIN_CONDITION_{name}"
        for name in ("TOKEN", "USER_EXISTS", "CALL_CAPACITY", "CLIENT_NETWORK", "CALL_AUTOMATION")
    }


def test_a_missing_room_is_the_only_obstacle() -> None:
    """Roster and window of a room that does not exist are unknown."""
    response = explain(None, None, A, OPEN, token_for())
    assert kinds(response) == ["ROOM_NOT_FOUND"]
    assert not response.HasField("room")
    assert not response.HasField("participant")


def test_a_user_that_is_not_on_the_roster() -> None:
    assert found(on_roster=False) == ["NOT_A_PARTICIPANT"]


def test_an_unrecognized_role_is_no_obstacle() -> None:
    response = explain(ROOM, Participant(A, "Producer"), A, OPEN, "")
    assert not response.obstacles
    assert response.participant.unrecognized_role == "Producer"


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (at(OPENS, -TICK), ["ROOM_NOT_OPEN"]),
        (at(OPENS, -1), ["ROOM_NOT_OPEN"]),
        (at(OPENS), []),
        (at(CLOSES), []),
        (at(CLOSES, 1), ["ROOM_CLOSED"]),
        (at(CLOSES, TICK), ["ROOM_CLOSED"]),
        (Timestamp(seconds=-62_135_596_800), ["ROOM_NOT_OPEN"]),
        (Timestamp(seconds=253_402_300_799, nanos=999_999_999), ["ROOM_CLOSED"]),
    ],
)
def test_the_window_includes_both_of_its_ends(time: Timestamp, expected: list[str]) -> None:
    assert found(time=time) == expected


@pytest.mark.parametrize(
    ("room", "before", "after"),
    [
        (Room("1"), [], []),
        (Room("1", valid_from=OPENS), ["ROOM_NOT_OPEN"], []),
        (Room("1", valid_until=CLOSES), [], ["ROOM_CLOSED"]),
    ],
)
def test_a_window_without_an_end_is_open(room: Room, before: list[str], after: list[str]) -> None:
    """If the response of the Rooms service lacks it."""
    assert (found(room, time=at(OPENS, -1)), found(room, time=at(CLOSES, 1))) == (before, after)


def test_only_a_window_to_come_clears_by_itself() -> None:
    early = explain(ROOM, None, A, at(OPENS, -1), token_for(exp=0))
    late = explain(ROOM, None, A, at(CLOSES, 1), token_for(exp=0))
    clearing = [each for each in early.obstacles if each.HasField("clears_at")]
    assert [each.kind for each in clearing] == [join_pb2.JOIN_OBSTACLE_KIND_ROOM_NOT_OPEN]
    assert clearing[0].clears_at == at(OPENS)
    assert not any(each.HasField("clears_at") for each in late.obstacles)


@pytest.mark.parametrize(
    ("raw_id", "supported"),
    [
        (A, True),
        (A.replace("acs", "dod-acs"), True),
        (A.replace("acs", "gcch-acs"), True),
        (A.replace("acs", "spool"), True),
        # A Teams extension user and an Entra user: whether rooms admit them is not documented.
        (f"8:acs:{RESOURCE}_{RESOURCE}_{RESOURCE}", True),
        (f"8:acs:{RESOURCE}_wf_{RESOURCE}_{RESOURCE}", True),
        ("4:+14255550123", False),
        (f"8:orgid:{RESOURCE}", False),
        (f"8:teamsvisitor:{RESOURCE}", False),
        (f"28:orgid:{RESOURCE}", False),
        (A.removeprefix("8:"), False),
        (A.replace("acs", "ACS"), False),
        (f" {A}", False),
        ("8:acs", False),
        ("bad_mri", False),
    ],
)
def test_only_communication_users_are_supported(raw_id: str, supported: bool) -> None:
    expected = [] if supported else ["USER_NOT_SUPPORTED"]
    assert found(raw_id=raw_id) == expected
    assert found(raw_id=raw_id, on_roster=False) == [*expected, "NOT_A_PARTICIPANT"]


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (token_for(), []),
        (token_for(acsScope="chat,voip"), []),
        (token_for(acsScope="voip"), []),
        (token_for(acsScope="chat"), ["TOKEN_WITHOUT_VOIP"]),
        (token_for(acsScope="voipx,xvoip.join"), ["TOKEN_WITHOUT_VOIP"]),
        (token_for(acsScope=""), ["TOKEN_WITHOUT_VOIP"]),
        (token_for(acsScope=None), ["TOKEN_WITHOUT_VOIP"]),
        (token_for(B), ["TOKEN_OF_ANOTHER_USER"]),
        (token_for(A.replace("acs", "dod-acs")), ["TOKEN_OF_ANOTHER_USER"]),
        (token_for(f"8:orgid:{RESOURCE}"), ["TOKEN_OF_ANOTHER_USER"]),
        (token_for(A.upper()), ["TOKEN_OF_ANOTHER_USER"]),
        (token_for(resourceId="another"), ["TOKEN_OF_ANOTHER_RESOURCE"]),
        (
            token_for(A.replace("b60f", "c60f"), resourceId=RESOURCE.replace("b60f", "c60f")),
            ["TOKEN_OF_ANOTHER_USER", "TOKEN_OF_ANOTHER_RESOURCE"],
        ),
        (token_for(skypeid=None, resourceId=None), []),
        (token_for(exp=OPEN.seconds + 1), []),
        (token_for(exp=OPEN.seconds), ["TOKEN_EXPIRED"]),
        (token_for(exp=-1), ["TOKEN_EXPIRED"]),
        (token_for(exp=1e300), []),
        (token_for(exp=None), []),
        (token_for().partition(".")[0], ["TOKEN_MALFORMED"]),
        ("a.b.c", ["TOKEN_MALFORMED"]),
        ("\0" * 65_536, ["TOKEN_MALFORMED"]),
        (
            token_for(B, exp=0, resourceId="another", acsScope="chat"),
            [
                "TOKEN_EXPIRED",
                "TOKEN_OF_ANOTHER_USER",
                "TOKEN_OF_ANOTHER_RESOURCE",
                "TOKEN_WITHOUT_VOIP",
            ],
        ),
    ],
)
def test_obstacles_of_a_token(token: str, expected: list[str]) -> None:
    assert found(token=token) == expected


def test_a_token_is_compared_with_the_join_time() -> None:
    """Not with now: a token that is valid today may expire before the room opens."""
    token = token_for(exp=at(OPENS).seconds - 1)
    assert found(token=token, time=at(OPENS)) == ["TOKEN_EXPIRED"]
    assert found(token=token, time=at(OPENS, -(10**10))) == ["ROOM_NOT_OPEN"]


def test_a_malformed_token_has_no_claims_in_responses() -> None:
    assert not explain(ROOM, None, A, OPEN, "a.b.c").HasField("token_claims")
    assert not explain(ROOM, None, A, OPEN, "").HasField("token_claims")


def test_obstacles_are_ordered() -> None:
    """Room, kind of user, roster, window, token."""
    phone = "4:+14255550123"
    assert found(
        raw_id=phone, on_roster=False, time=at(CLOSES, 1), token=token_for(exp=0, acsScope="chat")
    ) == [
        "USER_NOT_SUPPORTED",
        "NOT_A_PARTICIPANT",
        "ROOM_CLOSED",
        "TOKEN_EXPIRED",
        "TOKEN_OF_ANOTHER_USER",
        "TOKEN_WITHOUT_VOIP",
    ]
    assert found(None, raw_id=phone, on_roster=False, token="x") == [
        "ROOM_NOT_FOUND",
        "USER_NOT_SUPPORTED",
        "TOKEN_MALFORMED",
    ]


def test_a_malformed_window_is_an_error() -> None:
    with pytest.raises(InvalidUpstreamResponseError):
        explain(Room("1", valid_from="tomorrow"), None, A, OPEN, "")


def test_every_kind_of_obstacle_is_in_the_table() -> None:
    """In the order of the contract."""
    assert [0, *OBSTACLES] == join_pb2.JoinObstacleKind.values()


def test_codes_match_the_comments_of_the_contract() -> None:
    proto = ROOT.joinpath("protos/acs/rooms/v1/join.proto").read_text(encoding="utf-8")
    for kind, obstacle in OBSTACLES.items():
        name = join_pb2.JoinObstacleKind.Name(kind)
        [comment] = re.findall(rf"// {name}: (.*?)^  {name} =", proto, re.DOTALL | re.MULTILINE)
        text = " ".join(comment.replace("//", " ").split())
        documented = [
            int(match[1]) if (match := re.search(pattern, text)) else 0
            for pattern in (r"Code (\d+)", r"[Ss]ubcode (\d+)")
        ]
        assert documented == [obstacle.calling_code, obstacle.calling_subcode], name


def test_every_remedy_is_an_rpc() -> None:
    for obstacle in OBSTACLES.values():
        service, _, method = obstacle.remedy.partition("/")
        assert method in SERVICES[service].methods_by_name


@given(st.text() | st.builds(token_for, st.text()), st.text() | st.sampled_from([A, B]))
def test_messages_are_fixed_texts(token: str, raw_id: str) -> None:
    """Neither the token nor an identifier is in them."""
    response = explain(ROOM, None, raw_id, at(CLOSES, 1), token)
    for each in response.obstacles:
        assert each.message == OBSTACLES[each.kind].message
