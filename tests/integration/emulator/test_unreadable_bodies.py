"""Malformed request bodies and other media types."""

from __future__ import annotations

import pytest
from support.signed_requests import MALFORMED, MERGE_PATCH, UNKNOWN_ROOM, Client

from rooms_emulator import Emulator

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
    ],
)
async def test_a_malformed_body_is_a_validation_error(
    emulator: Emulator, client: Client, body: bytes, message: str, target: str
) -> None:
    """The error names the location of the defect, and is not one of the web server."""
    response = await client.call("POST", "/rooms", body)
    assert response.status == 400
    assert response.error == {
        "code": "BadRequest",
        "message": MALFORMED,
        "details": [{"code": "BadArgument", "message": message, "target": target}],
    }
    assert len(emulator.store) == 0


async def test_unknown_members_are_ignored(client: Client) -> None:
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
async def test_another_media_type_is_415(
    client: Client, method: str, path: str, content_type: str | None
) -> None:
    target = f"{path.format(UNKNOWN_ROOM)}?api-version=2025-03-13"
    lines = client.signer.headers(method, target, b"{}")
    if content_type is not None:
        lines["Content-Type"] = content_type
    response = await client.send(method, target, b"{}", lines)
    assert (response.status, response.error["code"]) == (415, "UnsupportedMediaType")


async def test_media_types_ignore_case_and_charset(client: Client) -> None:
    lines = {"Content-Type": "Application/JSON ; charset=utf-8"}
    assert (await client.call("POST", "/rooms", {}, headers=lines)).status == 201
