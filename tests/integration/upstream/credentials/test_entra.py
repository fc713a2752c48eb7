"""Sources of Entra ID tokens, and the requests for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.entra_issuer import (
    MANAGED,
    NO_REPEATS,
    Issuer,
    certificate,
    create,
    gateway_with,
    issuing,
    moment,
)
from support.gateways import Running

from rooms_emulator import Emulator
from rooms_gateway.upstream.credentials import (
    CredentialError,
    EntraKind,
    EntraSettings,
    make_credential,
)
from rooms_gateway.upstream.credentials.bearer import BearerTokens
from rooms_gateway.upstream.credentials.entra import SCOPE, entra_tokens
from rooms_gateway.upstream.endpoint import Endpoint


async def test_a_managed_identity_token_is_cached(emulator: Emulator, issuer: Issuer) -> None:
    """Five calls cost one token request, for the resource of the Rooms service."""
    async with gateway_with(emulator, MANAGED) as running:
        for _ in range(5):
            await create(running)
    assert [request["resource"] for request in issuer.requests] == [SCOPE.removesuffix("/.default")]
    assert issuer.headers[0]["X-IDENTITY-HEADER"] == "canary-header"


async def test_instance_metadata_is_the_fallback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without an endpoint in the environment, the managed identity uses IMDS."""
    async with issuing() as issuer, Emulator(bearer=issuer.accepts) as emulator:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", issuer.url)
        async with gateway_with(
            emulator, EntraSettings(EntraKind.MANAGED_IDENTITY, client_id="client")
        ) as running:
            await create(running)
    assert issuer.headers[0]["Metadata"] == "true"
    assert issuer.requests[0]["client_id"] == "client"


async def test_the_default_chain_uses_managed_identity(emulator: Emulator, issuer: Issuer) -> None:
    async with gateway_with(emulator, EntraSettings(EntraKind.DEFAULT)) as running:
        await create(running)
    assert issuer.requests


async def test_bearer_requests_have_no_date_or_hash(running: Running, emulator: Emulator) -> None:
    await create(running)
    (entry,) = emulator.journal
    assert entry.headers["Authorization"] == "Bearer canary-token-1"
    assert not {"x-ms-date", "x-ms-content-sha256"} & {name.lower() for name in entry.headers}


@pytest.mark.proves("S39")
@pytest.mark.parametrize("kind", list(EntraKind))
def test_tokens_over_plaintext_require_loopback(kind: EntraKind) -> None:
    with pytest.raises(CredentialError, match="unencrypted to loopback only"):
        make_credential(EntraSettings(kind), Endpoint("http", "contoso.example", 80))


@pytest.mark.parametrize("token", ["", "two words", "line\r\nx-injected: 1", "naïve"], ids=repr)
@pytest.mark.usefixtures("issuer")
async def test_a_malformed_token_is_rejected(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    """The error does not contain it."""
    from aiohttp import web

    async def odd(_: web.Request) -> web.Response:
        return web.json_response({"access_token": token, "expires_in": "60", "resource": "r"})

    app = web.Application()
    app.router.add_get("/odd", odd)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{runner.addresses[0][1]}/odd")
    with pytest.raises(CredentialError) as raised:
        await entra_tokens(MANAGED, NO_REPEATS)()
    await runner.cleanup()
    assert not token or token not in str(raised.value)


class Authority:
    """A Microsoft Entra authority over https, with files for its identities."""

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
    async with issuing(certificate(tmp_path / "ca.pem")) as issuer:
        yield Authority(issuer, tmp_path)


async def test_a_client_secret_requests_the_scope(
    authority: Authority,
) -> None:
    """The scope has two slashes: the resource of the Rooms service ends with one."""
    kind = EntraKind.CLIENT_SECRET
    async with (
        Emulator(bearer=authority.issuer.accepts) as emulator,
        gateway_with(emulator, authority.settings(kind), authority.tokens(kind)) as running,
    ):
        await create(running)
    (request,) = authority.issuer.requests
    assert request["scope"] == "https://communication.azure.com//.default"
    assert request["client_secret"] == "canary-secret"


async def test_a_changed_client_secret_is_reloaded(
    authority: Authority,
) -> None:
    async with authority.tokens(EntraKind.CLIENT_SECRET) as tokens:
        authority.secret.write_text("another-secret")
        assert await tokens.replacement([tokens.signer])
    assert authority.issuer.requests[-1]["client_secret"] == "another-secret"


async def test_a_rotated_projected_token_is_reloaded(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each token request of a workload identity reads the file again."""
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
    ("kind", "cause"),
    [
        (EntraKind.MANAGED_IDENTITY, "HTTP status 401"),
        (EntraKind.WORKLOAD_IDENTITY, "AZURE_FEDERATED_TOKEN_FILE"),
    ],
)
async def test_a_failed_token_request_names_its_cause(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, kind: EntraKind, cause: str
) -> None:
    """The error is one line and contains no response body."""
    monkeypatch.delenv("AZURE_FEDERATED_TOKEN_FILE", raising=False)
    issuer.refusal = "canary"
    tokens = BearerTokens(entra_tokens(EntraSettings(kind), NO_REPEATS))
    with pytest.raises(CredentialError, match=cause) as raised:
        await tokens.__aenter__()
    assert "\n" not in str(raised.value)
    assert "canary" not in str(raised.value)


async def test_an_unreachable_authority_is_an_error(authority: Authority) -> None:
    authority.issuer.url = "https://localhost:1"
    with pytest.raises(CredentialError, match="the issuer is unreachable"):
        await authority.tokens(EntraKind.CLIENT_SECRET).__aenter__()


async def test_a_missing_projected_token_is_an_error(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(authority.assertion))
    authority.assertion.unlink()
    with pytest.raises(CredentialError, match="cannot read"):
        await authority.tokens(EntraKind.WORKLOAD_IDENTITY).__aenter__()
