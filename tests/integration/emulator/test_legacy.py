"""Api-version 2022-02-01: rooms and participants."""

from __future__ import annotations

from support.samples import user
from support.signed_requests import FROM, PREVIEW, UNTIL, Preview, sent, shown

SHOWN_FROM, SHOWN_UNTIL = "2030-01-01T00:00:00+00:00", "2030-01-02T00:00:00+00:00"


async def test_members_of_a_room(preview: Preview) -> None:
    response = await preview.call(
        "POST",
        "/rooms",
        {
            "validFrom": FROM,
            "validUntil": UNTIL,
            "roomJoinPolicy": "CommunicationServiceUsers",
            "participants": [sent(1, "Presenter"), sent(2)],
        },
    )
    room = response.json
    assert (response.status, response.headers["Repeatability-Result"]) == (201, "accepted")
    assert response.headers["Location"] == room["id"]
    assert list(room.items())[2:] == [
        ("validFrom", SHOWN_FROM),
        ("validUntil", SHOWN_UNTIL),
        ("roomJoinPolicy", "CommunicationServiceUsers"),
        ("participants", [shown(1, "Presenter"), shown(2, "Attendee")]),
    ]
    assert list(room)[:2] == ["id", "createdDateTime"]
    assert (await preview.call("GET", f"/rooms/{room['id']}")).json == room


async def test_defaults(preview: Preview) -> None:
    room = await preview.create(validFrom=None, roomJoinPolicy=None, participants=None)
    assert (room["roomJoinPolicy"], room["participants"]) == ("InviteOnly", [])
    assert room["validFrom"].startswith("2029-12-31T08:26:40")


async def test_current_versions_see_the_same_rooms(preview: Preview) -> None:
    room = await preview.create(participants=[sent(1, "Consumer")])
    today = await preview.client.call("GET", f"/rooms/{room['id']}")
    assert today.json.keys() == {
        "id",
        "createdAt",
        "validFrom",
        "validUntil",
        "pstnDialOutEnabled",
    }
    assert await preview.client.roster(room["id"]) == [(user(1), "Consumer")]


async def test_update_replaces_the_roster(preview: Preview) -> None:
    """Members that are absent or null stay as they are."""
    created = await preview.create(
        validFrom=FROM, validUntil=UNTIL, participants=[sent(1), sent(2), sent(3)]
    )
    path = f"/rooms/{created['id']}"
    assert (await preview.call("PATCH", path, {})).json == created
    changed = await preview.call(
        "PATCH", path, {"participants": [sent(4), sent(3, "Presenter"), sent(1)]}
    )
    assert (changed.status, changed.json) == (
        200,
        created
        | {"participants": [shown(1, "Attendee"), shown(3, "Presenter"), shown(4, "Attendee")]},
    )
    emptied = await preview.call("PATCH", path, {"participants": [], "validFrom": None})
    assert emptied.json == created | {"participants": []}


async def test_changes_return_the_roster(preview: Preview) -> None:
    room_id = (await preview.create(participants=[sent(1)]))["id"]
    added = await preview.change("add", room_id, sent(2, "Presenter"))
    assert (added.status, added.json) == (
        200,
        {"participants": [shown(1, "Attendee"), shown(2, "Presenter")]},
    )
    changed = await preview.change("update", room_id, sent(1, "Consumer"))
    assert (changed.status, changed.json["participants"][0]) == (200, shown(1, "Consumer"))
    removed = await preview.change("remove", room_id, sent(1), sent(3))
    assert (removed.status, removed.json) == (200, {"participants": [shown(2, "Presenter")]})
    assert await preview.roster(room_id) == [(user(2), "Presenter")]


async def test_a_raw_id_is_a_sufficient_identifier(preview: Preview) -> None:
    room = await preview.create(participants=[{"communicationIdentifier": {"rawId": user(1)}}])
    assert room["participants"] == [shown(1, "Attendee")]


async def test_join_policy_can_change_before_the_start(preview: Preview) -> None:
    room = await preview.create(validFrom=FROM, validUntil=UNTIL)
    body = {"roomJoinPolicy": "CommunicationServiceUsers"}
    changed = await preview.call("PATCH", f"/rooms/{room['id']}", body)
    assert changed.json == room | body


async def test_a_deleted_room_is_404(preview: Preview) -> None:
    path = f"/rooms/{(await preview.create())['id']}"
    assert (await preview.call("DELETE", path)).status == 204
    gone = await preview.call("GET", path)
    assert (gone.status, gone.error["code"]) == (404, "NotFound")
    assert (await preview.change("add", path[7:], sent(1))).status == 404


async def test_repeated_create(preview: Preview) -> None:
    """A repeated create returns the first room, without participants once that is deleted."""
    headers = {"Repeatability-Request-ID": "c3741f1f-1752-11ed-89f7-a864f132484d"}
    body = {"participants": [sent(1)]}
    rooms = []
    for _ in range(2):
        response = await preview.client.call(
            "POST", "/rooms", body, version=PREVIEW, headers=headers
        )
        rooms.append(response.json)
    assert rooms[0] == rooms[1]
    await preview.call("DELETE", f"/rooms/{rooms[0]['id']}")
    again = await preview.client.call("POST", "/rooms", body, version=PREVIEW, headers=headers)
    assert (again.json["id"], again.json["participants"]) == (rooms[0]["id"], [])
