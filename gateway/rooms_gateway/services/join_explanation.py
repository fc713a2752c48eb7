"""ExplainJoin: every obstacle to a user's join of a room.

The codes are those of `callEndReason` and of failed `createCallAgent` calls in the documentation of
the Calling SDK; 5732 is from Microsoft's UI library. The order of the checks is not published: the
obstacles are ordered by room, user, roster, window and access token.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from http import HTTPStatus
from typing import NamedTuple, TypeAlias

from acs.rooms.v1 import join_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

from rooms_gateway.aio import gather_or_cancel
from rooms_gateway.call import Call
from rooms_gateway.errors import UpstreamRejectedError
from rooms_gateway.services.convert import identifiers, timestamps
from rooms_gateway.services.convert.participants import participant_from_rest
from rooms_gateway.services.convert.rooms import fill_room
from rooms_gateway.services.convert.token_claims import Claims, read_claims
from rooms_gateway.upstream.models import Participant, Room
from rooms_gateway.upstream.rooms_api import RoomsApi

_Kind: TypeAlias = pb.JoinObstacleKind.ValueType


class Obstacle(NamedTuple):
    """The fields of JoinObstacle that its kind determines."""

    calling_code: int
    calling_subcode: int
    message: str
    remedy: str


_CREATE_ROOM = "acs.rooms.v1.RoomsService/CreateRoom"
_UPDATE_ROOM = "acs.rooms.v1.RoomsService/UpdateRoom"
_UPSERT = "acs.rooms.v1.ParticipantsService/UpsertParticipants"
_ADMIT = "acs.rooms.v1.JoinService/AdmitParticipants"
_ISSUE_TOKEN = "acs.identity.v1.IdentityService/IssueToken"  # noqa: S105 - the name of an RPC

OBSTACLES: dict[_Kind, Obstacle] = {
    pb.JOIN_OBSTACLE_KIND_ROOM_NOT_FOUND: Obstacle(
        0,
        5732,
        "The room does not exist, or no longer: check the room id, or create another room.",
        _CREATE_ROOM,
    ),
    pb.JOIN_OBSTACLE_KIND_USER_NOT_SUPPORTED: Obstacle(
        403,
        5830,
        "Only users of a Communication Services resource can join a room: admit a new user.",
        _ADMIT,
    ),
    pb.JOIN_OBSTACLE_KIND_NOT_A_PARTICIPANT: Obstacle(
        403, 5828, "The user is not on the roster of the room: add the user to it.", _UPSERT
    ),
    pb.JOIN_OBSTACLE_KIND_ROOM_NOT_OPEN: Obstacle(
        403,
        5829,
        "The window of the room has not begun: join later, or move valid_from.",
        _UPDATE_ROOM,
    ),
    pb.JOIN_OBSTACLE_KIND_ROOM_CLOSED: Obstacle(
        403, 5829, "The window of the room has ended: move valid_until.", _UPDATE_ROOM
    ),
    pb.JOIN_OBSTACLE_KIND_TOKEN_MALFORMED: Obstacle(
        0,
        0,
        "The access token is no JWT of Communication Services: send the token to the client "
        "unchanged, or issue another one.",
        _ISSUE_TOKEN,
    ),
    pb.JOIN_OBSTACLE_KIND_TOKEN_EXPIRED: Obstacle(
        401,
        40235,
        "The access token has expired at the time of the join: issue another one.",
        _ISSUE_TOKEN,
    ),
    pb.JOIN_OBSTACLE_KIND_TOKEN_OF_ANOTHER_USER: Obstacle(
        0, 0, "The access token is that of another user: issue one for this user.", _ISSUE_TOKEN
    ),
    pb.JOIN_OBSTACLE_KIND_TOKEN_OF_ANOTHER_RESOURCE: Obstacle(
        0,
        0,
        "The access token is that of another resource than the user's: issue one with the "
        "credential of the user's resource.",
        _ISSUE_TOKEN,
    ),
    pb.JOIN_OBSTACLE_KIND_TOKEN_WITHOUT_VOIP: Obstacle(
        401,
        44114,
        "The access token has neither the scope voip nor voip.join: issue one with voip.join.",
        _ISSUE_TOKEN,
    ),
}

_NOT_CHECKED = [condition for condition in pb.UncheckedJoinCondition.values() if condition]
_VOIP_SCOPES = frozenset({"voip", "voip.join"})


async def explain_join(
    api: RoomsApi,
    request: pb.ExplainJoinRequest,
    call: Call,
    *,
    clock: Callable[[], int] = time.time_ns,
) -> pb.ExplainJoinResponse:
    """REST: Rooms_Get and Participants_List, concurrently.

    `clock` is the gateway's, in nanoseconds since 1970: the time of the join if the request has
    none. Raises InvalidRequestError for rules that the proto cannot express, and the errors of
    `RoomsApi`, except that of a room that does not exist.
    """
    raw_id = identifiers.raw_id_of(request, "")
    if request.HasField("time"):
        timestamps.check(request.time, "time")
        join_time = request.time
    else:
        join_time = Timestamp()
        join_time.FromNanoseconds(clock())
    room, participant = await _read(api, request.room_id, raw_id, call)
    return explain(room, participant, raw_id, join_time, request.token)


async def _read(
    api: RoomsApi, room_id: str, raw_id: str, call: Call
) -> tuple[Room | None, Participant | None]:
    try:
        return await gather_or_cancel(
            api.get_room(room_id, call), _find_participant(api, room_id, raw_id, call)
        )
    except UpstreamRejectedError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None, None
        raise


async def _find_participant(
    api: RoomsApi, room_id: str, raw_id: str, call: Call
) -> Participant | None:
    async with aclosing(api.list_participants(room_id, None, 0, call)) as pages:
        async for page in pages:
            for participant in page.items:
                if participant.raw_id == raw_id:
                    return participant
    return None


def explain(
    room: Room | None,
    participant: Participant | None,
    raw_id: str,
    join_time: Timestamp,
    token: str,
) -> pb.ExplainJoinResponse:
    """Return the obstacles to a join at `join_time`; an empty `token` is not examined.

    `participant` is the user on the roster. Raises InvalidUpstreamResponseError if the window of
    the room is malformed.
    """
    response = pb.ExplainJoinResponse(not_checked=_NOT_CHECKED)
    if room is not None:
        fill_room(response.room, room)
    if participant is not None:
        response.participant.CopyFrom(participant_from_rest(participant))
    claims = read_claims(token)
    if claims is not None:
        response.token_claims.CopyFrom(claims.public)
    at = join_time.ToNanoseconds()
    kinds = [*_of_room_and_user(response, raw_id, at)]
    if claims is not None:
        kinds += _of_token(claims, raw_id, at)
    elif token:
        kinds.append(pb.JOIN_OBSTACLE_KIND_TOKEN_MALFORMED)
    for kind in kinds:
        obstacle = response.obstacles.add(kind=kind, **OBSTACLES[kind]._asdict())
        if kind == pb.JOIN_OBSTACLE_KIND_ROOM_NOT_OPEN:
            obstacle.clears_at.CopyFrom(response.room.valid_from)
    return response


def _of_room_and_user(response: pb.ExplainJoinResponse, raw_id: str, at: int) -> Iterator[_Kind]:
    room = response.room if response.HasField("room") else None
    if room is None:
        yield pb.JOIN_OBSTACLE_KIND_ROOM_NOT_FOUND
    if not identifiers.is_communication_user(raw_id):
        yield pb.JOIN_OBSTACLE_KIND_USER_NOT_SUPPORTED
    if room is None:
        return
    if not response.HasField("participant"):
        yield pb.JOIN_OBSTACLE_KIND_NOT_A_PARTICIPANT
    if room.HasField("valid_from") and at < room.valid_from.ToNanoseconds():
        yield pb.JOIN_OBSTACLE_KIND_ROOM_NOT_OPEN
    if room.HasField("valid_until") and at > room.valid_until.ToNanoseconds():
        yield pb.JOIN_OBSTACLE_KIND_ROOM_CLOSED


def _of_token(claims: Claims, raw_id: str, at: int) -> Iterator[_Kind]:
    public = claims.public
    # RFC 7519: a token is not accepted on or after its expiry.
    if public.HasField("expires_at") and at >= public.expires_at.ToNanoseconds():
        yield pb.JOIN_OBSTACLE_KIND_TOKEN_EXPIRED
    if claims.raw_id and claims.raw_id != raw_id:
        yield pb.JOIN_OBSTACLE_KIND_TOKEN_OF_ANOTHER_USER
    resource_id = _resource_of(raw_id)
    if resource_id and claims.resource_id and claims.resource_id != resource_id:
        yield pb.JOIN_OBSTACLE_KIND_TOKEN_OF_ANOTHER_RESOURCE
    if _VOIP_SCOPES.isdisjoint(public.scope_names):
        yield pb.JOIN_OBSTACLE_KIND_TOKEN_WITHOUT_VOIP


def _resource_of(raw_id: str) -> str:
    """Return the resource id in `8:acs:<resource>_<user>`; empty for any other raw id."""
    if not identifiers.is_communication_user(raw_id):
        return ""
    return raw_id.rpartition(":")[2].partition("_")[0]
