"""The wire of api-version 2022-02-01, and Microsoft's client of that time on it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from emulator.signing_client import Client, Response, client_session, user

from gateway.emulator import DEVELOPMENT_KEY, Emulator

ROOT = Path(__file__).parents[2]
WALK = ROOT / "tests" / "clients" / "python-legacy" / "walk.py"
SDK_PYTHON = ROOT / ".tools" / "legacy-sdk" / "bin" / "python"

PREVIEW = "2022-02-01"
FROM, UNTIL = "2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z"
SHOWN_FROM, SHOWN_UNTIL = "2030-01-01T00:00:00+00:00", "2030-01-02T00:00:00+00:00"
NOW = 1_893_400_000 * 10**9
"""In December 2029."""


class Preview:
    """A client of the preview."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, method: str, path: str, content: object = None) -> Response:
        lines = {"Content-Type": "application/json"} if content is not None else {}
        return await self.client.call(method, path, content, version=PREVIEW, headers=lines)

    async def create(self, **members: object) -> Any:
        answer = await self.call("POST", "/rooms", members)
        assert answer.status == 201, answer
        return answer.json

    async def change(self, verb: str, room_id: str, *people: object) -> Response:
        path = f"/rooms/{room_id}/participants:{verb}"
        return await self.call("POST", path, {"participants": list(people)})

    async def roster(self, room_id: str) -> list[tuple[str, str]]:
        answer = await self.call("GET", f"/rooms/{room_id}/participants")
        assert answer.json.keys() == {"participants"}
        return [
            (each["communicationIdentifier"]["rawId"], each["role"])
            for each in answer.json["participants"]
        ]


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(legacy=True, clock=lambda: NOW, date_margin=10**10) as running:
        yield running


@pytest.fixture
async def preview(emulator: Emulator) -> AsyncIterator[Preview]:
    async with client_session() as session:
        yield Preview(Client(session, emulator.endpoint))


def person(number: int, role: str | None = None) -> dict[str, object]:
    """Make a participant as the preview's clients send one."""
    sent: dict[str, object] = {
        "communicationIdentifier": {"communicationUser": {"id": user(number)}}
    }
    return sent if role is None else sent | {"role": role}


def shown(number: int, role: str) -> dict[str, object]:
    """Make a participant as the preview answers with one."""
    identifier = {"rawId": user(number), "communicationUser": {"id": user(number)}}
    return {"communicationIdentifier": identifier, "role": role}


async def test_a_room_has_the_members_of_the_preview_in_their_order(preview: Preview) -> None:
    answer = await preview.call(
        "POST",
        "/rooms",
        {
            "validFrom": FROM,
            "validUntil": UNTIL,
            "roomJoinPolicy": "CommunicationServiceUsers",
            "participants": [person(1, "Presenter"), person(2)],
        },
    )
    room = answer.json
    assert (answer.status, answer.headers["Repeatability-Result"]) == (201, "accepted")
    assert answer.headers["Location"] == room["id"]
    assert list(room.items())[2:] == [
        ("validFrom", SHOWN_FROM),
        ("validUntil", SHOWN_UNTIL),
        ("roomJoinPolicy", "CommunicationServiceUsers"),
        ("participants", [shown(1, "Presenter"), shown(2, "Attendee")]),
    ]
    assert list(room)[:2] == ["id", "createdDateTime"]
    assert (await preview.call("GET", f"/rooms/{room['id']}")).json == room


async def test_the_defaults_are_those_of_today_and_invitation(preview: Preview) -> None:
    room = await preview.create(validFrom=None, roomJoinPolicy=None, participants=None)
    assert (room["roomJoinPolicy"], room["participants"]) == ("InviteOnly", [])
    assert room["validFrom"].startswith("2029-12-31T08:26:40")


async def test_both_kinds_of_clients_see_the_same_rooms(preview: Preview) -> None:
    room = await preview.create(participants=[person(1, "Consumer")])
    today = await preview.client.call("GET", f"/rooms/{room['id']}")
    assert today.json.keys() == {
        "id",
        "createdAt",
        "validFrom",
        "validUntil",
        "pstnDialOutEnabled",
    }
    assert await preview.client.roster(room["id"]) == [(user(1), "Consumer")]


async def test_an_update_changes_what_is_given_and_replaces_the_roster(preview: Preview) -> None:
    created = await preview.create(
        validFrom=FROM, validUntil=UNTIL, participants=[person(1), person(2), person(3)]
    )
    path = f"/rooms/{created['id']}"
    assert (await preview.call("PATCH", path, {})).json == created
    changed = await preview.call(
        "PATCH", path, {"participants": [person(4), person(3, "Presenter"), person(1)]}
    )
    assert (changed.status, changed.json) == (
        200,
        created
        | {"participants": [shown(1, "Attendee"), shown(3, "Presenter"), shown(4, "Attendee")]},
    )
    emptied = await preview.call("PATCH", path, {"participants": [], "validFrom": None})
    assert emptied.json == created | {"participants": []}


