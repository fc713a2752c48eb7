"""What the service refuses: every recorded error, and bodies that are no JSON of a client."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from emulator.signing_client import MERGE_PATCH, Client, user

from gateway.emulator import Emulator, versions

MALFORMED = "The request could not be understood by the server due to malformed syntax."
PAST_END = ("The time range end is in the past.", "ValidUntil")
BAD_RANGE = ("The time range is incorrect, or larger than 180 days.", "ValidUntil")
BAD_START = ("Value is incorrect or more than 180 days in the future.", "ValidFrom")
HALF_RANGE = ("validFrom and validUntil should be set together.", "")
ROLES = "Presenter, Attendee, Consumer, Collaborator"
BAD_ROLE = (
    f"Invalid participant role. The valid roles are: {ROLES}.",
    f"$.participants.{user(1)}.role",
)
UNKNOWN_ROOM = "9949484443000000"


def from_now(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


@dataclass(frozen=True)
class Case:
    """A request that is refused: in ``window``, days from now; ``{}`` is the id of a room."""

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


CREATE, ROOM, PEOPLE = ("POST", "/rooms"), "/rooms/{}", "/rooms/{}/participants"
WRONG_LENGTH, WRONG_ID = "Invalid room ID length.", "Invalid room ID."
NOT_THERE = "The server cannot find the requested resource."
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
        PEOPLE,
        {"participants": {user(1): {"role": "Kafka"}}},
        details=(BAD_ROLE,),
    ),
    Case(
        "participants, role in another case",
        "PATCH",
        PEOPLE,
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
        "participants, malformed identifier to add",
        "PATCH",
        PEOPLE,
        {"participants": {"wrong_mri": {}}},
        message="Communication identifier wrong_mri is not supported.",
    ),
    Case(
        "participants, malformed identifier to remove",
        "PATCH",
        PEOPLE,
        {"participants": {"wrong_mri": None}},
        message="Communication identifier wrong_mri is not supported.",
    ),
    *(
        Case(
            f"participants, {raw_id}",
            "PATCH",
            PEOPLE,
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
        Case(f"{method} of an unknown id{where}", method, path, body, status=404, message=NOT_THERE)
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
        PEOPLE,
        {},
        details=(("The Participants field is required.", "Participants"),),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_request_is_refused_in_the_words_of_the_service(
    emulator: Emulator, client: Client, case: Case
) -> None:
    """The body, and the headers that belong to its family, are those recorded."""
    room = await client.create(participants={user(9): {}})
    path = case.path.format(room["id"])
    answer = await client.call(case.method, path, case.content())
    assert answer.status == case.status
    expected: dict[str, Any] = {"code": {400: "BadRequest", 404: "NotFound"}[case.status]}
    if case.details:
        expected |= {
            "message": MALFORMED,
            "details": [
                {"code": "BadArgument", "message": message, "target": target}
                for message, target in case.details
            ],
        }
        assert "x-ms-error-code" not in answer.headers
        assert "api-supported-versions" not in answer.headers
    else:
        expected["message"] = case.message
        assert answer.headers["x-ms-error-code"] == expected["code"]
        assert answer.headers["api-supported-versions"] == versions.SUPPORTED
    assert answer.json == {"error": expected}
    assert (len(emulator.store), emulator.store.get(room["id"]).id) == (1, room["id"])
    assert await client.roster(room["id"]) == [(user(9), "Attendee")]


async def test_the_members_of_a_detail_come_in_the_recorded_order(client: Client) -> None:
    answer = await client.call("POST", "/rooms", {"validUntil": "2022-11-23"})
    assert answer.body == (
        b'{"error":{"code":"BadRequest","message":"The request could not be understood by the '
        b'server due to malformed syntax.","details":[{"code":"BadArgument","message":"The time '
        b'range end is in the past.","target":"ValidUntil"}]}}'
    )


NOT_JSON = "The request body is not valid JSON."
OBJECT = "The JSON value could not be converted to an object."
INSTANT = "The JSON value could not be converted to a date-time."
FLAG = "The JSON value could not be converted to a boolean."


@pytest.mark.parametrize(
    ("body", "message", "target"),
    [
        (b"", "A non-empty request body is required.", ""),
        (b" ", NOT_JSON, "$"),
        (b"{", NOT_JSON, "$"),
        (b"{}{}", NOT_JSON, "$"),
        (b"\xff", NOT_JSON, "$"),
        (b"\xef\xbb\xbf{}", NOT_JSON, "$"),
        (b'{"a": NaN}', NOT_JSON, "$"),
        (b'{"a": -Infinity}', NOT_JSON, "$"),
        (b'{"a": ' + b"9" * 5000 + b"}", NOT_JSON, "$"),
        (b'{"validUntil": null, "validUntil": null}', NOT_JSON, "$"),
        (b'{"participants": {"x": {}, "x": null}}', NOT_JSON, "$"),
        (b'{"participants": {"\\ud800": {}}}', NOT_JSON, "$"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", NOT_JSON, "$"),
        (b"[" * 500_000, NOT_JSON, "$"),
        (b"[]", OBJECT, "$"),
        (b"null", OBJECT, "$"),
        (b'"{}"', OBJECT, "$"),
        (b'{"validUntil": 5}', INSTANT, "$.validUntil"),
        (b'{"validFrom": "tomorrow"}', INSTANT, "$.validFrom"),
        (b'{"validFrom": "2025-02-30"}', INSTANT, "$.validFrom"),
        (b'{"pstnDialOutEnabled": "true"}', FLAG, "$.pstnDialOutEnabled"),
        (b'{"pstnDialOutEnabled": 1}', FLAG, "$.pstnDialOutEnabled"),
        (b'{"participants": []}', OBJECT, "$.participants"),
        (b'{"participants": {"x": "Presenter"}}', OBJECT, "$.participants.x"),
        (b'{"participants": {"x": null}}', OBJECT, "$.participants.x"),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_validation_error(
    emulator: Emulator, client: Client, body: bytes, message: str, target: str
) -> None:
    """It says what is wrong and where, and never becomes an error of the web server."""
    answer = await client.call("POST", "/rooms", body)
    assert answer.status == 400
    assert answer.error == {
        "code": "BadRequest",
        "message": MALFORMED,
        "details": [{"code": "BadArgument", "message": message, "target": target}],
    }
    assert len(emulator.store) == 0


async def test_members_that_nobody_knows_are_ignored(client: Client) -> None:
    room = await client.create(roomJoinPolicy="InviteOnly", validfrom="x", colour={"a": [1]})
    assert "colour" not in room


@pytest.mark.parametrize(
    ("method", "path", "content_type"),
    [
        ("POST", "/rooms", MERGE_PATCH),
        ("POST", "/rooms", "text/plain"),
        ("POST", "/rooms", None),
        ("PATCH", "/rooms/{}", "application/json"),
        ("PATCH", "/rooms/{}/participants", "application/json"),
    ],
)
async def test_a_body_of_another_type_is_415(
    client: Client, method: str, path: str, content_type: str | None
) -> None:
    target = f"{path.format(UNKNOWN_ROOM)}?api-version=2025-03-13"
    lines = client.signer.headers(method, target, b"{}")
    if content_type is not None:
        lines["Content-Type"] = content_type
    answer = await client.send(method, target, b"{}", lines)
    assert (answer.status, answer.error["code"]) == (415, "UnsupportedMediaType")


async def test_a_charset_and_the_case_of_the_type_do_not_matter(client: Client) -> None:
    lines = {"Content-Type": "Application/JSON ; charset=utf-8"}
    assert (await client.call("POST", "/rooms", {}, headers=lines)).status == 201


@pytest.mark.parametrize("path", ["/", "/room", "/rooms/", "/Rooms", "/rooms/1/2", "/rooms//"])
async def test_an_unknown_path_is_404(client: Client, path: str) -> None:
    answer = await client.call("GET", path)
    assert answer.status == 404
    assert answer.error == {"code": "NotFound", "message": "There is no resource at this path."}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/rooms", "POST, GET"),
        ("DELETE", "/rooms", "POST, GET"),
        ("POST", f"/rooms/{UNKNOWN_ROOM}", "GET, PATCH, DELETE"),
        ("DELETE", f"/rooms/{UNKNOWN_ROOM}/participants", "GET, PATCH"),
        ("OPTIONS", "/rooms", "POST, GET"),
        ("PROPFIND", "/rooms", "POST, GET"),
    ],
)
async def test_a_wrong_method_is_405_and_names_the_right_ones(
    client: Client, method: str, path: str, allowed: str
) -> None:
    answer = await client.call(method, path)
    assert (answer.status, answer.error["code"]) == (405, "MethodNotAllowed")
    assert answer.headers["Allow"] == allowed


async def test_head_is_405_without_a_body(client: Client) -> None:
    answer = await client.call("HEAD", "/rooms")
    assert (answer.status, answer.body) == (405, b"")


@pytest.mark.parametrize("path", ["/rooms", f"/rooms/{UNKNOWN_ROOM}", "/rooms/1/participants"])
async def test_a_request_without_a_version_is_refused(client: Client, path: str) -> None:
    for target in (path, f"{path}?api-version=", f"{path}?Api-Version=2025-03-13"):
        answer = await client.call("GET", target, version=None)
        assert answer.status == 400
        assert answer.error == {
            "code": "ApiVersionUnspecified",
            "message": "An API version is required, but was not specified.",
        }


@pytest.mark.parametrize(
    "version", ["2021-04-07", "2022-02-01", "2023-03-31-preview", "2025-02-28", "x", "2025-03-14"]
)
async def test_a_version_that_is_not_supported_is_named(client: Client, version: str) -> None:
    answer = await client.call("GET", "/rooms", version=version)
    assert (answer.status, answer.headers["x-ms-error-code"]) == (400, "UnsupportedApiVersion")
    assert answer.error["message"] == (
        f"The HTTP resource that matches the request URI '{client.endpoint}/rooms' does not "
        f"support the API version '{version}'."
    )


async def test_the_version_that_the_python_client_sends_for_page_two_is_refused(
    client: Client,
) -> None:
    """A client of 1.2.0 with its default version renders an enum into the link under 3.11."""
    answer = await client.call("GET", "/rooms", version="ApiVersion.V2025_03_13")
    assert (answer.status, answer.error["code"]) == (400, "UnsupportedApiVersion")


async def test_parameters_that_nobody_knows_are_ignored(client: Client) -> None:
    assert (await client.call("GET", "/rooms?maxpagesize=1&x")).status == 200
