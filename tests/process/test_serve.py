"""`rooms-gateway serve` as a process: signals, exit codes, addresses, log lines."""

from __future__ import annotations

import asyncio
import base64
import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from acs.rooms.v1 import participants_pb2, participants_service_pb2_grpc, rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import (
    CreateRoomRequest,
    DeleteRoomRequest,
    GetRoomRequest,
    ListRoomsRequest,
)
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.commands import REFUSING, Process, run, started
from support.gateways import collect, failure_of, until
from support.upstreams import answer, held, scripted, silence

from rooms_emulator import Emulator, Fault

TERM, INT, KILL = signal.SIGTERM, signal.SIGINT, signal.SIGKILL

LONG_GRACE = "300"
"""A grace in seconds that exceeds the timeout of a test."""

either_signal = pytest.mark.parametrize("number", [TERM, INT], ids=lambda each: each.name)


@asynccontextmanager
async def serving(connection_string: str, *arguments: str) -> AsyncIterator[tuple[Process, Any]]:
    """Run a gateway on a free port; yield it and a channel to it."""
    async with (
        started(
            *("serve", "--listen", "127.0.0.1:0", "--connection-string", connection_string),
            *("--log-format", "console"),
            *arguments,
        ) as process,
        grpc.aio.insecure_channel(await process.address()) as channel,
    ):
        yield process, channel


def get_room(channel: Any, room: str) -> Any:
    return rooms_service_pb2_grpc.RoomsServiceStub(channel).GetRoom(GetRoomRequest(room_id=room))


async def refuses(process: Process) -> None:
    """Wait until the gateway accepts no new connection."""
    host, _, port = (await process.address()).rpartition(":")

    def refused() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) != 0

    await until(refused)


# --- shutdown -------------------------------------------------------------------------------------


@either_signal
async def test_signal_drains_calls_with_exit_code_0(number: signal.Signals) -> None:
    """A health watch is notified, and does not delay the shutdown."""
    release = asyncio.Event()
    async with scripted(held(release, answer(b"", "204 No Content"))) as upstream:
        string = f"endpoint=http://127.0.0.1:{upstream.port};accesskey=a2V5"
        async with serving(string, "--drain-grace", LONG_GRACE) as (process, channel):
            health: Any = health_pb2_grpc.HealthStub(channel)
            watch = aiter(health.Watch(health_pb2.HealthCheckRequest()))
            assert (await anext(watch)).status == health_pb2.HealthCheckResponse.SERVING
            rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)
            request = DeleteRoomRequest(room_id="1")
            calls = [asyncio.ensure_future(rooms.DeleteRoom(request).code()) for _ in range(20)]
            await until(lambda: len(upstream.requests) == 20)
            process.signal(number)
            await refuses(process)
            assert (await anext(watch)).status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert not process.ended
            release.set()
            assert set(await asyncio.gather(*calls)) == {grpc.StatusCode.OK}
            assert await process.exit_code() == 0
    assert process.err.count("code=OK") == 20
    assert "Traceback" not in process.err


@either_signal
async def test_second_signal_forces_exit_with_code_1(number: signal.Signals) -> None:
    """Calls in flight get a status."""
    async with scripted(silence) as upstream:
        string = f"endpoint=http://127.0.0.1:{upstream.port};accesskey=a2V5"
        async with serving(string, "--drain-grace", LONG_GRACE) as (process, channel):
            call = asyncio.ensure_future(get_room(channel, "1").code())
            await until(lambda: len(upstream.requests) == 1)
            process.signal(number)
            await refuses(process)
            process.signal(number)
            assert await process.exit_code() == 1
            assert await call is grpc.StatusCode.UNAVAILABLE
    assert process.err.endswith("rooms-gateway: shut down at once, because of a second signal.\n")
    assert "Traceback" not in process.err


ZERO = "--exit-zero-on-sigterm"


