"""ExplainJoin on the rooms, rosters and access tokens of an emulator."""

from __future__ import annotations

import math
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from acs.rooms.v1 import join_pb2 as pb
from acs.rooms.v1.identifiers_pb2 import CommunicationIdentifier
from google.protobuf.timestamp_pb2 import Timestamp
from support.gateways import UNKNOWN_ROOM, upstream_of
from support.samples import A, B, communication_user, phone_number, teams_user, unknown, user
from support.signed_requests import Client, ask, client_session

from rooms_emulator import Emulator, Fault
from rooms_gateway.call import Call
from rooms_gateway.errors import (
    InvalidRequestError,
    InvalidUpstreamResponseError,
    UnattributedResponseError,
    UpstreamRejectedError,
)
from rooms_gateway.services.join_explanation import explain_join
from rooms_gateway.upstream.credentials import make_credential
from rooms_gateway.upstream.models import CreateRoom, ParticipantProperties
from rooms_gateway.upstream.rooms_api import RoomsApi
from rooms_gateway.upstream.transport.http import HttpClient
from rooms_gateway.upstream.transport.retry import RetryPolicy
from rooms_gateway.upstream.transport.sender import Sender
from rooms_gateway.upstream.versions import API_VERSIONS

HOUR = 3600
TICKS_PER_SECOND = 10_000_000


def explained(response: pb.ExplainJoinResponse) -> dict[str, tuple[int, int]]:
    """Map the kinds of the obstacles to code and subcode."""
    return {
        pb.JoinObstacleKind.Name(each.kind).removeprefix("JOIN_OBSTACLE_KIND_"): (
            each.calling_code,
            each.calling_subcode,
        )
        for each in response.obstacles
    }


def new_call() -> Call:
    return Call("id", math.inf, idempotent=True)


@dataclass(frozen=True, slots=True)
class Rooms:
    """An emulator with a frozen clock, and its API."""

    emulator: Emulator
    api: RoomsApi

    def clock(self) -> int:
        return self.emulator.clock.now() * 100

    def time(self, seconds: float = 0, ticks: int = 0) -> Timestamp:
        """Return the time that is `seconds` and `ticks` after the emulator's."""
        time = Timestamp()
        time.FromNanoseconds(self.clock() + round(seconds * 10**9) + ticks * 100)
        return time

    async def create(self, *raw_ids: str, opens: float = 0, closes: float = HOUR) -> str:
        """Create a room with a roster; its window is in seconds from now."""
        body = CreateRoom(
            valid_from=self.time(opens).ToJsonString(),
            valid_until=self.time(closes).ToJsonString(),
            participants={raw_id: ParticipantProperties() for raw_id in raw_ids},
        )
        return (await self.api.create_room(body, str(uuid.uuid4()), new_call())).room.id

    async def explain(self, room_id: str, raw_id: str = A, **others: Any) -> pb.ExplainJoinResponse:
        """Explain a join by the emulator's clock."""
        request = pb.ExplainJoinRequest(room_id=room_id, raw_id=raw_id, **others)
        return await explain_join(self.api, request, new_call(), clock=self.clock)


@pytest.fixture
async def rooms() -> AsyncIterator[Rooms]:
    """Start an emulator with pages of two participants; no request is retried."""
    async with Emulator(participants_page_size=2, date_margin=10**10) as emulator:
        emulator.clock.freeze()
        upstream = upstream_of(emulator)
        http = HttpClient(
            upstream.endpoint, user_agent="t", max_connections=4, max_response_bytes=1_000_000
        )
        async with http:
            sender = Sender(
                http,
                upstream.endpoint,
                make_credential(upstream.credential, upstream.endpoint),
                policy=RetryPolicy(max_attempts=1),
            )
            yield Rooms(emulator, RoomsApi(sender, upstream.endpoint, API_VERSIONS["2025-03-13"]))


@pytest.fixture
async def client(rooms: Rooms) -> AsyncIterator[Client]:
    async with client_session() as session:
        yield Client(session, rooms.emulator.endpoint)


async def user_with_token(client: Client, *scopes: str, minutes: int = 60) -> tuple[str, str]:
    """Create a user; return its raw id and an access token."""
    content = {"createTokenWithScopes": scopes, "expiresInMinutes": minutes}
    created = (await ask(client, content=content)).json
    return created["identity"]["id"], created["accessToken"]["token"]


