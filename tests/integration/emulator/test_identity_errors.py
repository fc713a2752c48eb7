"""Errors of the Identity API, and their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from support.signed_requests import LATEST, SCOPES, Client, ask, new_user

from rooms_emulator import Emulator

USER_PART = "_00000026-7637-da8c-08d5-363a0d005464"
STRANGER = f"8:acs:b60f5cc1-83a7-485a-a45c-7288de014884{USER_PART}"
MALFORMED = "The request could not be understood by the server due to malformed syntax."
GONE = "Provided identity doesn't exist."
NOT_OWNED = "Provided identity doesn't belong to the resource."


@dataclass(frozen=True)
class Case:
    """A rejected request; in `path`, `{}` is the id of a user, and `{0:.42}` its resource."""

    name: str
    content: Any
    message: str
    target: str = ""
    path: str = "/{}/:issueAccessToken"
    status: int = 400
    code: str = "ValidationError"


REQUIRED = "Scopes: The Scopes field is required."
INTERVAL = "ExpiresInMinutes value {} is invalid. Value must be within the [60, 1440] interval."
UNKNOWN = f"Invalid scopes - The scope '{{}}' is not one of {', '.join(SCOPES)}."
EMPTY = "Invalid scopes - Scopes field is required."
INTEGER = "The JSON value could not be converted to an integer."
ARRAY = "The JSON value could not be converted to an array."
STRING = "The JSON value could not be converted to a string."
BAD_ID = "The identity is not of the form 8:acs:<guid>_<guid>."
CHAT = {"scopes": ["chat"]}
CASES = [
    Case("no scopes", {}, REQUIRED, "Scopes"),
    Case("null scopes", {"scopes": None, "expiresInMinutes": None}, REQUIRED, "Scopes"),
    Case("empty scopes", {"scopes": [], "expiresInMinutes": 1}, EMPTY, "scopes"),
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
    Case("unknown scope", {"scopes": ["chat", "email"]}, UNKNOWN.format("email"), "scopes"),
    Case(
        "unknown scope for a new user",
        {"createTokenWithScopes": ["email"]},
        UNKNOWN.format("email"),
        "scopes",
        path="",
    ),
    Case("scope in capitals", {"scopes": ["CHAT"]}, UNKNOWN.format("CHAT"), "scopes"),
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
        path=f"/{{0:.42}}{USER_PART}/:issueAccessToken",
        status=404,
        code="IdentityNotFound",
    ),
    *(
        Case(f"another resource, {name}", content, message, target, path, status, code)
        for path in (f"/{STRANGER}/:issueAccessToken",)
        for status, code, target, message, name, content in (
            (401, "IdentityNotOwned", "", NOT_OWNED, "issue", CHAT),
            (401, "IdentityNotOwned", "", NOT_OWNED, "empty scopes", {"scopes": []}),
            (401, "IdentityNotOwned", "", NOT_OWNED, "minutes", CHAT | {"expiresInMinutes": 1}),
            (401, "IdentityNotOwned", "", NOT_OWNED, "unknown scope", {"scopes": ["x"]}),
            (400, "ValidationError", "Scopes", REQUIRED, "no scopes", {}),
            (400, "BadRequest", "$.scopes", ARRAY, "scopes in a text", {"scopes": "chat"}),
        )
    ),
    Case(
        "the values are checked before the user",
        CHAT | {"expiresInMinutes": 59},
        INTERVAL.format(59),
        "ExpiresInMinutes",
        path=f"/{{0:.42}}{USER_PART}/:issueAccessToken",
    ),
    Case(
        "types are checked before values",
        {"scopes": ["x"], "expiresInMinutes": "60"},
        INTEGER,
        "$.expiresInMinutes",
        code="BadRequest",
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
    assert emulator.identities.get(raw_id).last_token_issued_at is None


PREVIEW = "2025-03-02-preview"
ON_A_USER = [
    ("GET", "", None, PREVIEW),
    *(
        (*call, version)
        for version in (LATEST, PREVIEW)
        for call in (
            ("DELETE", "", None),
            ("POST", "/:revokeAccessTokens", None),
            ("POST", "/:issueAccessToken", CHAT),
        )
    ),
]


@pytest.mark.parametrize(("method", "path", "content", "version"), ON_A_USER)
async def test_users_of_other_resources(
    client: Client, method: str, path: str, content: Any, version: str
) -> None:
    """The resource in the id and the cloud decide; unknown users of this resource are 404."""
    raw_id = await new_user(client)
    resource = raw_id.partition("_")[0]
    for user, status, code, message in (
        (STRANGER, 401, "IdentityNotOwned", NOT_OWNED),
        (raw_id.replace(":acs:", ":spool:"), 401, "IdentityNotOwned", NOT_OWNED),
        (resource.upper().replace("ACS", "acs") + USER_PART, 401, "IdentityNotOwned", NOT_OWNED),
        (resource + USER_PART, 404, "IdentityNotFound", GONE),
        ("8:acs:unknown", 400, "ValidationError", BAD_ID),
    ):
        response = await ask(client, f"/{user}{path}", content, method, version)
        assert (response.status, response.error["code"]) == (status, code), user
        assert response.error["message"] == message
        assert ("target" in response.error) == (status == 400)
        assert "api-supported-versions" in response.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 405),
        ("PUT", "/{}", 405),
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
