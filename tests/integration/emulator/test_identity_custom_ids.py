"""Custom ids and GetIdentity, which api-version 2025-03-02-preview has and no other."""

from __future__ import annotations

from typing import Any

import pytest
from support.signed_requests import Client, Response, ask, new_user

from rooms_emulator import Emulator, timestamps
from rooms_emulator.identity.versions import VERSIONS, WITH_CUSTOM_IDS

PREVIEW = "2025-03-02-preview"
OTHERS = [name for name in VERSIONS if name != PREVIEW]


async def create(client: Client, **members: object) -> Any:
    response = await ask(client, "", members, version=PREVIEW)
    assert response.status == 201, response
    return response.json["identity"]


async def get(client: Client, raw_id: str) -> Response:
    return await ask(client, f"/{raw_id}", method="GET", version=PREVIEW)


async def issue(client: Client, raw_id: str) -> None:
    response = await ask(client, f"/{raw_id}/:issueAccessToken", {"scopes": ["chat"]})
    assert response.status == 200


def whole_seconds(emulator: Emulator) -> str:
    now = emulator.clock.now()
    return timestamps.render(now - now % timestamps.TICKS_PER_SECOND)


def test_one_version_has_custom_ids() -> None:
    assert list(WITH_CUSTOM_IDS) == [PREVIEW]


async def test_a_custom_id_names_one_user(emulator: Emulator, client: Client) -> None:
    first, again, other = [await create(client, customId=name) for name in ("a", "a", "b")]
    assert first == again == {"customId": "a", "id": first["id"]}
    assert other["id"] != first["id"]
    assert len(emulator.identities) == 2


async def test_custom_ids_are_compared_exactly(client: Client) -> None:
    names = ("a", "A", " a", "a ", "é", "e\u0301", "😀" * 256)
    assert len({(await create(client, customId=name))["id"] for name in names}) == len(names)


async def test_a_repeated_create_can_request_a_token(emulator: Emulator, client: Client) -> None:
    """Members are in the recorded order; the time of the latest token is in whole seconds."""
    emulator.clock.freeze()
    first = await create(client, customId="a")
    members = {"customId": "a", "createTokenWithScopes": ["voip"]}
    response = await ask(client, "", members, version=PREVIEW)
    assert list(response.json) == ["identity", "accessToken"]
    issued = whole_seconds(emulator)
    expected = {"customId": "a", "lastTokenIssuedAt": issued, "id": first["id"]}
    assert list(response.json["identity"].items()) == list(expected.items())
    assert issued.endswith("+00:00")
    emulator.clock.advance(100)
    assert await create(client, customId="a") == expected
    assert (await get(client, first["id"])).json == expected


async def test_get_returns_the_user(emulator: Emulator, client: Client) -> None:
    """Absent members have no value: no custom id, and no token so far."""
    emulator.clock.freeze()
    raw_id = await new_user(client)
    response = await get(client, raw_id)
    assert (response.status, response.json) == (200, {"id": raw_id})
    await issue(client, raw_id)
    expected = {"lastTokenIssuedAt": whole_seconds(emulator), "id": raw_id}
    response = await get(client, raw_id)
    assert list(response.json.items()) == list(expected.items())
    emulator.clock.advance(2)
    await issue(client, raw_id)
    assert (await get(client, raw_id)).json["lastTokenIssuedAt"] == whole_seconds(emulator)


async def test_revoking_keeps_the_last_issue(client: Client) -> None:
    raw_id = (await create(client, createTokenWithScopes=["chat"]))["id"]
    before = (await get(client, raw_id)).json
    assert (await ask(client, f"/{raw_id}/:revokeAccessTokens")).status == 204
    assert (await get(client, raw_id)).json == before


@pytest.mark.parametrize("name", [None, "a"])
async def test_a_deleted_user_has_no_custom_id(client: Client, name: str | None) -> None:
    """Its custom id belongs to a new user from then on."""
    first = await create(client, customId=name)
    assert (await ask(client, f"/{first['id']}", method="DELETE")).status == 204
    assert (await get(client, first["id"])).error["code"] == "IdentityNotFound"
    second = await create(client, customId=name)
    assert second["id"] != first["id"]
    assert (await get(client, second["id"])).json == second


async def test_a_null_custom_id_is_no_custom_id(client: Client) -> None:
    first, second = [await create(client, customId=None) for _ in range(2)]
    assert first["id"] != second["id"]


@pytest.mark.parametrize("custom_id", ["", "a" * 257])
async def test_custom_ids_have_1_to_256_characters(
    emulator: Emulator, client: Client, custom_id: str
) -> None:
    response = await ask(client, "", {"customId": custom_id}, version=PREVIEW)
    assert (response.status, response.error["code"]) == (400, "ValidationError")
    assert response.error["target"] == "customId"
    assert "api-supported-versions" in response.headers
    assert len(emulator.identities) == 0


async def test_a_custom_id_must_be_a_text(client: Client) -> None:
    response = await ask(client, "", {"customId": 7}, version=PREVIEW)
    assert (response.status, response.error["code"]) == (400, "BadRequest")
    assert response.error["details"][0]["target"] == "$.customId"


@pytest.mark.parametrize("version", OTHERS)
async def test_other_versions_reject_custom_ids(
    emulator: Emulator, client: Client, version: str
) -> None:
    """Ignoring the member would create another user at each repetition."""
    response = await ask(client, "", {"customId": "a"}, version=version)
    assert (response.status, response.error) == (
        400,
        {
            "code": "ValidationError",
            "message": f"The API version '{version}' does not have customId.",
            "target": "customId",
        },
    )
    assert len(emulator.identities) == 0


@pytest.mark.parametrize("version", OTHERS)
async def test_other_versions_show_the_id_alone(client: Client, version: str) -> None:
    response = await ask(client, "", {"createTokenWithScopes": ["chat"]}, version=version)
    assert list(response.json["identity"]) == ["id"]
    read = await ask(client, f"/{response.json['identity']['id']}", method="GET", version=version)
    assert (read.status, read.error["code"]) == (400, "UnsupportedApiVersion")