async def test_a_participant_can_join_an_open_room(rooms: Rooms) -> None:
    room_id = await rooms.create(A, B)
    response = await rooms.explain(room_id, B)
    assert not response.obstacles
    assert (response.room.id, response.participant.raw_id) == (room_id, B)
    assert response.participant.identifier == communication_user(B)
    assert not response.HasField("token_claims")


async def test_the_window_by_the_clock(rooms: Rooms) -> None:
    """At the start of the window, in it, and at its end, a join has no obstacle."""
    room_id = await rooms.create(A, opens=HOUR, closes=2 * HOUR)
    early = await rooms.explain(room_id)
    assert explained(early) == {"ROOM_NOT_OPEN": (403, 5829)}
    assert early.obstacles[0].clears_at == early.room.valid_from == rooms.time(HOUR)
    for seconds in (HOUR, HOUR / 2, HOUR / 2):
        rooms.emulator.clock.advance(seconds)
        assert not (await rooms.explain(room_id)).obstacles
    rooms.emulator.clock.advance(1 / TICKS_PER_SECOND)
    assert explained(await rooms.explain(room_id)) == {"ROOM_CLOSED": (403, 5829)}


async def test_the_window_by_the_time_of_the_request(rooms: Rooms) -> None:
    """To the tick of the Rooms service, whatever the clock."""
    room_id = await rooms.create(A, opens=HOUR, closes=2 * HOUR)
    for time, expected in (
        (rooms.time(HOUR, -1), ["ROOM_NOT_OPEN"]),
        (rooms.time(HOUR), []),
        (rooms.time(2 * HOUR), []),
        (rooms.time(2 * HOUR, 1), ["ROOM_CLOSED"]),
        (Timestamp(), ["ROOM_NOT_OPEN"]),
    ):
        assert [*explained(await rooms.explain(room_id, time=time))] == expected


