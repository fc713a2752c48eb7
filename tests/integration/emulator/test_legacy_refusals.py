"""The wire of api-version 2022-02-01: what is refused, and what came later."""

from __future__ import annotations

import pytest
from support.samples import user
from support.signed_requests import PREVIEW, UNTIL, Client, Preview, client_session, person

from rooms_emulator import Emulator


async def test_a_patch_has_to_be_plain_json(preview: Preview) -> None:
    room = await preview.create()
    answer = await preview.client.call("PATCH", f"/rooms/{room['id']}", {}, version=PREVIEW)
    assert answer.status == 415


@pytest.mark.parametrize(
    ("verb", "people", "message"),
    [
        ("add", [2, 1], "One or more participants are in the room already."),
        ("update", [1, 2], "One or more participants are not in the room."),
    ],
)
async def test_adding_and_changing_are_strict_and_change_nobody_when_refused(
    preview: Preview, verb: str, people: list[int], message: str
) -> None:
    room_id = (await preview.create(participants=[person(1)]))["id"]
    answer = await preview.change(verb, room_id, *(person(each, "Consumer") for each in people))
    assert (answer.status, answer.error) == (400, {"code": "InvalidInput", "message": message})
    assert await preview.roster(room_id) == [(user(1), "Attendee")]


async def test_a_malformed_identifier_is_refused_as_recorded(preview: Preview) -> None:
    room_id = (await preview.create())["id"]
    wrong = {"communicationIdentifier": {"communicationUser": {"id": "wrong_mri"}}}
    answer = await preview.change("add", room_id, wrong, person(1))
    assert (answer.status, answer.error) == (
        400,
        {"code": "InvalidInput", "message": "Identifier format is invalid."},
    )
    assert answer.headers["x-ms-error-code"] == "InvalidInput"
    assert (await preview.call("POST", "/rooms", {"participants": [wrong]})).status == 400


async def test_the_join_policy_cannot_be_changed_after_the_start(preview: Preview) -> None:
    started = await preview.create(validFrom="2029-12-01T00:00:00Z", validUntil=UNTIL)
    path = f"/rooms/{started['id']}"
    answer = await preview.call(
        "PATCH",
        path,
        {"roomJoinPolicy": "CommunicationServiceUsers", "participants": [person(1)]},
    )
    assert (answer.status, answer.error) == (
        400,
        {
            "code": "BadRequest",
            "message": "Room join policy cannot be updated after room start time has elapsed",
        },
    )
    assert "x-ms-error-code" not in answer.headers
    assert (await preview.call("GET", path)).json == started


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"roomJoinPolicy": "Everybody"}, "RoomJoinPolicy"),
        ({"participants": {}}, "$.participants"),
        ({"participants": [1]}, "$.participants[0]"),
        ({"participants": [{"role": "Attendee"}]}, "$.participants[0]"),
        ({"participants": [person(1), person(1)]}, "$.participants[1]"),
        ({"participants": [person(1, "Collaborator")]}, "$.participants[0].role"),
        ({"validUntil": "2020-01-01T00:00:00Z"}, "ValidUntil"),
    ],
)
async def test_a_malformed_body_is_refused_with_its_place(
    preview: Preview, body: object, target: str
) -> None:
    answer = await preview.call("POST", "/rooms", body)
    assert (answer.status, answer.error["code"]) == (400, "BadRequest")
    assert [detail["target"] for detail in answer.error["details"]] == [target]


async def test_people_to_change_have_to_be_given(preview: Preview) -> None:
    room_id = (await preview.create())["id"]
    answer = await preview.call("POST", f"/rooms/{room_id}/participants:add", {})
    assert (answer.status, answer.error["details"][0]["target"]) == (400, "Participants")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/rooms", 405), ("PATCH", "/rooms/99425796013118603/participants", 405)],
)
async def test_what_came_later_is_not_there(
    preview: Preview, method: str, path: str, status: int
) -> None:
    assert (await preview.call(method, path, {} if method == "PATCH" else None)).status == status


async def test_the_preview_is_never_listed_as_supported(preview: Preview) -> None:
    for version in (PREVIEW, "2025-03-13"):
        answer = await preview.client.call("POST", "/rooms", {}, version=version)
        assert PREVIEW not in answer.headers["api-supported-versions"]


async def test_an_emulator_that_is_not_told_to_does_not_speak_the_preview() -> None:
    async with Emulator() as emulator, client_session() as session:
        answer = await Preview(Client(session, emulator.endpoint)).call("POST", "/rooms", {})
        assert (answer.status, answer.error["code"]) == (400, "UnsupportedApiVersion")
