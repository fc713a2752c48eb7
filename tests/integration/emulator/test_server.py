"""Startup, shutdown and defects of the emulator."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import warnings
from pathlib import Path
from random import Random

import pytest
from aiohttp import ClientConnectionError
from support.signed_requests import Client, client_session

from rooms_emulator import DEVELOPMENT_KEY, Emulator, Fault, preset

DESCRIPTORS = Path("/proc/self/fd")


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_connection_string() -> None:
    async with Emulator() as emulator:
        assert emulator.connection_string == (
            f"endpoint={emulator.endpoint}/;accesskey={DEVELOPMENT_KEY}"
        )
        host, _, port = emulator.endpoint.rpartition(":")
        assert (host, int(port) > 0) == ("http://127.0.0.1", True)


async def test_two_emulators_cannot_share_a_port() -> None:
    async with Emulator() as first:
        address = first.endpoint.removeprefix("http://")
        second = Emulator(listen=address)
        with pytest.raises(OSError, match=f"cannot listen on {address}: Address already in use"):
            await second.start()
        await second.stop()


async def test_start_while_running_is_an_error() -> None:
    async with Emulator() as emulator:
        with pytest.raises(RuntimeError, match="already running"):
            await emulator.start()


@pytest.mark.parametrize("listen", ["", "8125", ":8125", "localhost", "[::1]:", "h:-1", "h:65536"])
def test_a_malformed_address_is_an_error(listen: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        Emulator(listen=listen)


async def test_an_unassigned_address_is_an_error() -> None:
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1:0: Cannot assign"):
        await Emulator(listen="192.0.2.1:0").start()


async def test_ipv6() -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("this host has no IPv6")
    async with Emulator(listen="[::1]:0") as emulator, client_session() as session:
        assert emulator.endpoint.startswith("http://[::1]:")
        assert (await Client(session, emulator.endpoint).create())["id"]


async def test_a_restart_keeps_port_and_rooms() -> None:
    emulator = Emulator()
    async with emulator, client_session() as session:
        endpoint = emulator.endpoint
        room = await Client(session, endpoint).create()
    async with emulator, client_session() as session:
        assert emulator.endpoint == endpoint
        assert (await Client(session, endpoint).call("GET", f"/rooms/{room['id']}")).json == room


async def test_stop_closes_connections() -> None:
    """Stop closes idle connections, and those with a delayed response."""
    async with client_session() as session:
        emulator = Emulator()
        async with emulator:
            client = Client(session, emulator.endpoint)
            await client.create()
            emulator.faults.add(Fault(latency=3600))
            hanging = asyncio.create_task(client.create())
            for _ in range(1000):
                if len(emulator.journal) == 2:
                    break
                await asyncio.sleep(0.001)
        with pytest.raises(ClientConnectionError):
            await hanging
        with pytest.raises(ClientConnectionError):
            await client.create()
        await emulator.stop()


async def test_the_same_seed_makes_the_same_rooms() -> None:
    stores = [Emulator(random=Random(7), clock=lambda: 10**18).store for _ in range(2)]
    first, second = ([store.get(room_id) for room_id in store.seed(50)] for store in stores)
    assert first == second


async def test_room_ids_are_unique() -> None:
    ids = iter(["99400000000000001", "99400000000000001", "99400000000000002"])
    store = Emulator(new_room_id=lambda: next(ids)).store
    assert store.seed(2) == ["99400000000000001", "99400000000000002"]


async def test_a_defect_is_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log names the request, and the response exposes nothing."""

    def broken() -> str:
        raise ZeroDivisionError("inside")

    async with Emulator(new_room_id=broken) as emulator, client_session() as session:
        with caplog.at_level(logging.ERROR):
            response = await Client(session, emulator.endpoint).call("POST", "/rooms", {})
    assert (response.status, response.error) == (
        500,
        {"code": "InternalServerError", "message": "Internal Server Error."},
    )
    assert "Internal error in the response to POST /rooms?api-version=2025-03-13" in caplog.text


async def request_rooms(emulator: Emulator, client: socket.socket) -> None:
    """Send a request, and wait for the first byte of its response."""
    loop = asyncio.get_running_loop()
    client.setblocking(False)
    host, port = emulator.endpoint.removeprefix("http://").split(":")
    await loop.sock_connect(client, (host, int(port)))
    await loop.sock_sendall(client, b"GET /rooms HTTP/1.1\r\nHost: emulator\r\n\r\n")
    assert await loop.sock_recv(client, 1)


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="requires /proc/self/fd")
async def test_stop_closes_stalled_connections() -> None:
    """A client that reads no response does not keep its connection open."""
    with socket.socket() as client:
        before = sorted(names_in(DESCRIPTORS))
        async with Emulator() as emulator:
            emulator.faults.add(preset("huge-body"))
            await request_rooms(emulator, client)
        assert sorted(names_in(DESCRIPTORS)) == before


async def test_an_early_disconnect_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Emulator() as emulator:
        emulator.faults.add(preset("slow-drip", drip=100.0))
        with socket.socket() as client:
            await request_rooms(emulator, client)
    assert caplog.messages == []


@pytest.mark.parametrize("rounds", range(4))
async def test_no_connection_leaks_during_a_refusal(rounds: int) -> None:
    """A connection that arrives in any of four iterations leaves no ResourceWarning."""
    async with Emulator() as emulator:
        host, port = emulator.endpoint.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))):
            for _ in range(rounds):
                await asyncio.sleep(0)
            emulator.refuse(3600)
            await asyncio.sleep(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gc.collect()
    assert [str(each.message) for each in caught] == []
