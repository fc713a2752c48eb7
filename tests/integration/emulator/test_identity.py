"""The Identity API: users and their access tokens."""

from __future__ import annotations

import asyncio
import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.signed_requests import LATEST, Client, ask, new_user, parts

from rooms_emulator import Emulator, Fault
from rooms_emulator.identity.raw_ids import is_communication_user
from rooms_emulator.identity.routes import OPERATIONS
from rooms_emulator.identity.store import Identities, NoSuchIdentityError, User

CHAT = {"scopes": ["chat"]}
GUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
GONE = {"code": "IdentityNotFound", "message": "Provided identity doesn't exist."}


async def test_create_without_a_body(client: Client) -> None:
    response = await ask(client)
    assert response.status == 201
    assert re.fullmatch(f'{{"identity":{{"id":"8:acs:{GUID}_{GUID}"}}}}', response.body.decode())


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"createTokenWithScopes": None, "expiresInMinutes": None},
        {"createTokenWithScopes": []},
        {"expiresInMinutes": 60},
    ],
)
async def test_create_without_scopes_issues_no_token(client: Client, body: object) -> None:
    response = await ask(client, content=body)
    assert (response.status, list(response.json)) == (201, ["identity"])


async def test_create_with_a_token(client: Client) -> None:
    response = await ask(client, content={"createTokenWithScopes": ["chat", "voip"]})
    assert response.status == 201
    assert [list(response.json), list(response.json["accessToken"])] == [
        ["identity", "accessToken"],
        ["token", "expiresOn"],
    ]
    claims = parts(response.json["accessToken"]["token"])[1]
    assert f"8:{claims['skypeid']}" == response.json["identity"]["id"]


async def test_users_belong_to_one_resource(
    client: Client,
) -> None:
    """Another emulator has another resource."""
    resources = {(await new_user(client)).partition("_")[0] for _ in range(5)}
    async with Emulator() as other:
        assert len(resources) == 1
        assert f"8:acs:{other.identities.resource}" not in resources


async def test_repeated_scopes_are_granted_once(client: Client) -> None:
    body = {"createTokenWithScopes": ["chat", "voip", "chat"]}
    response = await ask(client, content=body)
    assert parts(response.json["accessToken"]["token"])[1]["acsScope"] == "chat,voip"


async def test_issue_after_revoke(client: Client) -> None:
    raw_id = await new_user(client)
    statuses = [
        (await ask(client, f"/{raw_id}/:issueAccessToken", {"scopes": ["chat"]})).status,
        (await ask(client, f"/{raw_id}/:revokeAccessTokens")).status,
        (await ask(client, f"/{raw_id}/:revokeAccessTokens")).status,
        (await ask(client, f"/{raw_id}/:issueAccessToken", {"scopes": ["chat"]})).status,
    ]
    assert statuses == [200, 204, 204, 200]


async def test_a_deleted_user_is_404(emulator: Emulator, client: Client) -> None:
    raw_id, other = await new_user(client), await new_user(client)
    assert (await ask(client, f"/{raw_id}", method="DELETE")).status == 204
    for response in (
        await ask(client, f"/{raw_id}", method="DELETE"),
        await ask(client, f"/{raw_id}/:revokeAccessTokens"),
        await ask(client, f"/{raw_id}/:issueAccessToken", {"scopes": ["chat"]}),
    ):
        assert (response.status, response.error) == (404, GONE)
    assert emulator.identities.get(other).id == other


async def test_percent_encoded_ids(client: Client) -> None:
    """The Python client encodes the colons, its asynchronous version does not."""
    raw_id = await new_user(client)
    for form in (raw_id, raw_id.replace(":", "%3A"), raw_id.replace(":", "%3a")):
        assert (await ask(client, f"/{form}/:revokeAccessTokens")).status == 204


