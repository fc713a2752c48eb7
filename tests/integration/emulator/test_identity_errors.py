"""Errors and api-versions of the Identity API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from azure.communication.identity._api_versions import DEFAULT_VERSION, ApiVersion
from support.signed_requests import LATEST, SCOPES, Client, ask, new_user, parts

from rooms_emulator import Emulator
from rooms_emulator.identity import versions

UNKNOWN_USER = "8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_00000026-7637-da8c-08d5-363a0d005464"
MALFORMED = "The request could not be understood by the server due to malformed syntax."
GONE = "The identity does not exist."


@dataclass(frozen=True)
class Case:
    """A rejected request; `{}` in `path` is the id of a user."""

    name: str
    content: Any
    message: str
    target: str = ""
    path: str = "/{}/:issueAccessToken"
    detail: str = ""
    status: int = 400
    code: str = "ValidationError"


REQUIRED = "Scopes: The Scopes field is required."
INTERVAL = "ExpiresInMinutes value {} is invalid. Value must be within the [60, 1440] interval."
UNKNOWN = f"The scope '{{}}' is not one of {', '.join(SCOPES)}."
INTEGER = "The JSON value could not be converted to an integer."
ARRAY = "The JSON value could not be converted to an array."
STRING = "The JSON value could not be converted to a string."
BAD_ID = "The identity is not of the form 8:acs:<guid>_<guid>."
CHAT = {"scopes": ["chat"]}
CASES = [
    Case("no scopes", {}, REQUIRED, "Scopes"),
    Case("null scopes", {"scopes": None, "expiresInMinutes": None}, REQUIRED, "Scopes"),
    Case("empty scopes", {"scopes": []}, REQUIRED, "Scopes"),
    Case("too short", CHAT | {"expiresInMinutes": 59}, INTERVAL.format(59), "ExpiresInMinutes"),
    Case("too long", CHAT | {"expiresInMinutes": 1441}, INTERVAL.format(1441), "ExpiresInMinutes"),
    Case("negative", CHAT | {"expiresInMinutes": -60}, INTERVAL.format(-60), "ExpiresInMinutes"),
    Case(
        "too long for a new user",
        {"createTokenWithScopes": ["chat"], "expiresInMinutes": 1441},
        INTERVAL.format(1441),
        "ExpiresInMinutes",
        path="",
    ),
    Case(
        "unknown scope",
        {"scopes": ["chat", "email"]},
        f"Scopes: {UNKNOWN.format('email')}",
        "Scopes",
    ),
    Case(
        "unknown scope for a new user",
        {"createTokenWithScopes": ["email"]},
        f"CreateTokenWithScopes: {UNKNOWN.format('email')}",
        "CreateTokenWithScopes",
        path="",
    ),
    Case("scope in capitals", {"scopes": ["CHAT"]}, f"Scopes: {UNKNOWN.format('CHAT')}", "Scopes"),
    Case("bad id", CHAT, BAD_ID, "id", path="/8:acs:unknown/:issueAccessToken"),
    Case("bad id, revoke", None, BAD_ID, "id", path="/unknown/:revokeAccessTokens"),
    Case("scopes in a text", {"scopes": "chat"}, ARRAY, "$.scopes", code="BadRequest"),
    Case("a number as scope", {"scopes": ["chat", 1]}, STRING, "$.scopes[1]", code="BadRequest"),
    Case(
        "minutes in a text",
        CHAT | {"expiresInMinutes": "60"},
        INTEGER,
        "$.expiresInMinutes",
        code="BadRequest",
    ),
    Case(
        "half a minute",
        CHAT | {"expiresInMinutes": 60.5},
        INTEGER,
        "$.expiresInMinutes",
        code="BadRequest",
    ),
    Case(
        "minutes as a boolean",
        CHAT | {"expiresInMinutes": True},
        INTEGER,
        "$.expiresInMinutes",
        code="BadRequest",
    ),
    Case("no JSON", b"{", "The request body is not valid JSON.", "$", code="BadRequest"),
    Case("nothing", b"", "A non-empty request body is required.", code="BadRequest"),
    Case(
        "unknown user",
        CHAT,
        GONE,
        path=f"/{UNKNOWN_USER}/:issueAccessToken",
        status=404,
        code="NotFound",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_errors_of_requests(emulator: Emulator, client: Client, case: Case) -> None:
    """Each has the recorded envelope and headers, and changes nothing."""
    raw_id = await new_user(client)
    response = await ask(client, case.path.format(raw_id), case.content)
    if case.code == "BadRequest":
        detail = {"code": "BadArgument", "message": case.message, "target": case.target}
        expected = {"code": case.code, "message": MALFORMED, "details": [detail]}
    else:
        target = {"target": case.target} if case.target else {}
        expected = {"code": case.code, "message": case.message, **target}
    assert (response.status, response.error) == (case.status, expected)
    assert list(response.error) == list(expected)
    assert "x-ms-error-code" not in response.headers
    # Recorded: errors of the model have no versions, because they are found before them.
    unread = case.code == "BadRequest" or case.message == REQUIRED
    assert ("api-supported-versions" not in response.headers) == unread
    assert len(emulator.identities) == 1
    emulator.identities.require(raw_id)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 405),
        ("GET", "/{}", 405),
        ("DELETE", "/{}/:issueAccessToken", 405),
        ("POST", "/{}/:exchange", 404),
        ("POST", "/{}/issueAccessToken", 404),
        ("POST", "/", 404),
        ("DELETE", "/{}/", 404),
    ],
)
async def test_unknown_paths_and_methods(
    client: Client, method: str, path: str, status: int
) -> None:
    raw_id = await new_user(client)
    response = await ask(client, path.format(raw_id), method=method)
    assert response.status == status
    assert ("Allow" in response.headers) == (status == 405)


async def test_a_path_with_the_same_prefix_is_rooms(client: Client) -> None:
    response = await client.call("POST", "/identitiesx", version=LATEST)
    assert response.status == 404
    assert "2025-03-13" in response.headers["api-supported-versions"]


async def test_another_media_type_is_415(client: Client) -> None:
    response = await client.call(
        "POST", "/identities", b"{}", version=LATEST, headers={"Content-Type": "text/plain"}
    )
    assert (response.status, response.error["code"]) == (415, "UnsupportedMediaType")


async def test_a_wrong_signature_is_denied(emulator: Emulator, client: Client) -> None:
    client.signer.key = "c3RyYW5nZXI="
    response = await ask(client)
    denied = {"code": "Denied", "message": "Denied by the resource provider."}
    assert (response.status, response.error, len(emulator.identities)) == (401, denied, 0)


def test_versions_are_those_of_the_python_client() -> None:
    assert list(versions.VERSIONS) == [version.value for version in ApiVersion]
    assert DEFAULT_VERSION.value == LATEST


@pytest.mark.parametrize("version", versions.VERSIONS)
async def test_scopes_of_each_version(client: Client, version: str) -> None:
    for scope in SCOPES:
        response = await ask(client, "", {"createTokenWithScopes": [scope]}, version=version)
        known = scope in {"chat", "voip"} or version == LATEST
        assert response.status == (201 if known else 400), scope


@pytest.mark.parametrize("version", ["2021-03-07", "2022-06-01"])
async def test_old_versions_ignore_the_expiry(client: Client, version: str) -> None:
    body = {"createTokenWithScopes": ["chat"], "expiresInMinutes": 1}
    response = await ask(client, content=body, version=version)
    claims = parts(response.json["accessToken"]["token"])[1]
    assert claims["exp"] - claims["iat"] == 24 * 60 * 60


@pytest.mark.parametrize("version", ["2025-03-13", "2024-04-15", "2021-10-31-preview", "x"])
async def test_rooms_versions_are_unsupported(client: Client, version: str) -> None:
    response = await ask(client, version=version)
    assert (response.status, response.error["code"]) == (400, "UnsupportedApiVersion")
    assert f"'{client.endpoint}/identities'" in response.error["message"]


async def test_a_missing_version_is_400(client: Client) -> None:
    response = await ask(client, version=None)
    assert (response.status, response.error["code"]) == (400, "ApiVersionUnspecified")
