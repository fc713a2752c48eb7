"""The emulator over HTTPS: links, faults, shutdown, and clients with mistakes."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientError, ClientSession
from support.gateways import until
from support.signed_requests import Client, Signer, exchange

from rooms_emulator import DevelopmentTls, Emulator, Fault, preset
from rooms_emulator.faults.presets import PRESETS


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentTls:
    return DevelopmentTls(folder=tmp_path_factory.mktemp("ca"))


@pytest.fixture
async def emulator(tls: DevelopmentTls) -> AsyncIterator[Emulator]:
    async with Emulator(tls=tls.context, participants_page_size=4) as running:
        yield running


@pytest.fixture
async def session(tls: DevelopmentTls) -> AsyncIterator[ClientSession]:
    connector = aiohttp.TCPConnector(ssl=trusting(tls))
    async with ClientSession(connector=connector) as opened:
        yield opened


@pytest.fixture
def client(session: ClientSession, emulator: Emulator) -> Client:
    return client_of(session, emulator.endpoint)


def client_of(session: ClientSession, endpoint: str) -> Client:
    client = Client(session, endpoint)
    client.signer.host = endpoint.partition("://")[2]
    return client


def trusting(tls: DevelopmentTls) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=tls.ca_file)


def address_of(emulator: Emulator) -> tuple[str, int]:
    host, _, port = emulator.endpoint.removeprefix("https://").rpartition(":")
    return host, int(port)


async def test_links_have_scheme_and_port(emulator: Emulator, client: Client) -> None:
    emulator.store.seed(61)
    assert emulator.endpoint.startswith("https://127.0.0.1:")
    assert emulator.connection_string.startswith(f"endpoint={emulator.endpoint}/;accesskey=")
    pages = [page async for page in client.pages("/rooms")]
    assert [len(page["value"]) for page in pages] == [30, 30, 1]
    [room_id] = emulator.store.seed(1, participants=9)
    assert len(await client.roster(room_id)) == 9


async def test_localhost_and_errors(emulator: Emulator, client: Client) -> None:
    """The address in an error is the one that the client used."""
    client.endpoint = f"https://localhost:{address_of(emulator)[1]}"
    client.signer.host = client.endpoint.removeprefix("https://")
    response = await client.call("GET", "/rooms", version="2020-01-01")
    assert f"'{client.endpoint}/rooms'" in response.error["message"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_host_without_port(emulator: Emulator, client: Client, host: str) -> None:
    """As Microsoft's client for Java sends and signs it: the link has the port."""
    emulator.store.seed(31)
    client.signer.host = host
    page = await client.call("GET", "/rooms", headers={"Host": host})
    port = address_of(emulator)[1]
    assert page.json["nextLink"].startswith(f"https://{host}:{port}/rooms?nextLink=")


async def test_browsers_need_not_use_https(client: Client) -> None:
    """Strict-Transport-Security would hold for all ports of localhost."""
    response = await client.call("GET", "/rooms")
    assert "Strict-Transport-Security" not in response.headers


PROXIED = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "rooms.test:8443"}


@pytest.mark.parametrize("signed", ["rooms.test:8443", "rooms.test"])
async def test_a_proxy_that_replaces_the_host(session: ClientSession, signed: str) -> None:
    """The client signs the host that it used, with or without its port."""
    async with Emulator(trust_forwarded=True) as emulator:
        emulator.store.seed(31)
        client = client_of(session, emulator.endpoint)
        client.signer = Signer(signed)
        page = await client.call("GET", "/rooms", headers=PROXIED)
        assert page.json["nextLink"].startswith("https://rooms.test:8443/rooms?nextLink=")
        assert "Strict-Transport-Security" not in page.headers


async def test_other_hosts_are_no_proxies(session: ClientSession) -> None:
    async with Emulator() as emulator:
        client = client_of(session, emulator.endpoint)
        client.signer = Signer("rooms.test:8443")
        assert (await client.call("GET", "/rooms", headers=PROXIED)).status == 401


async def test_a_public_url(session: ClientSession) -> None:
    async with Emulator(public_url="https://rooms.test:8443/") as emulator:
        emulator.store.seed(31)
        assert emulator.connection_string.startswith("endpoint=https://rooms.test:8443/;accesskey=")
        client = client_of(session, emulator.endpoint)
        for signed in (client.signer.host, "rooms.test:8443", "rooms.test"):
            client.signer = Signer(signed)
            page = await client.call("GET", "/rooms")
            assert page.json["nextLink"].startswith("https://rooms.test:8443/rooms?nextLink=")


async def test_the_separate_control_api_has_tls(
    tls: DevelopmentTls, session: ClientSession
) -> None:
    async with Emulator(tls=tls.context, control_listen="127.0.0.1:0") as emulator:
        assert emulator.control_endpoint.startswith("https://127.0.0.1:")
        control = client_of(session, emulator.control_endpoint)
        assert (await control.control("GET", "clock")).status == 200


