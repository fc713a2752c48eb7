"""The check of the upstream: which steps pass, and the first that fails."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from support.authority import Authority
from support.gateways import upstream_of
from support.upstreams import Script, answer, hang_up, scripted

from rooms_emulator import Emulator
from rooms_gateway.settings import Upstream
from rooms_gateway.upstream.check import CheckResult, check_upstream
from rooms_gateway.upstream.credentials import EntraKind, EntraSettings
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.route import DIRECT, Proxy, Route
from rooms_gateway.upstream.versions import DEFAULT_API_VERSION


async def results(upstream: Upstream) -> list[CheckResult]:
    return [
        result
        async for result in check_upstream(
            upstream.endpoint, upstream.credential, upstream.route, DEFAULT_API_VERSION
        )
    ]


def subjects(found: list[CheckResult]) -> str:
    """Return the subjects of the steps; of a failed one, with an exclamation mark."""
    assert all(bool(result.next_step) is not result.passed for result in found)
    return " ".join(f"{each.subject}{'' if each.passed else '!'}" for each in found)


async def test_all_steps_pass_in_front_of_the_emulator(emulator: Emulator) -> None:
    """The one request changes nothing."""
    found = await results(upstream_of(emulator))
    assert subjects(found) == "name connection response credential"
    assert [entry.method for entry in emulator.journal] == ["GET"]
    assert len(emulator.store) == 0


async def test_a_wrong_key_fails_as_credential(emulator: Emulator) -> None:
    upstream = Upstream.with_key(upstream_of(emulator).endpoint, b"another")
    found = await results(upstream)
    assert subjects(found) == "name connection response credential!"
    assert "HTTP status 401" in found[-1].description
    assert "access key" in found[-1].next_step


CODED = "x-ms-error-code: AnyCode"


@pytest.mark.parametrize(
    ("script", "steps"),
    [
        (answer(b"", "404 Not Found", CODED), "name connection response credential"),
        (answer(b"", "403 Forbidden", CODED), "name connection response credential!"),
        (answer(b"", "403 Forbidden"), "name connection response!"),
        (answer(b"", "404 Not Found"), "name connection response!"),
        (answer(b"", "503 Unavailable", CODED), "name connection response!"),
        (answer(b"", "401 Unauthorized"), "name connection response!"),
        (hang_up, "name connection response!"),
    ],
)
async def test_a_response_decides_the_last_steps(script: Script, steps: str) -> None:
    async with scripted(script) as server:
        assert subjects(await results(server.upstream)) == steps


async def test_a_closed_port_fails_as_connection() -> None:
    async with scripted(hang_up) as server:
        upstream = server.upstream
    found = await results(upstream)
    assert subjects(found) == "name connection!"
    assert found[-1].description == f"127.0.0.1:{upstream.endpoint.port}: connection refused"
    assert "--upstream-proxy" in found[-1].next_step


async def test_an_untrusted_certificate_fails_as_tls(tmp_path: Path) -> None:
    """With its CA, the step passes and names the issuer."""
    authority = Authority()
    issued, pair = authority.issue(), tmp_path / "pair.pem"
    pair.write_bytes(issued.certificate + issued.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair)

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n%b\r\n\r\n" % CODED.encode())
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0, ssl=context) as server:
        endpoint = Endpoint("https", "127.0.0.1", server.sockets[0].getsockname()[1])
        credential = Upstream.with_key(endpoint, b"key").credential
        untrusted = await results(Upstream(endpoint, credential, DIRECT))
        trusted = await results(Upstream(endpoint, credential, Route(authority.pem.decode())))
    assert subjects(untrusted) == "name connection TLS!"
    assert "--upstream-ca" in untrusted[-1].description
    assert f"openssl s_client -connect 127.0.0.1:{endpoint.port}" in untrusted[-1].next_step
    assert subjects(trusted) == "name connection TLS response credential"
    assert "certificate of trustme" in trusted[2].description


async def test_a_rejecting_proxy_fails_as_proxy() -> None:
    async with scripted(answer(b"", "403 Forbidden")) as server:
        upstream = Upstream.with_key(Endpoint("https", "contoso.example", 443), b"key")
        route = Route(proxy=Proxy("127.0.0.1", server.port))
        found = await results(Upstream(upstream.endpoint, upstream.credential, route))
    assert subjects(found) == "name connection proxy!"
    assert "HTTP status 403" in found[-1].description


async def test_a_missing_token_fails_as_credential(emulator: Emulator, tmp_path: Path) -> None:
    missing = tmp_path / "secret"
    entra = EntraSettings(EntraKind.CLIENT_SECRET, "client", "tenant", missing)
    found = await results(Upstream(upstream_of(emulator).endpoint, entra))
    assert subjects(found) == "name connection credential!"
    assert f"cannot read {missing}" in found[-1].description
