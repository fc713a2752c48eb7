"""The exchange of a Teams user's token: responses, errors and their order."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.signed_requests import LATEST, Client, Response, parts
from support.teams_tokens import APP, TEAMS_USER, part, teams_token

from rooms_emulator import Emulator, timestamps
from rooms_emulator.identity import teams
from rooms_emulator.identity.versions import VERSIONS, WITH_EXCHANGE
from rooms_emulator.problems import ServiceError

PATH = "/teamsUser/:exchangeAccessToken"
STRANGER = "00000000-0000-4000-8000-000000000000"


async def exchange(client: Client, content: object = None, version: str = LATEST) -> Response:
    return await client.call("POST", PATH, content, version=version)


def body(**members: Any) -> dict[str, Any]:
    return {"token": teams_token(), "appId": APP, "userId": TEAMS_USER} | members


async def test_the_token_expires_with_the_teams_token(emulator: Emulator, client: Client) -> None:
    """The response has no identity, and no user is created."""
    exp = int(time.time()) + 4020
    response = await exchange(client, body(token=teams_token(exp=exp)))
    assert (response.status, list(response.json)) == (200, ["token", "expiresOn"])
    assert timestamps.parse(response.json["expiresOn"]) == exp * timestamps.TICKS_PER_SECOND
    _, claims, _ = parts(response.json["token"])
    assert claims["exp"] == exp
    assert claims["skypeid"] == f"orgid:{TEAMS_USER}"
    assert (claims["iss"], claims["resourceId"]) == (
        "rooms-gateway-emulator",
        emulator.identities.resource,
    )
    assert len(emulator.identities) == 0
    assert [entry.operation for entry in emulator.journal] == ["ExchangeTeamsUserAccessToken"]


async def test_guids_are_compared_without_case(client: Client) -> None:
    response = await exchange(client, body(appId=APP.upper(), userId=TEAMS_USER.upper()))
    assert response.status == 200


async def test_fractions_of_the_expiry_are_kept(client: Client) -> None:
    exp = int(time.time()) + 600.5
    response = await exchange(client, body(token=teams_token(exp=exp)))
    assert timestamps.parse(response.json["expiresOn"]) == exp * timestamps.TICKS_PER_SECOND


@dataclass(frozen=True)
class Case:
    """A rejected exchange; `versions` is whether it lists the supported api-versions."""

    name: str
    message: str
    changes: dict[str, Any] = field(default_factory=dict)
    target: str = ""
    code: str = "ValidationError"
    status: int = 400
    versions: bool = False


NO_TOKEN = "The body is either missing or doesn't contain any token."
INVALID = "Provided access token is not valid."
NO_APP = "AppId: The AppId field is required."
NO_USER = "UserId: The UserId field is required."
BAD_APP = "Provided AppId has invalid format."
BAD_USER = "Provided UserId has invalid format."
OTHER_APP = "AAD application is not the expected one."
OTHER_USER = "Provided AAD token issued for unexpected user."
EXPIRED = teams_token(exp=1_741_220_403)
CASES = [
    Case("no token", NO_TOKEN, {"token": None}),
    Case("no token and nothing else", NO_TOKEN, {"token": None, "appId": None, "userId": None}),
    Case("no token and bad names", NO_TOKEN, {"token": None, "appId": "x", "userId": ""}),
    *(
        Case(name, INVALID, {"token": token, **more}, code="InvalidAccessToken", status=401)
        for name, token, more in (
            ("empty token", "", {}),
            ("malformed token", "token", {}),
            ("malformed token and no names", "token", {"appId": None, "userId": None}),
            ("expired token", EXPIRED, {}),
            ("expired token and bad names", EXPIRED, {"appId": "x", "userId": STRANGER}),
        )
    ),
    Case("no app", NO_APP, {"appId": None}, "AppId"),
    Case("empty app", NO_APP, {"appId": ""}, "AppId"),
    Case("no app, bad user", NO_APP, {"appId": None, "userId": "x"}, "AppId"),
    Case("no user", NO_USER, {"userId": None}, "UserId"),
    Case("empty user", NO_USER, {"userId": ""}, "UserId"),
    Case("bad app, no user", NO_USER, {"appId": "x", "userId": None}, "UserId"),
    Case("app is no GUID", BAD_APP, {"appId": "app"}, "appId", versions=True),
    Case("user is no GUID", BAD_USER, {"userId": "user"}, "userId", versions=True),
    Case(
        "another app, malformed user",
        BAD_USER,
        {"appId": STRANGER, "userId": "x"},
        "userId",
        versions=True,
    ),
    Case("another app", OTHER_APP, {"appId": STRANGER}, "appId", versions=True),
    Case("another user", OTHER_USER, {"userId": STRANGER}, "userId", versions=True),
    Case(
        "another app and user",
        OTHER_APP,
        {"appId": STRANGER, "userId": STRANGER},
        "appId",
        versions=True,
    ),
]


def expected(case: Case) -> dict[str, str]:
    target = {"target": case.target} if case.target else {}
    return {"code": case.code, "message": case.message, **target}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_errors_in_the_recorded_order(client: Client, case: Case) -> None:
    response = await exchange(client, body(**case.changes))
    assert (response.status, response.error) == (case.status, expected(case))
    assert ("api-supported-versions" in response.headers) == case.versions
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Transfer-Encoding"] == "chunked"


async def test_an_absent_member_is_as_null(client: Client) -> None:
    for case in CASES:
        sent = {name: value for name, value in body(**case.changes).items() if value is not None}
        assert (await exchange(client, sent)).error == expected(case), case.name


async def test_an_empty_body_has_no_token(client: Client) -> None:
    response = await exchange(client)
    assert (response.status, response.error) == (400, expected(CASES[0]))
    assert "api-supported-versions" not in response.headers


@pytest.mark.parametrize("member", ["token", "appId", "userId"])
async def test_a_member_of_the_wrong_type_is_400(client: Client, member: str) -> None:
    response = await exchange(client, body(**{member: 1}))
    assert (response.status, response.error["code"]) == (400, "BadRequest")
    assert response.error["details"][0]["target"] == f"$.{member}"


async def test_the_clock_of_the_emulator_decides(emulator: Emulator, client: Client) -> None:
    """A token is valid until the instant of its expiry, exclusive."""
    now = (int(time.time()) + 5) * timestamps.TICKS_PER_SECOND
    emulator.clock.freeze()
    emulator.clock.advance((now - emulator.clock.now()) / timestamps.TICKS_PER_SECOND)
    exp = emulator.clock.now() / timestamps.TICKS_PER_SECOND
    statuses = [
        (await exchange(client, body(token=teams_token(exp=each)))).status
        for each in (exp - 1, exp, exp + 1)
    ]
    assert statuses == [401, 401, 200]


HEADER, CLAIMS = teams_token().split(".")[:2]


@pytest.mark.parametrize(
    "token",
    [
        f"{HEADER}.{CLAIMS}",
        f"{HEADER}.{CLAIMS}.a.b",
        f"..{CLAIMS}",
        f"{part([])}.{CLAIMS}.",
        f"{HEADER}.{part([])}.",
        f"{HEADER}.{part('text')}.",
        f"{HEADER}.!.",
        f"{HEADER}.\u00e9.",
        f"{HEADER}.{'W1tb' * 20_000}.",
        *(
            teams_token(**claims)
            for claims in (
                {"appid": None},
                {"appid": "app"},
                {"oid": f"{TEAMS_USER}\n"},
                {"oid": 7},
                {"exp": None},
                {"exp": "1999999999"},
                {"exp": True},
                {"exp": 10**30},
                {"exp": 1e300},
                {"exp": 253_402_300_800},
                {"exp": -1},
            )
        ),
    ],
)
async def test_malformed_tokens_are_invalid(client: Client, token: str) -> None:
    response = await exchange(client, body(token=token))
    assert (response.status, response.error["code"]) == (401, "InvalidAccessToken")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=5,
)
TOKENS = st.text() | st.builds(
    lambda header, claims: f"{part(header)}.{part(claims)}.",
    JSON,
    st.fixed_dictionaries({}, optional=dict.fromkeys(("appid", "oid", "exp"), JSON)) | JSON,
)


@given(token=TOKENS)
def test_any_token_is_accepted_or_rejected(token: str) -> None:
    """No token leads to a defect, and an accepted one has an expiry with a text form."""
    with suppress(ServiceError):
        valid = teams.token_to_exchange({"token": token}, VERSIONS["2021-10-31-preview"], 0)
        assert timestamps.render(valid.expires)


async def test_the_first_version_takes_the_token_alone(client: Client) -> None:
    """It rejects the members that it lacks, instead of ignoring them."""
    version = "2021-10-31-preview"
    assert (await exchange(client, {"token": teams_token()}, version)).status == 200
    for member, value in (("appId", APP), ("userId", TEAMS_USER)):
        response = await exchange(client, {"token": teams_token(), member: value}, version)
        assert (response.status, response.error["target"]) == (400, member)


@pytest.mark.parametrize("version", VERSIONS)
async def test_versions_of_the_exchange(client: Client, version: str) -> None:
    members = {} if version == "2021-10-31-preview" else {"appId": APP, "userId": TEAMS_USER}
    response = await exchange(client, {"token": teams_token()} | members, version)
    assert response.status == (200 if version in WITH_EXCHANGE else 400)
    if response.status == 400:
        assert response.error["code"] == "UnsupportedApiVersion"


async def test_unknown_paths_next_to_the_exchange(client: Client) -> None:
    for method, path, status in (
        ("GET", PATH, 405),
        ("POST", "/teamsUser", 404),
        ("POST", "/teamsUser/exchangeAccessToken", 404),
        ("POST", "/teamsUsers/:exchangeAccessToken", 404),
        ("POST", "/access/entra/:exchangeAccessToken", 404),
    ):
        assert (await client.call(method, path, version=LATEST)).status == status, path


@pytest.mark.proves("S70")
async def test_the_journal_omits_tokens(emulator: Emulator, client: Client) -> None:
    """Its listing has no Teams token and no issued token, in a body or in a target."""
    sent = body()
    issued = (await exchange(client, sent)).json["token"]
    await client.call("POST", f"/teamsUser?token={sent['token']}", sent, version=LATEST)
    await client.call("POST", f"/rooms/%22{issued}%22", {"token": f"\n{issued}"}, version=LATEST)
    text = (await client.control("GET", "journal")).body.decode()
    for token in (sent["token"], issued):
        assert all(segment not in text for segment in token.split(".") if segment)
    assert text.count("REDACTED") == 6
    assert APP in text
    assert [entry.body.count(b"eyJ") > 0 for entry in emulator.journal] == [True] * 3