async def test_a_patch_has_to_be_plain_json(preview: Preview) -> None:
    room = await preview.create()
    answer = await preview.client.call("PATCH", f"/rooms/{room['id']}", {}, version=PREVIEW)
    assert answer.status == 415


async def test_every_change_of_participants_answers_with_the_roster(preview: Preview) -> None:
    room_id = (await preview.create(participants=[person(1)]))["id"]
    added = await preview.change("add", room_id, person(2, "Presenter"))
    assert (added.status, added.json) == (
        200,
        {"participants": [shown(1, "Attendee"), shown(2, "Presenter")]},
    )
    changed = await preview.change("update", room_id, person(1, "Consumer"))
    assert (changed.status, changed.json["participants"][0]) == (200, shown(1, "Consumer"))
    removed = await preview.change("remove", room_id, person(1), person(3))
    assert (removed.status, removed.json) == (200, {"participants": [shown(2, "Presenter")]})
    assert await preview.roster(room_id) == [(user(2), "Presenter")]


async def test_a_raw_id_alone_names_somebody(preview: Preview) -> None:
    room = await preview.create(participants=[{"communicationIdentifier": {"rawId": user(1)}}])
    assert room["participants"] == [shown(1, "Attendee")]


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


async def test_the_join_policy_can_be_changed_before_the_start(preview: Preview) -> None:
    room = await preview.create(validFrom=FROM, validUntil=UNTIL)
    body = {"roomJoinPolicy": "CommunicationServiceUsers"}
    changed = await preview.call("PATCH", f"/rooms/{room['id']}", body)
    assert changed.json == room | body


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


async def test_a_room_that_is_deleted_is_gone(preview: Preview) -> None:
    path = f"/rooms/{(await preview.create())['id']}"
    assert (await preview.call("DELETE", path)).status == 204
    gone = await preview.call("GET", path)
    assert (gone.status, gone.error["code"]) == (404, "NotFound")
    assert (await preview.change("add", path[7:], person(1))).status == 404


async def test_a_repeated_create_makes_one_room_and_outlives_its_delete(preview: Preview) -> None:
    headers = {"Repeatability-Request-ID": "c3741f1f-1752-11ed-89f7-a864f132484d"}
    body = {"participants": [person(1)]}
    rooms = []
    for _ in range(2):
        answer = await preview.client.call("POST", "/rooms", body, version=PREVIEW, headers=headers)
        rooms.append(answer.json)
    assert rooms[0] == rooms[1]
    await preview.call("DELETE", f"/rooms/{rooms[0]['id']}")
    again = await preview.client.call("POST", "/rooms", body, version=PREVIEW, headers=headers)
    assert (again.json["id"], again.json["participants"]) == (rooms[0]["id"], [])


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


@pytest.mark.parametrize(("legacy", "status"), [(True, 201), (False, 401)])
async def test_a_signature_without_the_first_slash_is_taken_from_the_preview_s_clients_only(
    legacy: bool,  # noqa: FBT001 - a parameter of the test
    status: int,
) -> None:
    async with Emulator(legacy=legacy) as emulator, client_session() as session:
        client = Client(session, emulator.endpoint)
        target = "/rooms?api-version=2025-03-13"
        headers = client.signer.headers("POST", target.removeprefix("/"), b"{}")
        headers["Content-Type"] = "application/json"
        assert (await client.send("POST", target, b"{}", headers)).status == status


async def walk(emulator: Emulator) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        SDK_PYTHON,
        WALK,
        emulator.endpoint,
        DEVELOPMENT_KEY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    steps = map(json.loads, out.decode().splitlines())
    return {step["step"]: step["result"] for step in steps}


@pytest.mark.skipif(not SDK_PYTHON.exists(), reason="no .tools/legacy-sdk here: run make test")
@pytest.mark.skipif(
    sys.version_info >= (3, 13),
    reason="azure-communication-rooms 1.0.0b2 cannot be imported by Python 3.13",
)
async def test_microsoft_s_client_of_the_preview_works_unmodified() -> None:
    async with Emulator(legacy=True) as emulator:
        seen = await walk(emulator)
    ada, bob = (user_id for user_id, _ in seen["created"]["roster"])
    assert seen["created"]["roster"] == [[ada, "Presenter"], [bob, "Attendee"]]
    assert seen["created"]["policy"] == "CommunicationServiceUsers"
    assert seen["read"] == seen["created"]
    assert seen["updated"]["roster"] == [[bob, "Consumer"]]
    assert (seen["updated"]["policy"], seen["updated"]["created"]) == (
        "InviteOnly",
        seen["created"]["created"],
    )
    assert seen["updated"]["from"] > seen["created"]["from"]
    assert seen["added"] == [[bob, "Consumer"], [ada, "Presenter"]]
    assert seen["changed"] == [[bob, "Consumer"], [ada, "Attendee"]]
    assert seen["removed"] == [[ada, "Attendee"]]
    refused = {"status": 400, "kind": "HttpResponseError"}
    assert seen["added again"] == seen["changed a stranger"] == refused
    assert seen["policy after the start"] == refused
    assert seen["read after delete"] == {"status": 404, "kind": "ResourceNotFoundError"}