@pytest.mark.parametrize(
    ("number", "flags", "code"), [(TERM, [], 5), (INT, [], 5), (TERM, [ZERO], 0), (INT, [ZERO], 5)]
)
async def test_call_beyond_drain_grace_is_exit_code_5(
    number: signal.Signals, flags: list[str], code: int
) -> None:
    """Or 0 after SIGTERM with the flag; the call gets a status."""
    async with scripted(silence) as upstream:
        string = f"endpoint=http://127.0.0.1:{upstream.port};accesskey=a2V5"
        async with serving(string, "--drain-grace", "0.1", *flags) as (process, channel):
            call = asyncio.ensure_future(get_room(channel, "1").code())
            await until(lambda: len(upstream.requests) == 1)
            process.signal(number)
            assert await process.exit_code() == code
            assert await call is grpc.StatusCode.UNAVAILABLE
    assert process.err.endswith("rooms-gateway: calls outlasted --drain-grace and were ended.\n")
    assert "Traceback" not in process.err


@pytest.mark.parametrize("second", [TERM, INT], ids=lambda each: each.name)
async def test_forced_shutdown_with_flag_is_exit_code_0(second: signal.Signals) -> None:
    """If SIGTERM was the first signal."""
    async with scripted(silence) as upstream:
        string = f"endpoint=http://127.0.0.1:{upstream.port};accesskey=a2V5"
        async with serving(string, "--drain-grace", LONG_GRACE, ZERO) as (process, channel):
            call = asyncio.ensure_future(get_room(channel, "1").code())
            await until(lambda: len(upstream.requests) == 1)
            process.signal(TERM)
            await refuses(process)
            process.signal(second)
            assert await process.exit_code() == 0
            assert await call is grpc.StatusCode.UNAVAILABLE


async def test_startup_error_with_flag_is_exit_code_3() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert (await run("serve", *REFUSING, "--listen", address, ZERO)).code == 3


# --- addresses ------------------------------------------------------------------------------------


@pytest.mark.proves("S4")
async def test_port_in_use_is_exit_code_3(emulator: Emulator) -> None:
    """With the reason, and all connections still reach the first gateway."""
    async with serving(emulator.connection_string) as (process, channel):
        address = await process.address()
        second = await run("serve", *REFUSING, "--listen", address)
        assert second.code == 3
        assert second.out == ""
        assert second.err.startswith(
            f"rooms-gateway: cannot listen on {address}: the address is in use: stop the other "
            "process, choose another address with --listen, or pass --reuse-port to all gateways "
            "that are to share it"
        )
        # Nothing else: a line of grpc's log would not be JSON.
        assert second.err.count("\n") == 1
        for _ in range(5):
            assert await get_room(channel, "99400000000000000").code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.proves("S4")
async def test_unix_socket_is_exclusive_to_one_process(emulator: Emulator, tmp_path: Path) -> None:
    """Until the process ends, even by SIGKILL, which leaves the file."""
    address = f"unix:{tmp_path}/socket"
    command = ("serve", "--connection-string", emulator.connection_string, "--listen", address)
    async with started(*command) as first:
        assert await first.address() == address
        second = await run(*command)
        assert second.code == 3
        assert f"rooms-gateway: cannot listen on {address}: another gateway is" in second.err
        assert "Traceback" not in second.err
        first.signal(KILL)
        await first.exit_code()
    assert (tmp_path / "socket").exists()
    async with started(*command) as third:
        assert await third.address() == address
        async with grpc.aio.insecure_channel(address) as channel:
            assert await get_room(channel, "99400000000000000").code() is grpc.StatusCode.NOT_FOUND
        third.signal(TERM)
        assert await third.exit_code() == 0
    assert not (tmp_path / "socket").exists()


async def test_every_listener_is_printed_and_serves(emulator: Emulator, tmp_path: Path) -> None:
    socket_file = f"unix:{tmp_path}/socket"
    async with serving(
        emulator.connection_string, "--listen", socket_file, "--listen", "127.0.0.1:0"
    ) as (process, _):
        await process.line(f"rooms-gateway is ready on ({socket_file})")
        await until(lambda: process.out.count("ready on") == 3)
        addresses = re.findall("rooms-gateway is ready on (.*)", process.out)
        assert len(set(addresses)) == 3
        assert not any(address.endswith(":0") for address in addresses)
        for address in addresses:
            async with grpc.aio.insecure_channel(address) as channel:
                code = await get_room(channel, "99400000000000000").code()
                assert code is grpc.StatusCode.NOT_FOUND


# --- log lines ------------------------------------------------------------------------------------