async def test_an_unspecified_address(tls: DevelopmentTls) -> None:
    """No certificate is for it, so the endpoint is a loopback address."""
    async with Emulator(listen="0.0.0.0:0", tls=tls.context) as emulator:
        assert emulator.endpoint.startswith("https://127.0.0.1:")


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "gzip-bomb"])
async def test_faults(name: str, emulator: Emulator, client: Client) -> None:
    """Each is injected, and the emulator works again after a reset."""
    emulator.store.seed(31)
    fault = preset(name)
    emulator.faults.add(Fault(**{**_members(fault), "latency": 0.0, "drip": None}))
    try:
        async with asyncio.timeout(20):
            await client.call("GET", "/rooms")
    except (ClientError, ValueError):
        pass
    assert [rule.matched for rule in emulator.faults.list()] == [1]
    await until(lambda: not emulator._listener._busy)
    emulator.reset()
    emulator.refuse(0)
    await until(lambda: emulator._listener._bound is not None)
    assert (await client.call("GET", "/rooms")).status == 200


def _members(fault: Fault) -> dict[str, Any]:
    return {name: getattr(fault, name) for name in Fault.__struct_fields__}


async def test_links_of_presets_have_the_scheme(emulator: Emulator, client: Client) -> None:
    emulator.store.seed(31)
    emulator.faults.add(preset("looping-next-link"))
    link = (await client.call("GET", "/rooms")).json["nextLink"]
    assert link.startswith(f"{emulator.endpoint}/rooms?")


async def test_a_refusal_ends_tls_connections(
    emulator: Emulator, client: Client, tls: DevelopmentTls
) -> None:
    reader, writer = await asyncio.open_connection(
        *address_of(emulator), ssl=trusting(tls), server_hostname="localhost"
    )
    emulator.refuse(3600)
    assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()
    with pytest.raises(ClientError):
        await client.call("GET", "/rooms")
    emulator.refuse(0)
    await until(lambda: emulator._listener._bound is not None)
    assert (await client.call("GET", "/rooms")).status == 200


async def test_plain_http_leads_to_a_hint(
    emulator: Emulator, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    sent = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    await exchange(f"http://{emulator.endpoint.removeprefix('https://')}", sent)
    await until(lambda: "the client uses http://; use https://" in caplog.text)
    assert (await client.call("GET", "/rooms")).status == 200


async def test_a_client_that_lacks_the_ca(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The clients of asyncio send no alert, so this one blocks."""
    with socket.socket() as connection:
        await asyncio.to_thread(connection.connect, address_of(emulator))
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.to_thread(
                ssl.create_default_context().wrap_socket, connection, server_hostname="localhost"
            )
    await until(lambda: "the client does not trust the CA of the certificate" in caplog.text)


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"\x16\x03\x01\xff\xff" + bytes(100)])
async def test_clients_that_leave_a_handshake(
    emulator: Emulator, client: Client, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """As probes do; neither is an error of the emulator."""
    for _ in range(20):
        _, writer = await asyncio.open_connection(*address_of(emulator))
        writer.write(sent)
        writer.close()
        await writer.wait_closed()
    assert (await client.call("GET", "/rooms")).status == 200
    await until(lambda: not emulator._listener._accepting)
    gc.collect()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_stop_does_not_wait_for_handshakes(tls: DevelopmentTls) -> None:
    """Nor for connections without a request, or clients that read nothing."""
    with socket.socket() as silent, socket.socket() as idle:
        emulator = Emulator(tls=tls.context)
        async with emulator:
            await asyncio.to_thread(silent.connect, address_of(emulator))
            await asyncio.to_thread(idle.connect, address_of(emulator))
            wrapped = await asyncio.to_thread(
                trusting(tls).wrap_socket, idle, server_hostname="localhost"
            )
            await until(lambda: len(emulator._listener._accepting) == 1)
        assert not emulator._listener._accepting
        wrapped.settimeout(20)
        assert await asyncio.to_thread(wrapped.recv, 1) == b""
        wrapped.close()
    gc.collect()


async def test_many_handshakes_at_once(emulator: Emulator, tls: DevelopmentTls) -> None:
    async def one() -> None:
        connector = aiohttp.TCPConnector(ssl=trusting(tls))
        async with ClientSession(connector=connector) as session:
            assert (await client_of(session, emulator.endpoint).create())["id"]

    await asyncio.gather(*(one() for _ in range(30)))
    assert len(emulator.store) == 30


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_versions_of_tls(
    emulator: Emulator, tls: DevelopmentTls, version: ssl.TLSVersion
) -> None:
    context = trusting(tls)
    context.minimum_version = context.maximum_version = version
    async with ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        assert (await client_of(session, emulator.endpoint).create())["id"]


def test_the_ca_has_a_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert DevelopmentTls().ca_file == tmp_path / "rooms-gateway/emulator-ca.pem"
