"""The identity API that the Rooms quickstart begins with: users, and tokens for them."""

import asyncio
import re
from random import Random

import pytest
from emulator.identity_client import ask, new_user, parts
from emulator.signing_client import Client
from hypothesis import given
from hypothesis import strategies as st

from rooms_emulator import Emulator, Fault
from rooms_emulator.identity import versions
from rooms_emulator.identity.raw_ids import is_communication_user
from rooms_emulator.identity.routes import OPERATIONS
from rooms_emulator.identity.store import Identities, NoSuchIdentityError

CHAT = {"scopes": ["chat"]}
GUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
GONE = "The identity does not exist."


async def test_a_user_is_made_without_a_body_and_has_no_token(client: Client) -> None:
    answer = await ask(client)
    assert answer.status == 201
    assert re.fullmatch(f'{{"identity":{{"id":"8:acs:{GUID}_{GUID}"}}}}', answer.body.decode())


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"createTokenWithScopes": None, "expiresInMinutes": None},
        {"createTokenWithScopes": []},
        {"expiresInMinutes": 60},
    ],
)
async def test_a_user_who_asks_for_no_scope_gets_no_token(client: Client, body: object) -> None:
    answer = await ask(client, content=body)
    assert (answer.status, list(answer.json)) == (201, ["identity"])


async def test_a_user_is_made_with_a_token_in_one_call(client: Client) -> None:
    answer = await ask(client, content={"createTokenWithScopes": ["chat", "voip"]})
    assert answer.status == 201
    assert [list(answer.json), list(answer.json["accessToken"])] == [
        ["identity", "accessToken"],
        ["token", "expiresOn"],
    ]
    claims = parts(answer.json["accessToken"]["token"])[1]
    assert f"8:{claims['skypeid']}" == answer.json["identity"]["id"]


async def test_all_users_of_an_emulator_are_of_one_resource_and_of_another_than_elsewhere(
    client: Client,
) -> None:
    resources = {(await new_user(client)).partition("_")[0] for _ in range(5)}
    async with Emulator() as other:
        assert len(resources) == 1
        assert f"8:acs:{other.identities.resource}" not in resources


async def test_the_answers_carry_the_headers_of_the_identity_service(client: Client) -> None:
    """Its own versions and transport security, and nothing of Rooms."""
    made = await ask(client)
    raw_id = made.json["identity"]["id"]
    deleted = await ask(client, f"/{raw_id}", method="DELETE")
    refused = await ask(client, f"/{raw_id}/:revokeAccessTokens")
    assert [made.status, deleted.status, refused.status] == [201, 204, 404]
    for answer in (made, deleted, refused):
        assert answer.headers["api-supported-versions"] == ", ".join(versions.VERSIONS)
        assert answer.headers["Strict-Transport-Security"] == "max-age=2592000"
        assert "x-ms-error-code" not in answer.headers
    assert made.headers["Content-Type"] == "application/json; charset=utf-8"
    assert refused.headers["Content-Type"] == "application/json"
    assert "Content-Type" not in deleted.headers


async def test_a_scope_that_is_asked_for_twice_is_granted_once(client: Client) -> None:
    body = {"createTokenWithScopes": ["chat", "voip", "chat"]}
    answer = await ask(client, content=body)
    assert parts(answer.json["accessToken"]["token"])[1]["acsScope"] == "chat,voip"


async def test_a_token_is_issued_again_after_all_were_revoked(client: Client) -> None:
    raw_id = await new_user(client)
    statuses = [
        (await ask(client, f"/{raw_id}/:issueAccessToken", {"scopes": ["chat"]})).status,
        (await ask(client, f"/{raw_id}/:revokeAccessTokens")).status,
        (await ask(client, f"/{raw_id}/:revokeAccessTokens")).status,
        (await ask(client, f"/{raw_id}/:issueAccessToken", {"scopes": ["chat"]})).status,
    ]
    assert statuses == [200, 204, 204, 200]


