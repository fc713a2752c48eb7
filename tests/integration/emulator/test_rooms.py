"""The operations on rooms, over HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from support.samples import user
from support.signed_requests import VERSION, Client, from_now

from rooms_emulator import Emulator, timestamps
from rooms_emulator.rooms import versions
from rooms_emulator.timestamps import TICKS_PER_DAY

HALF_YEAR = 180 * TICKS_PER_DAY


def times(room: Mapping[str, str]) -> list[int]:
    return [timestamps.parse(room[name]) for name in ("createdAt", "validFrom", "validUntil")]


async def test_members_of_a_room(client: Client) -> None:
    response = await client.call("POST", "/rooms", {})
    assert response.status == 201
    assert list(response.json) == [
        "id",
        "createdAt",
        "validFrom",
        "validUntil",
        "pstnDialOutEnabled",
    ]
    assert response.json["pstnDialOutEnabled"] is False


async def test_location_is_the_room_id(client: Client) -> None:
    response = await client.call("POST", "/rooms", {})
    assert response.headers["Location"] == response.json["id"]
    assert response.headers["Repeatability-Result"] == "accepted"


async def test_form_of_room_ids(client: Client) -> None:
    for _ in range(50):
        assert re.fullmatch(r"994[1-9]\d{11,13}", (await client.create())["id"])


@pytest.mark.parametrize("body", [{}, {"validFrom": None, "validUntil": None}])
async def test_the_default_window_is_180_days(client: Client, body: object) -> None:
    room = (await client.call("POST", "/rooms", body)).json
    assert timestamps.parse(room["validUntil"]) - timestamps.parse(room["validFrom"]) == HALF_YEAR


@pytest.mark.parametrize("move", [None, 0.0, -3600.0])
async def test_created_at_is_not_after_its_response(
    emulator: Emulator, client: Client, move: float | None
) -> None:
    """Nor before the default start of the window, with the clock running, frozen or set back."""
    await client.create()
    if move is not None:
        emulator.clock.freeze()
        emulator.clock.advance(move)
        client.signer.date = timestamps.render_http_date(emulator.clock.now())
    for _ in range(3):
        created, start, _ = times(await client.create())
        assert start <= created <= emulator.clock.now()


async def test_the_default_end_counts_from_now(emulator: Emulator, client: Client) -> None:
    """A given start does not change the default end."""
    emulator.clock.freeze()
    room = await client.create(validFrom=from_now(days=3))
    assert timestamps.parse(room["validUntil"]) == emulator.clock.now() + HALF_YEAR


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("T10:20:30Z", "T10:20:30+00:00"),
        ("T10:20:30.000Z", "T10:20:30+00:00"),
        ("T10:20:30.1200000Z", "T10:20:30.12+00:00"),
        ("T10:20:30.123456789Z", "T10:20:30.1234567+00:00"),
        ("T10:20:30.1234567+02:30", "T07:50:30.1234567+00:00"),
        ("", "T00:00:00+00:00"),
    ],
)
async def test_timestamps_have_7_digits_and_utc(client: Client, sent: str, shown: str) -> None:
    day = from_now(days=30)[:10]
    room = await client.create(validUntil=day + sent)
    assert room["validUntil"] == day + shown


async def test_get_returns_the_created_room(client: Client) -> None:
    room = await client.create(pstnDialOutEnabled=True, validUntil=from_now(days=1))
    response = await client.call("GET", f"/rooms/{room['id']}")
    assert (response.status, response.json) == (200, room)
    assert response.json["pstnDialOutEnabled"] is True


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"validFrom": None, "validUntil": None, "pstnDialOutEnabled": None},
        {"participants": {user(1): None}},
    ],
)
async def test_an_empty_update_changes_nothing(client: Client, body: object) -> None:
    room = await client.create(pstnDialOutEnabled=True, participants={user(1): {}})
    response = await client.call("PATCH", f"/rooms/{room['id']}", body)
    assert (response.status, response.json) == (200, room)
    assert await client.roster(room["id"]) == [(user(1), "Attendee")]


async def test_an_update_changes_only_given_members(client: Client) -> None:
    room = await client.create()
    flag = await client.call("PATCH", f"/rooms/{room['id']}", {"pstnDialOutEnabled": True})
    assert flag.json == room | {"pstnDialOutEnabled": True}
    window = {"validFrom": from_now(days=-1), "validUntil": from_now(days=5)}
    moved = await client.call("PATCH", f"/rooms/{room['id']}", window)
    assert times(moved.json) == times(flag.json | window)
    assert moved.json["pstnDialOutEnabled"] is True


async def test_an_expired_room_can_be_extended(emulator: Emulator, client: Client) -> None:
    room = await client.create(validUntil=from_now(seconds=60))
    emulator.clock.advance(3600)
    client.signer.date = timestamps.render_http_date(emulator.clock.now())
    path = f"/rooms/{room['id']}"
    assert (await client.call("GET", path)).json == room
    window = {"validFrom": from_now(), "validUntil": from_now(hours=2)}
    revived = await client.call("PATCH", path, window)
    assert times(revived.json) == times(room | window)


async def test_a_deleted_room_is_404(client: Client) -> None:
    room = await client.create()
    path = f"/rooms/{room['id']}"
    response = await client.call("DELETE", path)
    assert (response.status, response.body) == (204, b"")
    assert "Content-Type" not in response.headers
    calls: list[tuple[str, str, object]] = [
        ("GET", path, None),
        ("PATCH", path, {}),
        ("DELETE", path, None),
        ("GET", f"{path}/participants", None),
        ("PATCH", f"{path}/participants", {"participants": {}}),
    ]
    for method, where, body in calls:
        assert (await client.call(method, where, body)).status == 404
    assert (await client.call("GET", "/rooms")).json == {"value": []}


@pytest.mark.parametrize("version", versions.VERSIONS)
async def test_dial_out_depends_on_the_version(client: Client, version: str) -> None:
    members = {"pstnDialOutEnabled": True, "participants": {user(1): {"role": "Collaborator"}}}
    created = await client.call("POST", "/rooms", members, version=version)
    path = f"/rooms/{created.json['id']}"
    got = await client.call("GET", path, version=version)
    patched = await client.call("PATCH", path, {}, version=version)
    listed = await client.call("GET", "/rooms", version=version)
    rooms = [created.json, got.json, patched.json, *listed.json["value"]]
    shown = ["pstnDialOutEnabled" in room for room in rooms]
    assert shown == [version != "2023-06-14"] * 4
    full = await client.call("GET", path, version=VERSION)
    assert full.json["pstnDialOutEnabled"] is True
