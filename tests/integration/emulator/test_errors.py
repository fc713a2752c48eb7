"""Every recorded error of the Rooms service, with its exact text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from support.samples import user
from support.signed_requests import (
    BAD_RANGE,
    BAD_ROLE,
    BAD_START,
    HALF_RANGE,
    MALFORMED,
    PAST_END,
    UNKNOWN_ROOM,
    Client,
    from_now,
)

from rooms_emulator import Emulator
from rooms_emulator.rooms import versions


@dataclass(frozen=True)
class Case:
    """A rejected request. `window` is in days from now; `{}` in `path` is the id of a room."""

    name: str
    method: str
    path: str
    body: Any = None
    window: dict[str, float] = field(default_factory=dict)
    status: int = 400
    message: str = ""
    details: tuple[tuple[str, str], ...] = ()

    def content(self) -> object:
        window = {name: from_now(days=days) for name, days in self.window.items()}
        return window or self.body


CREATE, ROOM, PARTICIPANTS = ("POST", "/rooms"), "/rooms/{}", "/rooms/{}/participants"
WRONG_LENGTH, WRONG_ID = "Invalid room ID length.", "Invalid room ID."
NO_SUCH_ROOM = "The server cannot find the requested resource."
CASES = [
    Case("create, past end", *CREATE, window={"validUntil": -1}, details=(PAST_END,)),
    Case(
        "create, both, past end",
        *CREATE,
        window={"validFrom": 5, "validUntil": -1},
        details=(PAST_END,),
    ),
    Case(
        "update, both past",
        "PATCH",
        ROOM,
        window={"validFrom": -1, "validUntil": -2},
        details=(PAST_END,),
    ),
    Case(
        "update, past day",
        "PATCH",
        ROOM,
        {"validFrom": "2022-11-22", "validUntil": "2022-11-23"},
        details=(PAST_END,),
    ),
    Case(
        "create, long range",
        *CREATE,
        window={"validFrom": 0, "validUntil": 181},
        details=(BAD_RANGE,),
    ),
    Case("create, far end", *CREATE, window={"validUntil": 181}, details=(BAD_RANGE,)),
    Case(
        "update, long range",
        "PATCH",
        ROOM,
        window={"validFrom": 0, "validUntil": 200},
        details=(BAD_RANGE,),
    ),
    Case(
        "create, end before start",
        *CREATE,
        window={"validFrom": 5, "validUntil": 4},
        details=(BAD_RANGE,),
    ),
    Case("create, late start", *CREATE, window={"validFrom": 181}, details=(BAD_START,)),
    Case(
        "update, late start and earlier end",
        "PATCH",
        ROOM,
        window={"validFrom": 181, "validUntil": 5},
        details=(BAD_START, BAD_RANGE),
    ),
    Case("update, start alone", "PATCH", ROOM, window={"validFrom": 1}, details=(HALF_RANGE,)),
    Case("update, end alone", "PATCH", ROOM, window={"validUntil": 1}, details=(HALF_RANGE,)),
    Case(
        "update, end alone, start null",
        "PATCH",
        ROOM,
        {"validFrom": None, "validUntil": "2022-11-23"},
        details=(HALF_RANGE,),
    ),
    Case(
        "participants, unknown role",
        "PATCH",
        PARTICIPANTS,
        {"participants": {user(1): {"role": "Kafka"}}},
        details=(BAD_ROLE,),
    ),
    Case(
        "participants, role in another case",
        "PATCH",
        PARTICIPANTS,
        {"participants": {user(1): {"role": "presenter"}}},
        details=(BAD_ROLE,),
    ),
    Case(
        "create, unknown role",
        *CREATE,
        {"participants": {user(1): {"role": 7}}},
        details=(BAD_ROLE,),
    ),
    Case(
        "create, malformed identifier",
        *CREATE,
        {"participants": {"wrong_mri": {}}},
        message="Invalid format for communication identifier.",
    ),
    Case(
        "create, malformed identifier without properties",
        *CREATE,
        {"participants": {"wrong_mri": None}},
        message="Invalid format for communication identifier.",
    ),
    Case(
        "participants, malformed identifier to add",
        "PATCH",
        PARTICIPANTS,
        {"participants": {"wrong_mri": {}}},
        message="Communication identifier wrong_mri is not supported.",
    ),
    Case(
        "participants, malformed identifier to remove",
        "PATCH",
        PARTICIPANTS,
        {"participants": {"wrong_mri": None}},
        message="Communication identifier wrong_mri is not supported.",
    ),
    *(
        Case(
            f"participants, {raw_id}",
            "PATCH",
            PARTICIPANTS,
            {"participants": {raw_id: {}}},
            message=f"Communication identifier {raw_id} is not supported.",
        )
        for raw_id in (
            "8:acs:123456c",
            "4:+14255550123",
            f"8:orgid:{user(1)[6:42]}",
            f"28:orgid:{user(1)[6:42]}",
            f"{user(1)}_{user(1)[6:42]}",
            f"{user(1)}\n",
            "é",
        )
    ),
    *(
        Case(f"{method} of {room_id}", method, f"/rooms/{room_id}{where}", body, message=message)
        for method, where, body in (
            ("GET", "", None),
            ("PATCH", "", {}),
            ("DELETE", "", None),
            ("GET", "/participants", None),
            ("PATCH", "/participants", {"participants": {}}),
        )
        for room_id, message in (
            ("123", WRONG_LENGTH),
            ("invalid_id", WRONG_LENGTH),
            ("f-1234567890", WRONG_LENGTH),
            ("123-invalidId", WRONG_LENGTH),
            ("9" * 21, WRONG_LENGTH),
            ("NotExistingRoomID", WRONG_ID),
            ("non-existingroomId", WRONG_ID),
            ("%D9%A9" * 16, WRONG_ID),
        )
    ),
    *(
        Case(
            f"{method} of an unknown id{where}",
            method,
            path,
            body,
            status=404,
            message=NO_SUCH_ROOM,
        )
        for method, where, body in (
            ("GET", "", None),
            ("PATCH", "", {}),
            ("DELETE", "", None),
            ("GET", "/participants", None),
            ("PATCH", "/participants", {"participants": {user(1): {}}}),
        )
        for path in [f"/rooms/{UNKNOWN_ROOM}{where}"]
    ),
    Case(
        "an invalid body before an invalid id",
        "PATCH",
        "/rooms/123",
        window={"validFrom": 1},
        details=(HALF_RANGE,),
    ),
    Case(
        "participants, no member of that name",
        "PATCH",
        PARTICIPANTS,
        {},
        details=(("The Participants field is required.", "Participants"),),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_recorded_errors(emulator: Emulator, client: Client, case: Case) -> None:
    """The body and the headers of its family are those recorded, and nothing is changed."""
    room = await client.create(participants={user(9): {}})
    path = case.path.format(room["id"])
    response = await client.call(case.method, path, case.content())
    assert response.status == case.status
    expected: dict[str, Any] = {"code": {400: "BadRequest", 404: "NotFound"}[case.status]}
    if case.details:
        expected |= {
            "message": MALFORMED,
            "details": [
                {"code": "BadArgument", "message": message, "target": target}
                for message, target in case.details
            ],
        }
        assert "x-ms-error-code" not in response.headers
        assert "api-supported-versions" not in response.headers
    else:
        expected["message"] = case.message
        assert response.headers["x-ms-error-code"] == expected["code"]
        assert response.headers["api-supported-versions"] == versions.SUPPORTED
    assert response.json == {"error": expected}
    assert (len(emulator.store), emulator.store.get(room["id"]).id) == (1, room["id"])
    assert await client.roster(room["id"]) == [(user(9), "Attendee")]


async def test_order_of_members_in_an_error(client: Client) -> None:
    response = await client.call("POST", "/rooms", {"validUntil": "2022-11-23"})
    assert response.body == (
        b'{"error":{"code":"BadRequest","message":"The request could not be understood by the '
        b'server due to malformed syntax.","details":[{"code":"BadArgument","message":"The time '
        b'range end is in the past.","target":"ValidUntil"}]}}'
    )