KEY = base64.b64encode(b"canary of a key").decode()
PERSON = "8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_canary-of-a-person"
PHONE = "4:+15550100123"


@pytest.mark.proves("S28")
@pytest.mark.parametrize("level", ["info", "debug"])
async def test_each_call_is_one_line_without_secrets(level: str) -> None:
    async with (
        Emulator(access_key=KEY) as emulator,
        serving(emulator.connection_string, "--log-level", level) as (process, channel),
    ):
        calls = await _calls_of_all_kinds(emulator, channel)
        process.signal(TERM)
        assert await process.exit_code() == 0
    lines = [line for line in process.err.splitlines() if " rooms_gateway.calls " in line]
    assert len(lines) == calls
    pattern = re.compile(
        r"\S+ \S+ INFO rooms_gateway\.calls method=/acs\.rooms\.v1\.\w+/\w+ code=[A-Z_]+ "
        r"reason=(-|[A-Z_]+) ms=\d+\.\d attempts=\d request_id=[\w-]{1,128} upstream_id=\S+ "
        r"peer=tcp caller=- trace_id=-"
    )
    assert [line for line in lines if not pattern.fullmatch(line)] == []
    written = process.out + process.err
    for secret in (KEY, "canary", "5550100123", "AccessKey(b", "Traceback", "Signature="):
        assert secret not in written, secret
    if level == "info":
        # Only the dropped connections and their end are logged at this level in addition.
        others = [line for line in process.err.splitlines() if line not in lines]
        assert [".failure_log " in line for line in others] == [True, True]


async def _calls_of_all_kinds(emulator: Emulator, channel: Any) -> int:
    """Make calls that carry canaries in and out; return their number."""
    [room] = emulator.store.seed(1)
    rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)
    participants = participants_service_pb2_grpc.ParticipantsServiceStub(channel)

    def upsert(raw_id: str) -> Any:
        return participants.UpsertParticipants(
            participants_pb2.UpsertParticipantsRequest(
                room_id=room, participants=[participants_pb2.Participant(raw_id=raw_id)]
            )
        )

    await rooms.CreateRoom(CreateRoomRequest(), metadata=[("x-request-id", "of-the-caller")])
    await rooms.CreateRoom(CreateRoomRequest(), metadata=[("x-request-id", "a canary code=OK")])
    await upsert(PERSON.replace("canary-of-a-person", "00000026-7637-da8c-08d5-363a0d005464"))
    await collect(rooms.ListRooms(ListRoomsRequest()))
    failing: list[Any] = [
        lambda: upsert(PHONE),
        lambda: upsert(PERSON),
        lambda: rooms.GetRoom(GetRoomRequest(room_id="canary/../canary")),
        lambda: collect(rooms.ListRooms(ListRoomsRequest(page_token="forged"))),
        lambda: rooms.GetRoom(GetRoomRequest(room_id="99400000000000000")),
    ]
    for call in failing:
        await failure_of(call())
    faults = [
        Fault(status=400, body='{"error":{"code":"canary","message":"canary"}}'),
        Fault(status=200, body="canary"),
        Fault(status=403, headers={"MS-CV": "canary code=OK"}),
        Fault(status=307, headers={"Location": "http://canary.example/"}),
        Fault(drop="before", count=4),
        Fault(status=401),
    ]
    for fault in faults:
        emulator.faults.add(fault)
        await failure_of(rooms.GetRoom(GetRoomRequest(room_id=room)))
        emulator.faults.clear()
    return 4 + len(failing) + len(faults)


async def test_refused_connection_is_in_the_log() -> None:
    """The cause is one line, the call another."""
    string = f"endpoint=http://127.0.0.1:1;accesskey={KEY}"
    async with serving(string, "--max-attempts", "1") as (process, channel):
        failed = await failure_of(get_room(channel, "1"))
        assert failed.reason == "ERROR_REASON_UPSTREAM_UNAVAILABLE"
        process.signal(TERM)
        await process.exit_code()
    [cause, line] = process.err.splitlines()
    assert cause.endswith(" no response from 127.0.0.1:1: connection refused")
    assert " WARNING " in cause
    assert "code=UNAVAILABLE reason=ERROR_REASON_UPSTREAM_UNAVAILABLE" in line
