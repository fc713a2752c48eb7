"""Api-version 2022-02-01: errors, and operations of later versions."""

from __future__ import annotations

import pytest
from support.samples import user
from support.signed_requests import PREVIEW, UNTIL, Client, Preview, client_session, sent

from rooms_emulator import Emulator


async def test_merge_patch_is_415(preview: Preview) -> None:
    room = await preview.create()
    response = await preview.client.call("PATCH", f"/rooms/{room['id']}", {}, version=PREVIEW)
    assert response.status == 415


@pytest.mark.parametrize(
    ("verb", "numbers", "message"),
    [
        ("add", [2, 1], "One or more participants are in the room already."),
        ("update", [1, 2], "One or more participants are not in the room."),
    ],
)
async def test_add_and_update_are_strict_and_atomic(
    preview: Preview, verb: str, numbers: list[int], message: str
) -> None:
    room_id = (await preview.create(participants=[sent(1)]))["id"]
    response = await preview.change(verb, room_id, *(sent(each, "Consumer") for each in numbers))
    assert (response.status, response.error) == (400, {"code": "InvalidInput", "message": message})
    assert await preview.roster(room_id) == [(user(1), "Attendee")]


async def test_malformed_identifier(preview: Preview) -> None:
    room_id = (await preview.create())["id"]
    wrong = {"communicationIdentifier": {"communicationUser": {"id": "wrong_mri"}}}
    response = await preview.change("add", room_id, wrong, sent(1))
    assert (response.status, response.error) == (
        400,
        {"code": "InvalidInput", "message": "Identifier format is invalid."},
    )
    assert response.headers["x-ms-error-code"] == "InvalidInput"
    assert (await preview.call("POST", "/rooms", {"participants": [wrong]})).status == 400


async def test_join_policy_is_fixed_after_the_start(preview: Preview) -> None:
    started = await preview.create(validFrom="2029-12-01T00:00:00Z", validUntil=UNTIL)
    path = f"/rooms/{started['id']}"
    response = await preview.call(
        "PATCH",
        path,
        {"roomJoinPolicy": "CommunicationServiceUsers", "participants": [sent(1)]},
    )
    assert (response.status, response.error) == (
        400,
        {
            "code": "BadRequest",
            "message": "Room join policy cannot be updated after room start time has elapsed",
        },
    )
    assert "x-ms-error-code" not in response.headers
    assert (await preview.call("GET", path)).json == started


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"roomJoinPolicy": "Unknown"}, "RoomJoinPolicy"),
        ({"participants": {}}, "$.participants"),
        ({"participants": [1]}, "$.participants[0]"),
        ({"participants": [{"role": "Attendee"}]}, "$.participants[0]"),
        ({"participants": [sent(1), sent(1)]}, "$.participants[1]"),
        ({"participants": [sent(1, "Collaborator")]}, "$.participants[0].role"),
        ({"validUntil": "2020-01-01T00:00:00Z"}, "ValidUntil"),
    ],
)
async def test_a_malformed_body_has_a_target(preview: Preview, body: object, target: str) -> None:
    response = await preview.call("POST", "/rooms", body)
    assert (response.status, response.error["code"]) == (400, "BadRequest")
    assert [detail["target"] for detail in response.error["details"]] == [target]


async def test_participants_are_required(preview: Preview) -> None:
    room_id = (await preview.create())["id"]
    response = await preview.call("POST", f"/rooms/{room_id}/participants:add", {})
    assert (response.status, response.error["details"][0]["target"]) == (400, "Participants")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/rooms", 405), ("PATCH", "/rooms/99425796013118603/participants", 405)],
)
async def test_later_operations_are_405(
    preview: Preview, method: str, path: str, status: int
) -> None:
    assert (await preview.call(method, path, {} if method == "PATCH" else None)).status == status


async def test_the_preview_is_not_in_supported_versions(preview: Preview) -> None:
    for version in (PREVIEW, "2025-03-13"):
        response = await preview.client.call("POST", "/rooms", {}, version=version)
        assert PREVIEW not in response.headers["api-supported-versions"]


async def test_the_preview_is_off_by_default() -> None:
    async with Emulator() as emulator, client_session() as session:
        response = await Preview(Client(session, emulator.endpoint)).call("POST", "/rooms", {})
        assert (response.status, response.error["code"]) == (400, "UnsupportedApiVersion")
