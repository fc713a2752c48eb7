from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest
import trustme
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from issuer import Issuer, gateway_with, issuing
from running import Running, failure_of

from gateway.credentials import CredentialUnusable, EntraKind, EntraSettings, make_credential
from gateway.credentials.bearer import BearerTokens
from gateway.credentials.entra import SCOPE, entra_tokens
from gateway.emulator import Emulator
from gateway.endpoint import Endpoint

MANAGED = EntraSettings(EntraKind.MANAGED_IDENTITY)
NO_REPEATS = {"retry_total": 0}


class ShiftedClock:
    """The real time, and as much later as a test says."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


async def moment(_: float) -> None:
    """Sleep for tasks that look at the clock."""
    await asyncio.sleep(0.01)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for knows of no event
            await asyncio.sleep(0.01)


@pytest.fixture
async def issuer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Issuer]:
    """Run the endpoint of a managed identity, as App Service and Container Apps have it."""
    async with issuing() as issuer:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{issuer.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "canary-header")
        yield issuer


@pytest.fixture
async def emulator(issuer: Issuer) -> AsyncIterator[Emulator]:
    async with Emulator(bearer=issuer.accepts) as emulator:
        yield emulator


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
async def running(
    issuer: Issuer, emulator: Emulator, clock: ShiftedClock
) -> AsyncIterator[Running]:
    del issuer
    tokens = BearerTokens(entra_tokens(MANAGED, NO_REPEATS), clock=clock, sleep=moment)
    async with gateway_with(emulator, MANAGED, tokens) as running:
        yield running


async def create(running: Running) -> None:
    await running.rooms.CreateRoom(CreateRoomRequest())


async def test_a_managed_identity_is_asked_once_for_the_resource_and_its_token_opens_the_service(
    emulator: Emulator, issuer: Issuer
) -> None:
    async with gateway_with(emulator, MANAGED) as running:
        for _ in range(5):
            await create(running)
    assert [request["resource"] for request in issuer.requests] == [SCOPE.removesuffix("/.default")]
    assert issuer.headers[0]["X-IDENTITY-HEADER"] == "canary-header"


async def test_the_instance_metadata_service_is_used_where_there_is_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with issuing() as issuer, Emulator(bearer=issuer.accepts) as emulator:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", issuer.url)
        async with gateway_with(
            emulator, EntraSettings(EntraKind.MANAGED_IDENTITY, client_id="who")
        ) as running:
            await create(running)
    assert issuer.headers[0]["Metadata"] == "true"
    assert issuer.requests[0]["client_id"] == "who"


async def test_the_default_chain_finds_the_managed_identity(
    emulator: Emulator, issuer: Issuer
) -> None:
    async with gateway_with(emulator, EntraSettings(EntraKind.DEFAULT)) as running:
        await create(running)
    assert issuer.requests


async def test_neither_a_date_nor_a_hash_goes_with_a_token(
    running: Running, emulator: Emulator
) -> None:
    await create(running)
    (entry,) = emulator.journal
    assert entry.headers["Authorization"] == "Bearer canary-token-1"
    assert not {"x-ms-date", "x-ms-content-sha256"} & {name.lower() for name in entry.headers}


async def test_a_hundred_calls_that_are_refused_at_once_cost_one_new_token_and_none_fails(
    running: Running, issuer: Issuer
) -> None:
    await create(running)
    issuer.valid.clear()
    issuer.delay = 0.2
    await asyncio.gather(*(create(running) for _ in range(100)))
    assert len(issuer.requests) == 2


async def test_a_service_that_refuses_every_token_does_not_make_the_issuer_busy(
    running: Running, emulator: Emulator, issuer: Issuer
) -> None:
    emulator.callers.bearer = None
    failures = [await failure_of(running.rooms.CreateRoom(CreateRoomRequest())) for _ in range(20)]
    assert {failed.reason for failed in failures} == {"GATEWAY_CREDENTIAL_REJECTED"}
    assert failures[0].metadata["attempts"] == "2"
    assert len(issuer.requests) == 2


async def test_a_token_is_renewed_ahead_of_its_end(
    running: Running, issuer: Issuer, clock: ShiftedClock, emulator: Emulator
) -> None:
    clock.ahead = issuer.life - 250
    await until(lambda: len(issuer.requests) == 2)
    issuer.valid.discard("canary-token-1")
    await create(running)
    assert running.requests() == len(emulator.journal) == 1


async def test_the_issuers_own_advice_when_to_renew_is_followed(
    emulator: Emulator, issuer: Issuer, clock: ShiftedClock
) -> None:
    issuer.life = 86_400
    tokens = BearerTokens(entra_tokens(MANAGED, NO_REPEATS), clock=clock, sleep=moment)
    async with gateway_with(emulator, MANAGED, tokens):
        clock.ahead = 86_400 / 2 + 10
        await until(lambda: len(issuer.requests) == 2)


async def test_an_outage_of_the_issuer_is_survived_while_the_token_lives(
    running: Running, issuer: Issuer, clock: ShiftedClock
) -> None:
    issuer.outage = True
    clock.ahead = issuer.life - 200
    await until(lambda: len(issuer.requests) >= 2)
    await create(running)
    issuer.outage = False
    clock.ahead += 60
    await until(lambda: len(issuer.valid) == 2)
    await create(running)


async def test_an_issuer_that_fails_is_asked_again_after_longer_and_longer_waits(
    running: Running, issuer: Issuer, clock: ShiftedClock
) -> None:
    del running
    issuer.outage = True
    clock.ahead = issuer.life - 250
    await until(lambda: len(issuer.requests) == 2)
    for failures in range(1, 5):
        clock.ahead += 2**failures
        await until(lambda: len(issuer.requests) >= 2 + failures)  # noqa: B023 - awaited in here
    asked = len(issuer.requests)
    await asyncio.sleep(0.2)
    assert len(issuer.requests) == asked


async def test_when_the_token_has_expired_calls_fail_typed_and_nothing_is_sent(
    running: Running, issuer: Issuer, clock: ShiftedClock
) -> None:
    issuer.outage = True
    clock.ahead = issuer.life + 1
    failed = await failure_of(running.rooms.CreateRoom(CreateRoomRequest()))
    assert failed.code is grpc.StatusCode.UNAVAILABLE
    assert failed.reason == "GATEWAY_CREDENTIAL_REJECTED"
    assert failed.metadata["attempts"] == "0"
    assert running.requests() == 0


async def test_a_call_waits_for_a_new_token_no_longer_than_its_deadline(
    running: Running, issuer: Issuer
) -> None:
    issuer.valid.clear()
    issuer.delay = 30
    started = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await running.rooms.CreateRoom(CreateRoomRequest(), timeout=0.3)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < 5


async def test_neither_tokens_nor_what_the_issuer_says_are_logged_or_shown(
    emulator: Emulator, issuer: Issuer, clock: ShiftedClock, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = BearerTokens(entra_tokens(MANAGED, NO_REPEATS), clock=clock, sleep=moment)
    with caplog.at_level(logging.DEBUG):
        async with gateway_with(emulator, MANAGED, tokens) as running:
            await create(running)
            issuer.refusal = "AADSTS7000215: canary-secret"
            clock.ahead = issuer.life - 200
            await until(lambda: "AADSTS7000215" in caplog.text)
            emulator.callers.bearer = None
            failed = await failure_of(running.rooms.CreateRoom(CreateRoomRequest()))
    shown = f"{tokens!r} {tokens.signer!r} {MANAGED!r} {failed.status}"
    ours = [r.getMessage() for r in caplog.records if r.name.startswith(("gateway", "azure"))]
    assert "canary" not in shown
    assert "canary" not in "".join(ours)


@pytest.mark.parametrize("kind", list(EntraKind))
def test_a_token_is_never_to_go_over_plain_http_to_another_machine(kind: EntraKind) -> None:
    with pytest.raises(CredentialUnusable, match="never sent over http"):
        make_credential(EntraSettings(kind), Endpoint("http", "contoso.example", 80))


@pytest.mark.parametrize("token", ["", "two words", "line\r\nx-injected: 1", "naïve"], ids=repr)
@pytest.mark.usefixtures("issuer")
async def test_what_cannot_be_a_token_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    from aiohttp import web  # noqa: PLC0415 - for this test alone

    async def odd(_: web.Request) -> web.Response:
        return web.json_response({"access_token": token, "expires_in": "60", "resource": "r"})

    app = web.Application()
    app.router.add_get("/odd", odd)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{runner.addresses[0][1]}/odd")
    with pytest.raises(CredentialUnusable) as raised:
        await entra_tokens(MANAGED, NO_REPEATS)()
    await runner.cleanup()
    assert not token or token not in str(raised.value)


class Authority:
    """A Microsoft Entra authority over https, and files for identities that it knows."""

    def __init__(self, issuer: Issuer, folder: Path) -> None:
        self.issuer = issuer
        self.ca = folder / "ca.pem"
        self.secret = folder / "client-secret"
        self.secret.write_text("canary-secret\n")
        self.assertion = folder / "assertion"
        self.assertion.write_text("canary-assertion-1")

    def settings(self, kind: EntraKind) -> EntraSettings:
        return EntraSettings(
            kind,
            client_id="client",
            tenant_id="tenant",
            client_secret_file=self.secret if kind is EntraKind.CLIENT_SECRET else None,
            authority_host=self.issuer.url,
        )

    def tokens(self, kind: EntraKind) -> BearerTokens:
        options = {"connection_verify": str(self.ca), **NO_REPEATS}
        return BearerTokens(entra_tokens(self.settings(kind), options), sleep=moment)


@pytest.fixture
async def authority(tmp_path: Path) -> AsyncIterator[Authority]:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    async with issuing(context) as issuer:
        authority = Authority(issuer, tmp_path)
        ca.cert_pem.write_to_path(authority.ca)
        yield authority


async def test_a_client_secret_gets_a_token_for_the_scope_with_two_slashes(
    authority: Authority,
) -> None:
    kind = EntraKind.CLIENT_SECRET
    async with (
        Emulator(bearer=authority.issuer.accepts) as emulator,
        gateway_with(emulator, authority.settings(kind), authority.tokens(kind)) as running,
    ):
        await create(running)
    (request,) = authority.issuer.requests
    assert request["scope"] == "https://communication.azure.com//.default"
    assert request["client_secret"] == "canary-secret"


async def test_a_new_client_secret_in_the_file_is_used_for_the_next_token(
    authority: Authority,
) -> None:
    async with authority.tokens(EntraKind.CLIENT_SECRET) as tokens:
        authority.secret.write_text("another-secret")
        assert await tokens.replacement([tokens.signer])
    assert authority.issuer.requests[-1]["client_secret"] == "another-secret"


async def test_a_workload_identity_presents_the_projected_token_as_it_is_now(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(authority.assertion))
    async with authority.tokens(EntraKind.WORKLOAD_IDENTITY) as tokens:
        authority.assertion.write_text("canary-assertion-2")
        assert await tokens.replacement([tokens.signer])
    first, second = authority.issuer.requests
    assert first["scope"] == SCOPE
    assert (first["client_assertion"], second["client_assertion"]) == (
        "canary-assertion-1",
        "canary-assertion-2",
    )


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (EntraKind.MANAGED_IDENTITY, "HTTP status 401"),
        (EntraKind.WORKLOAD_IDENTITY, "AZURE_FEDERATED_TOKEN_FILE"),
    ],
)
async def test_a_source_that_gives_no_token_says_why_in_one_sentence(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, kind: EntraKind, why: str
) -> None:
    monkeypatch.delenv("AZURE_FEDERATED_TOKEN_FILE", raising=False)
    issuer.refusal = "canary"
    tokens = BearerTokens(entra_tokens(EntraSettings(kind), NO_REPEATS))
    with pytest.raises(CredentialUnusable, match=why) as raised:
        await tokens.__aenter__()
    assert "\n" not in str(raised.value)
    assert "canary" not in str(raised.value)


async def test_an_authority_that_cannot_be_reached_is_said_to_be_so(authority: Authority) -> None:
    authority.issuer.url = "https://localhost:1"
    with pytest.raises(CredentialUnusable, match="its issuer cannot be reached"):
        await authority.tokens(EntraKind.CLIENT_SECRET).__aenter__()


async def test_a_projected_token_that_is_not_there_says_so(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(authority.assertion))
    authority.assertion.unlink()
    with pytest.raises(CredentialUnusable, match="cannot be read"):
        await authority.tokens(EntraKind.WORKLOAD_IDENTITY).__aenter__()
