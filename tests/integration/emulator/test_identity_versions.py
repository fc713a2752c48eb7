"""The api-versions of the Identity API."""

from __future__ import annotations

import pytest
from azure.communication.identity._api_versions import DEFAULT_VERSION, ApiVersion
from support.signed_requests import LATEST, SCOPES, Client, ask, new_user, parts

from rooms_emulator.identity import routes
from rooms_emulator.identity.versions import VERSIONS

BEFORE_EXPIRY = ["2021-03-07", "2021-10-31-preview", "2021-11-01", "2022-06-01"]
BEFORE_JOIN = [*BEFORE_EXPIRY, "2022-10-01"]
SUPPORTED = [*BEFORE_JOIN, "2023-10-01", "2025-03-02-preview", "2025-06-30", "2026-09-23"]
RECORDED = (
    "2020-07-20-preview2, 2021-03-07, 2021-10-31-preview, 2021-11-01, 2022-06-01, 2022-10-01, "
    "2023-10-01, 2025-03-02-preview"
)


def test_supported_versions() -> None:
    """The stable versions of the Python client are among them."""
    assert list(VERSIONS) == SUPPORTED
    assert {version.value for version in ApiVersion} <= set(SUPPORTED)
    assert DEFAULT_VERSION.value == LATEST


@pytest.mark.parametrize("version", SUPPORTED)
async def test_operations_of_every_version(client: Client, version: str) -> None:
    raw_id = await new_user(client)
    statuses = [
        (await ask(client, "", version=version)).status,
        (await ask(client, f"/{raw_id}/:revokeAccessTokens", version=version)).status,
        (
            await ask(client, f"/{raw_id}/:issueAccessToken", {"scopes": ["voip"]}, version=version)
        ).status,
        (await ask(client, f"/{raw_id}", method="DELETE", version=version)).status,
    ]
    assert statuses == [201, 204, 200, 204]


@pytest.mark.parametrize("version", SUPPORTED)
async def test_scopes_of_each_version(client: Client, version: str) -> None:
    for scope in SCOPES:
        response = await ask(client, "", {"createTokenWithScopes": [scope]}, version=version)
        known = scope in {"chat", "voip"} or version not in BEFORE_JOIN
        assert response.status == (201 if known else 400), scope


@pytest.mark.parametrize("version", SUPPORTED)
async def test_expiry_of_each_version(client: Client, version: str) -> None:
    """Versions without an expiry reject the member, even if its value is out of range."""
    for minutes in (60, 1):
        body = {"createTokenWithScopes": ["chat"], "expiresInMinutes": minutes}
        response = await ask(client, content=body, version=version)
        if version in BEFORE_EXPIRY:
            message = f"The API version '{version}' does not have ExpiresInMinutes."
            assert response.error["message"] == message
        elif minutes == 1:
            assert "[60, 1440]" in response.error["message"]
        else:
            claims = parts(response.json["accessToken"]["token"])[1]
            assert claims["exp"] - claims["iat"] == 3600


@pytest.mark.parametrize("version", BEFORE_EXPIRY)
async def test_old_versions_accept_a_null_expiry(client: Client, version: str) -> None:
    body = {"createTokenWithScopes": ["chat"], "expiresInMinutes": None}
    response = await ask(client, content=body, version=version)
    claims = parts(response.json["accessToken"]["token"])[1]
    assert claims["exp"] - claims["iat"] == 24 * 60 * 60


@pytest.mark.parametrize("version", ["2025-03-13", "2024-04-15", "2020-07-20-preview2", "x"])
async def test_other_versions_are_unsupported(client: Client, version: str) -> None:
    response = await ask(client, version=version)
    assert (response.status, response.error["code"]) == (400, "UnsupportedApiVersion")
    assert response.error["message"] == (
        f"The HTTP resource that matches the request URI '{client.endpoint}/identities' "
        f"does not support the API version '{version}'."
    )


async def test_a_missing_version_is_400(client: Client) -> None:
    response = await ask(client, version=None)
    assert (response.status, response.error["code"]) == (400, "ApiVersionUnspecified")


@pytest.mark.parametrize(
    ("operation", "recorded"),
    [
        ("CreateIdentity", RECORDED),
        ("GetIdentity", RECORDED),
        ("DeleteIdentity", RECORDED),
        ("RevokeAccessTokens", RECORDED),
        ("IssueAccessToken", f"{RECORDED}, 2025-03-31-preview"),
        (
            "ExchangeTeamsUserAccessToken",
            "2021-10-31-preview, 2022-06-01, 2022-10-01, 2023-10-01, 2025-03-02-preview",
        ),
    ],
)
def test_listed_versions(operation: str, recorded: str) -> None:
    """The recorded list of each path, and the newer versions that the emulator supports."""
    assert routes.listing_of(operation) == f"{recorded}, 2025-06-30, 2026-09-23"
    assert set(routes.versions_of(operation)) <= set(routes.listing_of(operation).split(", "))
