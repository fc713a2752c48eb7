"""Obstacles to a join, and how they are printed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from acs.rooms.v1 import join_pb2

from rooms_gateway.cli.client.text import enum_name, printable, utc

_ISSUE = "Issue another one: `rooms-gateway users token {user}`."

# Keys: values of acs.rooms.v1.JoinObstacleKind without their prefix.
NEXT_BY_KIND: Mapping[str, str] = MappingProxyType(
    {
        "ROOM_NOT_FOUND": "Check the room id: `rooms-gateway rooms list` lists all rooms.",
        "USER_NOT_SUPPORTED": "Join as another user: `rooms-gateway join admit {room} new`.",
        "NOT_A_PARTICIPANT": "Add it: `rooms-gateway participants upsert {room} {user}`.",
        "ROOM_NOT_OPEN": "Open it earlier: `rooms-gateway rooms update {room} --valid-from now`.",
        "ROOM_CLOSED": "Extend it: `rooms-gateway rooms update {room} --valid-until +2h`.",
        "TOKEN_MALFORMED": _ISSUE,
        "TOKEN_EXPIRED": _ISSUE,
        "TOKEN_OF_ANOTHER_USER": _ISSUE,
        "TOKEN_OF_ANOTHER_RESOURCE": _ISSUE,
        "TOKEN_WITHOUT_VOIP": _ISSUE,
    }
)


def explanation(response: join_pb2.ExplainJoinResponse, room_id: str, raw_id: str) -> Iterator[str]:
    """Yield one line for each obstacle, and one with the conditions that were not checked.

    The user of `raw_id` joins the room of `room_id`: they are arguments of the commands to use.
    """
    for obstacle in response.obstacles:
        kind = enum_name(join_pb2.JoinObstacleKind.DESCRIPTOR, obstacle.kind)
        codes = "/".join(str(n) for n in (obstacle.calling_code, obstacle.calling_subcode) if n)
        if kind in NEXT_BY_KIND:
            names = {"room": shlex.quote(room_id), "user": shlex.quote(raw_id)}
            next_step = NEXT_BY_KIND[kind].format_map(names)
        else:
            next_step = f"Call {obstacle.remedy}." if obstacle.remedy else ""
        parts = (
            f"{kind} {codes}".rstrip() + ":",
            obstacle.message,
            f"Clears at {utc(obstacle.clears_at)}." if obstacle.HasField("clears_at") else "",
            next_step,
        )
        yield printable(" ".join(filter(None, parts)))
    if not response.obstacles:
        yield "No obstacle found."
    if response.not_checked:
        conditions = ", ".join(
            enum_name(join_pb2.UncheckedJoinCondition.DESCRIPTOR, condition)
            for condition in response.not_checked
        )
        yield f"Not checked: {conditions.lower().replace('_', ' ')}."
