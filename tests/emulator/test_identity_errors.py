"""What the identity API refuses, and which api-versions it has."""

from dataclasses import dataclass
from typing import Any

import pytest
from azure.communication.identity._api_versions import DEFAULT_VERSION, ApiVersion
from emulator.identity_client import LATEST, SCOPES, ask, new_user, parts
from emulator.signing_client import Client

from rooms_emulator import Emulator
from rooms_emulator.identity import versions

STRANGER = "8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_00000026-7637-da8c-08d5-363a0d005464"
MALFORMED = "The request could not be understood by the server due to malformed syntax."
GONE = "The identity does not exist."


@dataclass(frozen=True)
class Refused:
    """A request that is refused; ``{}`` in the path is the id of a user."""

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
REFUSALS = [
    Refused("no scopes", {}, REQUIRED, "Scopes"),
    Refused("null scopes", {"scopes": None, "expiresInMinutes": None}, REQUIRED, "Scopes"),
    Refused("empty scopes", {"scopes": []}, REQUIRED, "Scopes"),
    Refused("too short", CHAT | {"expiresInMinutes": 59}, INTERVAL.format(59), "ExpiresInMinutes"),
    Refused(
        "too long", CHAT | {"expiresInMinutes": 1441}, INTERVAL.format(1441), "ExpiresInMinutes"
    ),
    Refused("negative", CHAT | {"expiresInMinutes": -60}, INTERVAL.format(-60), "ExpiresInMinutes"),
    Refused(
        "too long for a new user",
        {"createTokenWithScopes": ["chat"], "expiresInMinutes": 1441},
        INTERVAL.format(1441),
        "ExpiresInMinutes",
        path="",
    ),
    Refused(
        "unknown scope",
        {"scopes": ["chat", "email"]},
        f"Scopes: {UNKNOWN.format('email')}",
        "Scopes",
    ),
    Refused(
        "unknown scope for a new user",
        {"createTokenWithScopes": ["email"]},
        f"CreateTokenWithScopes: {UNKNOWN.format('email')}",
        "CreateTokenWithScopes",
        path="",
    ),
    Refused(
        "scope in capitals", {"scopes": ["CHAT"]}, f"Scopes: {UNKNOWN.format('CHAT')}", "Scopes"
    ),
    Refused("bad id", CHAT, BAD_ID, "id", path="/8:acs:nobody/:issueAccessToken"),
    Refused("bad id, revoke", None, BAD_ID, "id", path="/nobody/:revokeAccessTokens"),
    Refused("scopes in a text", {"scopes": "chat"}, ARRAY, "$.scopes", code="BadRequest"),
    Refused("a number as scope", {"scopes": ["chat", 1]}, STRING, "$.scopes[1]", code="BadRequest"),
    Refused(
        "minutes in a text",
        CHAT | {"expiresInMinutes": "60"},
        INTEGER,
        "$.expiresInMinutes",
        code="BadRequest",
    ),
    Refused(
        "half a minute",
        CHAT | {"expiresInMinutes": 60.5},
        INTEGER,
        "$.expiresInMinutes",
        code="BadRequest",
    ),
    Refused(
        "minutes as a boolean",
        CHAT | {"expiresInMinutes": True},
        INTEGER,
        "$.expiresInMinutes",
        code="BadRequest",
    ),
    Refused("no JSON", b"{", "The request body is not valid JSON.", "$", code="BadRequest"),
    Refused("nothing", b"", "A non-empty request body is required.", code="BadRequest"),
    Refused(
        "a stranger", CHAT, GONE, path=f"/{STRANGER}/:issueAccessToken", status=404, code="NotFound"
    ),
]


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.name)
async def test_a_request_that_is_refused_says_why_and_changes_nothing(
    emulator: Emulator, client: Client, case: Refused
) -> None:
    raw_id = await new_user(client)
    answer = await ask(client, case.path.format(raw_id), case.content)
    if case.code == "BadRequest":
        detail = {"code": "BadArgument", "message": case.message, "target": case.target}
        expected = {"code": case.code, "message": MALFORMED, "details": [detail]}
    else:
        target = {"target": case.target} if case.target else {}
        expected = {"code": case.code, "message": case.message, **target}
    assert (answer.status, answer.error) == (case.status, expected)
    assert list(answer.error) == list(expected)
    assert "x-ms-error-code" not in answer.headers
    # Recorded: what the model refuses is answered before the versions are known.
    unread = case.code == "BadRequest" or case.message == REQUIRED
    assert ("api-supported-versions" not in answer.headers) == unread
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
async def test_there_are_these_four_operations_and_no_others(
    client: Client, method: str, path: str, status: int
) -> None:
    raw_id = await new_user(client)
    answer = await ask(client, path.format(raw_id), method=method)
    assert answer.status == status
    assert ("Allow" in answer.headers) == (status == 405)


async def test_a_path_that_only_begins_alike_is_none_of_the_identity_api(client: Client) -> None:
    answer = await client.call("POST", "/identitiesx", version=LATEST)
    assert answer.status == 404
    assert "2025-03-13" in answer.headers["api-supported-versions"]


async def test_a_body_that_is_no_json_by_its_type_is_415(client: Client) -> None:
    answer = await client.call(
        "POST", "/identities", b"{}", version=LATEST, headers={"Content-Type": "text/plain"}
    )
    assert (answer.status, answer.error["code"]) == (415, "UnsupportedMediaType")


async def test_a_request_with_a_wrong_signature_is_denied_as_everywhere(
    emulator: Emulator, client: Client
) -> None:
    client.signer.key = "c3RyYW5nZXI="
    answer = await ask(client)
    denied = {"code": "Denied", "message": "Denied by the resource provider."}
    assert (answer.status, answer.error, len(emulator.identities)) == (401, denied, 0)


def test_the_versions_are_those_that_the_python_client_knows() -> None:
    assert list(versions.VERSIONS) == [version.value for version in ApiVersion]
    assert DEFAULT_VERSION.value == LATEST


@pytest.mark.parametrize("version", versions.VERSIONS)
async def test_each_version_has_the_scopes_of_its_specification(
    client: Client, version: str
) -> None:
    for scope in SCOPES:
        answer = await ask(client, "", {"createTokenWithScopes": [scope]}, version=version)
        known = scope in {"chat", "voip"} or version == LATEST
        assert answer.status == (201 if known else 400), scope


@pytest.mark.parametrize("version", ["2021-03-07", "2022-06-01"])
async def test_a_version_without_custom_expiry_ignores_it(client: Client, version: str) -> None:
    body = {"createTokenWithScopes": ["chat"], "expiresInMinutes": 1}
    answer = await ask(client, content=body, version=version)
    claims = parts(answer.json["accessToken"]["token"])[1]
    assert claims["exp"] - claims["iat"] == 24 * 60 * 60


@pytest.mark.parametrize("version", ["2025-03-13", "2024-04-15", "2021-10-31-preview", "x"])
async def test_a_version_of_rooms_is_none_of_the_identity_api(client: Client, version: str) -> None:
    answer = await ask(client, version=version)
    assert (answer.status, answer.error["code"]) == (400, "UnsupportedApiVersion")
    assert f"'{client.endpoint}/identities'" in answer.error["message"]


async def test_a_request_without_a_version_is_refused(client: Client) -> None:
    answer = await ask(client, version=None)
    assert (answer.status, answer.error["code"]) == (400, "ApiVersionUnspecified")
