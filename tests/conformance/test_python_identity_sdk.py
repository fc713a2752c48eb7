"""Microsoft's unmodified Python client, azure-communication-identity, against the emulator."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from azure.communication.identity import (
    CommunicationIdentityClient,
    CommunicationTokenScope,
    CommunicationUserIdentifier,
)
from azure.communication.identity._api_versions import ApiVersion
from azure.communication.identity.aio import (
    CommunicationIdentityClient as AsyncCommunicationIdentityClient,
)
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from support.microsoft_sdks import IGNORE_DEPRECATIONS, problem
from support.signed_requests import parts
from support.teams_tokens import APP, TEAMS_USER, teams_token

from rooms_emulator import DEVELOPMENT_KEY, Emulator, timestamps

pytestmark = IGNORE_DEPRECATIONS

Call = Callable[..., Awaitable[Any]]
KEY = AzureKeyCredential(DEVELOPMENT_KEY)
STRANGER = CommunicationUserIdentifier(
    "8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_00000026-7637-da8c-08d5-363a0d005464"
)
OWN = CommunicationUserIdentifier("a user of the resource of the emulator")
SCOPES = list(CommunicationTokenScope)
CHAT = [CommunicationTokenScope.CHAT]


@asynccontextmanager
async def blocking(endpoint: str, **options: str) -> AsyncIterator[Call]:
    """Connect the blocking client, which cannot be closed, with each call in a thread."""
    client = CommunicationIdentityClient(endpoint, KEY, **options)

    async def call(method: str, *arguments: Any, **named: Any) -> Any:
        return await asyncio.to_thread(getattr(client, method), *arguments, **named)

    yield call


@asynccontextmanager
async def non_blocking(endpoint: str, **options: str) -> AsyncIterator[Call]:
    """Connect the asynchronous client, with the same interface."""
    async with AsyncCommunicationIdentityClient(endpoint, KEY, **options) as client:

        async def call(method: str, *arguments: Any, **named: Any) -> Any:
            return await getattr(client, method)(*arguments, **named)

        yield call


@pytest.fixture(params=[blocking, non_blocking], ids=["sync", "aio"])
async def sdk(request: pytest.FixtureRequest, emulator: Emulator) -> AsyncIterator[Call]:
    async with request.param(emulator.endpoint) as call:
        yield call


async def test_identity_walk(sdk: Call, emulator: Emulator) -> None:
    """Users and tokens of every scope and lifetime work as the client documents them."""
    emulator.clock.freeze()
    user = await sdk("create_user")
    assert user.raw_id.startswith(f"8:acs:{emulator.identities.resource}_")
    for scopes in (*([scope] for scope in SCOPES), SCOPES):
        token = await sdk("get_token", user, scopes)
        assert parts(token.token)[1]["acsScope"] == ",".join(scope.value for scope in scopes)
    other, token = await sdk("create_user_and_token", SCOPES)
    assert f"8:{parts(token.token)[1]['skypeid']}" == other.raw_id != user.raw_id
    await sdk("revoke_tokens", user)
    assert (await sdk("get_token", user, CHAT)).token
    await sdk("delete_user", user)
    assert len(emulator.identities) == 1


@pytest.mark.parametrize("life", [None, timedelta(hours=1), timedelta(days=1), timedelta(0, 5430)])
async def test_expiry_of_tokens(sdk: Call, emulator: Emulator, life: timedelta | None) -> None:
    """The client cuts off seconds, and returns the expiry as a text."""
    emulator.clock.freeze()
    minutes = 1440 if life is None else int(life.total_seconds() // 60)
    expected = emulator.clock.now() + minutes * 60 * timestamps.TICKS_PER_SECOND
    user, first = await sdk("create_user_and_token", CHAT, token_expires_in=life)
    second = await sdk("get_token", user, CHAT, token_expires_in=life)
    assert [timestamps.parse(each.expires_on) for each in (first, second)] == [expected] * 2


async def test_tokens_of_teams_users(sdk: Call) -> None:
    exp = int(time.time()) + 4020
    token = await sdk("get_token_for_teams_user", teams_token(exp=exp), APP, TEAMS_USER)
    assert timestamps.parse(token.expires_on) == exp * timestamps.TICKS_PER_SECOND
    assert parts(token.token)[1]["skypeid"] == f"orgid:{TEAMS_USER}"


@dataclass(frozen=True)
class Case:
    """A rejected call, and the error that the client raises."""

    code: str
    message: str
    target: str | None
    method: str
    arguments: Sequence[Any]
    named: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> type[HttpResponseError]:
        """The client makes no difference between the reasons of a 401."""
        return HttpResponseError if self.code == "ValidationError" else ClientAuthenticationError


NOT_OWNED = ("IdentityNotOwned", "Provided identity doesn't belong to the resource.", None)
NOT_VALID = ("InvalidAccessToken", "Provided access token is not valid.", None)
INTERVAL = "ExpiresInMinutes value {} is invalid. Value must be within the [60, 1440] interval."
NO_SCOPES = ("ValidationError", "Scopes: The Scopes field is required.", "Scopes")
EMPTY_SCOPES = ("ValidationError", "Invalid scopes - Scopes field is required.", "scopes")
OTHER_APP = ("ValidationError", "AAD application is not the expected one.", "appId")
OTHER_USER = ("ValidationError", "Provided AAD token issued for unexpected user.", "userId")
BAD_USER = ("ValidationError", "Provided UserId has invalid format.", "userId")
NO_APP = ("ValidationError", "AppId: The AppId field is required.", "AppId")
TEAMS = "get_token_for_teams_user"
CASES = [
    Case(*NOT_OWNED, "delete_user", [STRANGER]),
    Case(*NOT_OWNED, "revoke_tokens", [STRANGER]),
    Case(*NOT_OWNED, "get_token", [STRANGER, CHAT]),
    Case(*NO_SCOPES, "get_token", [OWN, None]),
    Case(*EMPTY_SCOPES, "get_token", [OWN, []]),
    *(
        Case(
            "ValidationError",
            INTERVAL.format(minutes),
            "ExpiresInMinutes",
            method,
            arguments,
            {"token_expires_in": timedelta(minutes=minutes)},
        )
        for minutes in (59, 1441)
        for method, arguments in (("create_user_and_token", [CHAT]), ("get_token", [OWN, CHAT]))
    ),
    Case(*NOT_VALID, TEAMS, ["", APP, TEAMS_USER]),
    Case(*NOT_VALID, TEAMS, ["token", APP, TEAMS_USER]),
    Case(*NOT_VALID, TEAMS, [teams_token(exp=1_741_220_403), APP, TEAMS_USER]),
    Case(*NO_APP, TEAMS, [teams_token(), "", TEAMS_USER]),
    Case(*BAD_USER, TEAMS, [teams_token(), APP, "user"]),
    Case(*OTHER_APP, TEAMS, [teams_token(), TEAMS_USER, TEAMS_USER]),
    Case(*OTHER_USER, TEAMS, [teams_token(), APP, APP]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.method}-{case.message}")
async def test_errors(sdk: Call, case: Case) -> None:
    user = await sdk("create_user")
    arguments = [user if argument is OWN else argument for argument in case.arguments]
    with pytest.raises(HttpResponseError) as rejected:
        await sdk(case.method, *arguments, **case.named)
    assert type(rejected.value) is case.kind
    error = problem(rejected.value)
    assert (error.code, error.message, error.target) == (case.code, case.message, case.target)


async def test_a_deleted_user_is_not_found(sdk: Call) -> None:
    user = await sdk("create_user")
    await sdk("delete_user", user)
    for method, more in (("delete_user", ()), ("revoke_tokens", ()), ("get_token", (CHAT,))):
        with pytest.raises(ResourceNotFoundError) as gone:
            await sdk(method, user, *more)
        assert problem(gone.value).code == "IdentityNotFound"


@pytest.mark.parametrize("version", [version.value for version in ApiVersion])
@pytest.mark.parametrize("client", [blocking, non_blocking], ids=["sync", "aio"])
async def test_each_version_works(client: Any, emulator: Emulator, version: str) -> None:
    async with client(emulator.endpoint, api_version=version) as call:
        user, token = await call("create_user_and_token", CHAT)
        assert token.token
        await call("delete_user", user)