@pytest.mark.parametrize("number", [0, 3, 4, 5])
async def test_the_roster_is_searched_page_by_page(rooms: Rooms, number: int) -> None:
    """Not beyond the page of the user, except for the one that is read ahead."""
    room_id = await rooms.create(*map(user, range(5)))
    response = await rooms.explain(room_id, user(number))
    missing = {"NOT_A_PARTICIPANT": (403, 5828)}
    assert explained(response) == ({} if number in range(5) else missing)
    read = [each.operation for each in rooms.emulator.journal].count("ListParticipants")
    assert read <= min(3, number // 2 + 2)


async def test_a_room_that_does_not_exist_is_an_obstacle(rooms: Rooms) -> None:
    response = await rooms.explain(UNKNOWN_ROOM)
    assert explained(response) == {"ROOM_NOT_FOUND": (0, 5732)}
    assert not response.HasField("room")


@pytest.mark.parametrize("operation", ["GetRoom", "ListParticipants"])
async def test_a_room_deleted_in_between(rooms: Rooms, operation: str) -> None:
    """Either request can be the one that does not find the room."""
    room_id = await rooms.create(A)
    rooms.emulator.faults.add(Fault(operation=operation, status=404))
    assert [*explained(await rooms.explain(room_id))] == ["ROOM_NOT_FOUND"]


@pytest.mark.parametrize("operation", ["GetRoom", "ListParticipants"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        # A 404 without an error code: the Rooms service has not sent it.
        (
            {"status": 404, "body": "", "headers": {"x-ms-error-code": ""}},
            UnattributedResponseError,
        ),
        ({"status": 403}, UpstreamRejectedError),
        ({"status": 500}, UpstreamRejectedError),
        ({"body": "<html>"}, InvalidUpstreamResponseError),
    ],
)
async def test_other_errors_stay_errors(
    rooms: Rooms, operation: str, fault: Mapping[str, Any], error: type[Exception]
) -> None:
    room_id = await rooms.create(A)
    rooms.emulator.faults.add(Fault(operation=operation, **fault))
    with pytest.raises(error):
        await rooms.explain(room_id)


async def test_an_unrecognized_role_is_no_obstacle(rooms: Rooms) -> None:
    room_id = await rooms.create(A)
    rooms.emulator.faults.add(Fault(operation="ListParticipants", role="Producer"))
    response = await rooms.explain(room_id)
    assert not response.obstacles
    assert response.participant.unrecognized_role == "Producer"


@pytest.mark.parametrize("scopes", [["voip"], ["voip.join"], ["chat", "voip"]])
async def test_a_token_of_the_emulator_is_read(
    rooms: Rooms, client: Client, scopes: list[str]
) -> None:
    raw_id, token = await user_with_token(client, *scopes)
    response = await rooms.explain(await rooms.create(raw_id), raw_id, token=token)
    assert not response.obstacles
    claims = response.token_claims
    assert list(claims.scope_names) == scopes
    assert claims.issued_at.seconds == rooms.time().seconds
    assert claims.expires_at.seconds == rooms.time(HOUR).seconds


async def test_a_token_expires_before_the_room_opens(rooms: Rooms, client: Client) -> None:
    """The token is valid now, and has expired at the time of the join."""
    raw_id, token = await user_with_token(client, "voip.join")
    room_id = await rooms.create(raw_id, opens=3 * HOUR, closes=4 * HOUR)
    now = await rooms.explain(room_id, raw_id, token=token)
    then = await rooms.explain(room_id, raw_id, token=token, time=rooms.time(3 * HOUR))
    assert [*explained(now)] == ["ROOM_NOT_OPEN"]
    assert explained(then) == {"TOKEN_EXPIRED": (401, 40235)}


@pytest.mark.proves("join-explain")
async def test_obstacles_of_a_token_of_the_emulator(rooms: Rooms, client: Client) -> None:
    raw_id, token = await user_with_token(client, "chat")
    room_id = await rooms.create(raw_id, A)
    assert explained(await rooms.explain(room_id, raw_id, token=token)) == {
        "TOKEN_WITHOUT_VOIP": (401, 44114)
    }
    # A is a user of another resource.
    assert [*explained(await rooms.explain(room_id, A, token=token))] == [
        "TOKEN_OF_ANOTHER_USER",
        "TOKEN_OF_ANOTHER_RESOURCE",
        "TOKEN_WITHOUT_VOIP",
    ]


@pytest.mark.parametrize(
    "identifier",
    [
        phone_number("+14255550123"),
        teams_user("45ab2481-1c1c-4005-be24-0ffb879b1130", "public"),
        unknown("bad_mri"),
    ],
)
async def test_only_users_of_a_resource_can_join(
    rooms: Rooms, identifier: CommunicationIdentifier
) -> None:
    response = await rooms.explain(await rooms.create(A), "", identifier=identifier)
    assert explained(response) == {
        "USER_NOT_SUPPORTED": (403, 5830),
        "NOT_A_PARTICIPANT": (403, 5828),
    }


async def test_a_typed_identifier_selects_the_user(rooms: Rooms) -> None:
    room_id = await rooms.create(A)
    for raw_id in ("", A):
        response = await rooms.explain(room_id, raw_id, identifier=communication_user(A))
        assert response.participant.raw_id == A


@pytest.mark.parametrize(
    ("fields", "violated"),
    [
        ({}, "raw_id"),
        ({"raw_id": B, "identifier": communication_user(A)}, "identifier"),
        ({"identifier": CommunicationIdentifier()}, "identifier"),
        ({"identifier": communication_user("4:+1425")}, "identifier"),
        ({"raw_id": A, "time": Timestamp(seconds=2**40)}, "time"),
        ({"raw_id": A, "time": Timestamp(nanos=-1)}, "time"),
    ],
)
async def test_an_invalid_request_is_not_sent(
    rooms: Rooms, fields: Mapping[str, Any], violated: str
) -> None:
    request = pb.ExplainJoinRequest(room_id=UNKNOWN_ROOM, **fields)
    with pytest.raises(InvalidRequestError) as raised:
        await explain_join(rooms.api, request, new_call())
    assert [violation.field for violation in raised.value.violations] == [violated]
    assert not list(rooms.emulator.journal)


async def test_the_default_time_is_now(rooms: Rooms) -> None:
    """By the clock of the gateway."""
    room_id = await rooms.create(A, opens=HOUR, closes=2 * HOUR)
    request = pb.ExplainJoinRequest(room_id=room_id, raw_id=A)
    response = await explain_join(rooms.api, request, new_call())
    assert [*explained(response)] == ["ROOM_NOT_OPEN"]
