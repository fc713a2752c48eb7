"""Participants: merge-patch semantics, order, roles and the limit."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.samples import user
from support.signed_requests import Client

from rooms_emulator import Emulator
from rooms_emulator.rooms.records import Roster


async def test_order_of_the_recorded_roster(client: Client) -> None:
    """An updated participant keeps the position, a new one comes last."""
    room = await client.create(
        participants={
            user(1): {"role": "Presenter"},
            user(3): {"role": "Attendee"},
            user(4): {"role": "Collaborator"},
        }
    )
    consumer = {"role": "Consumer"}
    response = await client.patch_roster(room["id"], {user(1): consumer, user(2): consumer})
    assert (response.status, response.body) == (200, b"{}")
    assert await client.roster(room["id"]) == [
        (user(1), "Consumer"),
        (user(3), "Attendee"),
        (user(4), "Collaborator"),
        (user(2), "Consumer"),
    ]


async def test_one_patch_adds_updates_and_removes(client: Client) -> None:
    room = await client.create(participants={user(1): {"role": "Presenter"}, user(2): {}})
    await client.patch_roster(
        room["id"], {user(2): None, user(1): {}, user(3): {"role": "Consumer"}}
    )
    assert await client.roster(room["id"]) == [(user(1), "Attendee"), (user(3), "Consumer")]


@pytest.mark.parametrize("properties", [{}, {"role": None}, {"role": "Attendee", "name": "x"}])
async def test_the_default_role_is_attendee(client: Client, properties: object) -> None:
    room = await client.create(participants={user(1): properties})
    await client.patch_roster(room["id"], {user(2): properties})
    assert await client.roster(room["id"]) == [(user(1), "Attendee"), (user(2), "Attendee")]


ATTENDEE = {"role": "Attendee"}


async def test_create_ignores_null_participants(client: Client) -> None:
    """As in the example of the specification: there is nothing to remove."""
    present = [user(number) for number in range(350)]
    absent = dict.fromkeys([user(350), user(351)])
    room = await client.create(participants={**dict.fromkeys(present, ATTENDEE), **absent})
    assert [raw_id for raw_id, _ in await client.roster(room["id"])] == present
    room = await client.create(participants={user(1): None})
    assert await client.roster(room["id"]) == []


async def test_removing_an_absent_participant(client: Client) -> None:
    room = await client.create()
    response = await client.patch_roster(room["id"], {user(1): None})
    assert (response.status, response.json) == (200, {})


async def test_an_empty_change(client: Client) -> None:
    room = await client.create(participants={user(1): {}})
    assert (await client.patch_roster(room["id"], {})).json == {}
    assert await client.roster(room["id"]) == [(user(1), "Attendee")]


@pytest.mark.parametrize("participants", [None, {}])
async def test_an_empty_roster_is_an_empty_list(client: Client, participants: object) -> None:
    room = await client.create(participants=participants)
    response = await client.call("GET", f"/rooms/{room['id']}/participants")
    assert response.body == b'{"value":[]}'


@pytest.mark.parametrize(
    "raw_id",
    [
        user(1),
        user(1).upper().replace("8:ACS", "8:acs"),
        user(1).replace("acs", "dod-acs"),
        user(1).replace("acs", "gcch-acs"),
        user(1).replace("acs", "spool"),
    ],
)
async def test_communication_users_of_every_cloud(client: Client, raw_id: str) -> None:
    room = await client.create(participants={raw_id: {}})
    assert await client.roster(room["id"]) == [(raw_id, "Attendee")]


async def test_changes_are_atomic(client: Client) -> None:
    room = await client.create(participants={user(1): {}})
    for wrong, properties in [("wrong_mri", {}), (user(4), {"role": "Kafka"})]:
        change: dict[str, object] = {user(1): None, user(2): {}, wrong: properties}
        assert (await client.patch_roster(room["id"], change)).status == 400
    assert await client.roster(room["id"]) == [(user(1), "Attendee")]


async def test_a_room_holds_350_participants(client: Client) -> None:
    roster: dict[str, object] = {user(number): {} for number in range(350)}
    room = await client.create(participants=roster)
    rejected = await client.patch_roster(room["id"], {user(350): {}})
    assert (rejected.status, rejected.error["code"]) == (400, "BadRequest")
    assert "details" not in rejected.error
    assert len(await client.roster(room["id"])) == 350
    swapped = await client.patch_roster(room["id"], {user(350): {}, user(0): None})
    assert swapped.status == 200
    over = await client.call("POST", "/rooms", {"participants": roster | {user(350): {}}})
    assert over.status == 400


async def test_one_page_of_participants_by_default() -> None:
    async with Emulator() as emulator:
        (room_id,) = emulator.store.seed(1, participants=350)
        page = emulator.store.participants_page(room_id)
        assert (len(page.items), page.next) == (350, None)


changes = st.dictionaries(
    st.sampled_from("abcdefgh"), st.sampled_from([None, "Presenter", "Attendee", "Consumer"])
)


@given(st.lists(changes))
def test_a_roster_behaves_like_a_dict(patches: list[Mapping[str, str | None]]) -> None:
    roster, model = Roster(), dict[str, str]()
    for patch in patches:
        roster = roster.changed(patch)
        for raw_id, role in patch.items():
            if role is None:
                model.pop(raw_id, None)
            else:
                model[raw_id] = role
        assert [(each.raw_id, each.role) for each in roster.participants.values()] == list(
            model.items()
        )


@given(st.lists(changes), st.lists(changes, min_size=1), st.integers(1, 5))
def test_changes_between_pages(
    before: list[Mapping[str, str | None]], between: list[Mapping[str, str | None]], size: int
) -> None:
    """Participants that stay are listed once."""
    roster = Roster()
    for patch in before:
        roster = roster.changed(patch)
    stayed = set(roster.participants)
    seen: list[str] = []
    start: int | None = 0
    patches = iter(between)
    while start is not None:
        participants, start = roster.page(start, size)
        seen += [each.raw_id for each in participants]
        patch = next(patches, {})
        # A participant that is removed and added again counts as new.
        stayed -= {raw_id for raw_id, role in patch.items() if role is None}
        roster = roster.changed(patch)
    assert [raw_id for raw_id in seen if raw_id in stayed] == [
        raw_id for raw_id in roster.participants if raw_id in stayed
    ]