async def test_concurrent_creates_are_distinct(emulator: Emulator, client: Client) -> None:
    made = await asyncio.gather(*(new_user(client) for _ in range(200)))
    assert len(set(made)) == len(emulator.identities) == 200


async def test_one_of_concurrent_deletes_succeeds(client: Client) -> None:
    raw_id = await new_user(client)
    calls = (ask(client, f"/{raw_id}", method="DELETE") for _ in range(20))
    statuses = sorted(response.status for response in await asyncio.gather(*calls))
    assert statuses == [204] + [404] * 19


async def test_users_are_valid_participants(client: Client) -> None:
    first, second = await new_user(client), await new_user(client)
    room = await client.create(participants={first: {"role": "Presenter"}})
    assert (await client.patch_roster(room["id"], {second: {}})).status == 200
    assert await client.roster(room["id"]) == [(first, "Presenter"), (second, "Attendee")]


async def test_a_deleted_user_stays_on_rosters(client: Client) -> None:
    raw_id = await new_user(client)
    room = await client.create(participants={raw_id: {}})
    assert (await ask(client, f"/{raw_id}", method="DELETE")).status == 204
    assert await client.roster(room["id"]) == [(raw_id, "Attendee")]


async def test_reset_keeps_the_resource(emulator: Emulator, client: Client) -> None:
    raw_id = await new_user(client)
    assert (await client.control("POST", "reset")).status == 204
    assert len(emulator.identities) == 0
    assert (await new_user(client)).partition("_")[0] == raw_id.partition("_")[0]


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_faults_match_operations_by_name(
    emulator: Emulator, client: Client, operation: str
) -> None:
    """The journal has the same names."""
    raw_id = await new_user(client)
    emulator.faults.add(Fault(operation=operation, status=503, headers={"Retry-After": "1"}))
    responses = [
        await ask(client),
        await ask(client, f"/{raw_id}/:issueAccessToken", CHAT),
        await ask(client, f"/{raw_id}/:revokeAccessTokens"),
        await ask(client, f"/{raw_id}", method="GET", version="2025-03-02-preview"),
        await ask(client, f"/{raw_id}", method="DELETE"),
        await client.call("POST", "/teamsUser/:exchangeAccessToken", version=LATEST),
    ]
    injected = [entry.operation for entry in emulator.journal if entry.faulty]
    assert injected == [operation]
    assert max(response.status for response in responses) == 503
    assert [response.headers.get("Retry-After") for response in responses].count("1") == 1


async def test_a_replaced_response_keeps_the_effect(emulator: Emulator, client: Client) -> None:
    emulator.faults.add(Fault(operation="CreateIdentity", body="<html>"))
    response = await ask(client)
    assert (response.body, len(emulator.identities)) == (b"<html>", 1)


@given(seed=st.integers(), steps=st.lists(st.none() | st.text(max_size=1), max_size=50))
def test_store_after_creates_and_deletes(seed: int, steps: list[str | None]) -> None:
    """The store contains the users that were created and not deleted, with valid raw ids.

    A step is the custom id of a user to create; an empty one deletes the last user instead.
    """
    identities = Identities(Random(seed))
    alive: dict[str, User] = {}
    dead: list[str] = []
    for custom_id in steps:
        if custom_id != "" or not alive:
            user = identities.create(custom_id)
            named = [each for each in alive.values() if each.custom_id == custom_id is not None]
            assert named in ([], [user])
            alive[user.id] = user
        else:
            dead.append(alive.popitem()[0])
            identities.delete(dead[-1])
    assert len(identities) == len(alive)
    assert all(map(is_communication_user, alive))
    assert all(map(identities.owns, [*alive, *dead]))
    copy = Identities(Random(seed + 1))
    copy.apply(identities.state())
    for store in (identities, copy):
        assert [store.get(raw_id) for raw_id in alive] == list(alive.values())
        for raw_id in dead:
            with pytest.raises(NoSuchIdentityError):
                store.get(raw_id)
