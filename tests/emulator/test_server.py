"""Starting, stopping, and what an emulator keeps."""

import asyncio
import gc
import logging
import socket
import warnings
from pathlib import Path
from random import Random

import pytest
from aiohttp import ClientConnectionError
from emulator.signing_client import Client, client_session
from people import user

from rooms_emulator import DEVELOPMENT_KEY, Emulator, Fault, preset

DESCRIPTORS = Path("/proc/self/fd")


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_the_connection_string_is_what_clients_take() -> None:
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


async def test_an_emulator_runs_once_at_a_time() -> None:
    async with Emulator() as emulator:
        with pytest.raises(RuntimeError, match="already running"):
            await emulator.start()


@pytest.mark.parametrize("listen", ["", "8125", ":8125", "localhost", "[::1]:", "h:-1", "h:65536"])
def test_an_address_that_cannot_be_read_is_refused_at_once(listen: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        Emulator(listen=listen)


async def test_an_address_of_another_machine_is_a_clear_error() -> None:
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1:0: Cannot assign"):
        await Emulator(listen="192.0.2.1:0").start()


async def test_it_listens_on_ipv6_too() -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("there is no IPv6 here")
    async with Emulator(listen="[::1]:0") as emulator, client_session() as session:
        assert emulator.endpoint.startswith("http://[::1]:")
        assert (await Client(session, emulator.endpoint).create())["id"]


async def test_after_a_restart_it_has_its_port_and_its_rooms() -> None:
    emulator = Emulator()
    async with emulator, client_session() as session:
        endpoint = emulator.endpoint
        room = await Client(session, endpoint).create()
    async with emulator, client_session() as session:
        assert emulator.endpoint == endpoint
        assert (await Client(session, endpoint).call("GET", f"/rooms/{room['id']}")).json == room


async def test_stop_ends_idle_connections_and_requests_that_hang() -> None:
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


async def test_an_id_that_is_taken_is_not_used_again() -> None:
    ids = iter(["99400000000000001", "99400000000000001", "99400000000000002"])
    store = Emulator(new_room_id=lambda: next(ids)).store
    assert store.seed(2) == ["99400000000000001", "99400000000000002"]


async def test_rooms_live_on_in_a_file(tmp_path: Path) -> None:
    """With their rosters, their order, and the places of deleted ones."""
    file = tmp_path / "rooms.json"
    async with Emulator(file=file) as emulator, client_session() as session:
        client = Client(session, emulator.endpoint)
        room = await client.create(participants={user(2): {}, user(1): {"role": "Presenter"}})
        emulator.store.seed(35, deleted=True)
        emulator.store.seed(5)
        rooms = [page async for page in client.pages("/rooms")]
        people = await client.roster(room["id"])
    async with Emulator(file=file) as emulator, client_session() as session:
        client = Client(session, emulator.endpoint)
        again = [page async for page in client.pages("/rooms")]
        assert [page["value"] for page in again] == [page["value"] for page in rooms]
        assert await client.roster(room["id"]) == people
        await client.create()
        assert len((await client.call("GET", "/rooms")).json["value"]) == 6
    assert names_in(tmp_path) == ["rooms.json"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"records": 1}', "\xff"])
async def test_a_file_of_something_else_is_refused_and_left_alone(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "rooms.json"
    file.write_text(text)
    with pytest.raises(ValueError, match="is not a file with rooms of an emulator"):
        await Emulator(file=file).start()
    assert file.read_text() == text


async def test_a_fault_of_ours_is_told_in_the_words_of_the_service(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log names the request, and the answer gives nothing away."""

    def broken() -> str:
        raise ZeroDivisionError("inside")

    async with Emulator(new_room_id=broken) as emulator, client_session() as session:
        with caplog.at_level(logging.ERROR):
            answer = await Client(session, emulator.endpoint).call("POST", "/rooms", {})
    assert (answer.status, answer.error) == (
        500,
        {"code": "InternalServerError", "message": "Internal Server Error."},
    )
    assert "Internal error in the response to POST /rooms?api-version=2025-03-13" in caplog.text


async def ask_for_rooms(emulator: Emulator, client: socket.socket) -> None:
    """Send a request, and wait until there is something of its answer to read."""
    loop = asyncio.get_running_loop()
    client.setblocking(False)
    host, port = emulator.endpoint.removeprefix("http://").split(":")
    await loop.sock_connect(client, (host, int(port)))
    await loop.sock_sendall(client, b"GET /rooms HTTP/1.1\r\nHost: emulator\r\n\r\n")
    assert await loop.sock_recv(client, 1)


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="counts descriptors as Linux has it")
async def test_a_stop_closes_connections_whose_answers_nobody_reads() -> None:
    with socket.socket() as client:
        before = sorted(names_in(DESCRIPTORS))
        async with Emulator() as emulator:
            emulator.faults.add(preset("huge-body"))
            await ask_for_rooms(emulator, client)
        assert sorted(names_in(DESCRIPTORS)) == before


async def test_a_client_that_leaves_before_the_end_of_an_answer_is_nothing_to_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Emulator() as emulator:
        emulator.faults.add(preset("slow-drip", drip=100.0))
        with socket.socket() as client:
            await ask_for_rooms(emulator, client)
    assert caplog.messages == []


@pytest.mark.parametrize("rounds", range(4))
async def test_a_connection_that_arrives_with_a_refusal_is_not_left_half_made(rounds: int) -> None:
    """Whenever in the rounds of the event loop it comes: the collector warns of such a one."""
    async with Emulator() as emulator:
        host, port = emulator.endpoint.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))):
            for _ in range(rounds):
                await asyncio.sleep(0)
            emulator.refuse(3600)
            await asyncio.sleep(0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        gc.collect()
    assert [str(each.message) for each in told] == []