async def test_a_deleted_user_is_gone_for_every_operation_and_nobody_else_is(
    emulator: Emulator, client: Client
) -> None:
    raw_id, other = await new_user(client), await new_user(client)
    assert (await ask(client, f"/{raw_id}", method="DELETE")).status == 204
    for answer in (
        await ask(client, f"/{raw_id}", method="DELETE"),
        await ask(client, f"/{raw_id}/:revokeAccessTokens"),
        await ask(client, f"/{raw_id}/:issueAccessToken", {"scopes": ["chat"]}),
    ):
        assert (answer.status, answer.error) == (404, {"code": "NotFound", "message": GONE})
    emulator.identities.require(other)


async def test_an_id_may_be_percent_encoded_or_not(client: Client) -> None:
    """Python's client encodes the colons, its asynchronous one does not."""
    raw_id = await new_user(client)
    for form in (raw_id, raw_id.replace(":", "%3A"), raw_id.replace(":", "%3a")):
        assert (await ask(client, f"/{form}/:revokeAccessTokens")).status == 204


async def test_many_users_made_at_once_are_all_different(
    emulator: Emulator, client: Client
) -> None:
    made = await asyncio.gather(*(new_user(client) for _ in range(200)))
    assert len(set(made)) == len(emulator.identities) == 200


async def test_of_many_deletes_of_one_user_exactly_one_succeeds(client: Client) -> None:
    raw_id = await new_user(client)
    calls = (ask(client, f"/{raw_id}", method="DELETE") for _ in range(20))
    statuses = sorted(answer.status for answer in await asyncio.gather(*calls))
    assert statuses == [204] + [404] * 19


async def test_the_users_are_accepted_as_participants(client: Client) -> None:
    first, second = await new_user(client), await new_user(client)
    room = await client.create(participants={first: {"role": "Presenter"}})
    assert (await client.patch_roster(room["id"], {second: {}})).status == 200
    assert await client.roster(room["id"]) == [(first, "Presenter"), (second, "Attendee")]


async def test_a_user_who_is_deleted_stays_in_the_rooms(client: Client) -> None:
    raw_id = await new_user(client)
    room = await client.create(participants={raw_id: {}})
    assert (await ask(client, f"/{raw_id}", method="DELETE")).status == 204
    assert await client.roster(room["id"]) == [(raw_id, "Attendee")]


async def test_a_reset_forgets_the_users_and_keeps_the_resource(
    emulator: Emulator, client: Client
) -> None:
    raw_id = await new_user(client)
    assert (await client.control("POST", "reset")).status == 204
    assert len(emulator.identities) == 0
    assert (await new_user(client)).partition("_")[0] == raw_id.partition("_")[0]


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_fault_strikes_each_operation_by_its_name(
    emulator: Emulator, client: Client, operation: str
) -> None:
    """And the journal has it under that name."""
    raw_id = await new_user(client)
    emulator.faults.add(Fault(operation=operation, status=503, headers={"Retry-After": "1"}))
    answers = [
        await ask(client),
        await ask(client, f"/{raw_id}/:issueAccessToken", CHAT),
        await ask(client, f"/{raw_id}/:revokeAccessTokens"),
        await ask(client, f"/{raw_id}", method="DELETE"),
    ]
    struck = [entry.operation for entry in emulator.journal if entry.faulty]
    assert struck == [operation]
    assert max(answer.status for answer in answers) == 503
    assert [answer.headers.get("Retry-After") for answer in answers].count("1") == 1


async def test_a_fault_can_lose_the_answer_to_a_create_that_took_effect(
    emulator: Emulator, client: Client
) -> None:
    emulator.faults.add(Fault(operation="CreateIdentity", body="<html>"))
    answer = await ask(client)
    assert (answer.body, len(emulator.identities)) == (b"<html>", 1)


@given(seed=st.integers(), steps=st.lists(st.booleans(), max_size=50))
def test_the_store_knows_those_who_were_made_and_not_deleted(seed: int, steps: list[bool]) -> None:
    """However often users come and go, and each has an id that participants may have."""
    identities = Identities(Random(seed))
    alive: list[str] = []
    dead: list[str] = []
    for create in steps:
        if create or not alive:
            alive.append(identities.create())
        else:
            dead.append(alive.pop())
            identities.delete(dead[-1])
    assert len(identities) == len(alive)
    assert all(map(is_communication_user, alive))
    for raw_id in dead:
        with pytest.raises(NoSuchIdentityError):
            identities.require(raw_id)
