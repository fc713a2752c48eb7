"""`rooms-gateway serve` with settings from each source, and help."""

from __future__ import annotations

import base64
import sys
from importlib.metadata import version
from pathlib import Path

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from support.commands import invoke, run, started
from support.gateways import read_failure

from rooms_emulator import DEVELOPMENT_KEY, Emulator

KEY = base64.b64encode(b"canary-canary-canary").decode()
HOST = "https://contoso.communication.azure.com"


async def _create_through(address: str, emulator: Emulator) -> tuple[grpc.StatusCode, str]:
    """Create a room; return the status and the api-version of the upstream request."""
    async with grpc.aio.insecure_channel(address) as channel:
        call = rooms_service_pb2_grpc.RoomsServiceStub(channel).CreateRoom(CreateRoomRequest())
        code = await call.code()
    return code, list(emulator.journal)[-1].target.rpartition("api-version=")[2]


async def test_environment_variables_set_the_settings(emulator: Emulator, tmp_path: Path) -> None:
    env = {
        "COMMUNICATION_CONNECTION_STRING": emulator.connection_string,
        "ROOMS_GATEWAY_LISTEN": f"127.0.0.1:0 unix:{tmp_path}/socket",
        "ROOMS_GATEWAY_API_VERSION": "2023-06-14",
        "ROOMS_GATEWAY_MAX_ATTEMPTS": "1",
        "ROOMS_GATEWAY_REFLECTION": "false",
        "ROOMS_GATEWAY_LOG_LEVEL": "error",
    }
    async with started("serve", env=env) as process:
        address = await process.address()
        assert await process.line(f"rooms-gateway is ready on (unix:{tmp_path}/socket)")
        assert await _create_through(address, emulator) == (grpc.StatusCode.OK, "2023-06-14")
        assert process.err == ""


async def test_precedence_of_flag_and_variables(emulator: Emulator) -> None:
    """Highest first: the flag, ROOMS_GATEWAY_…, the variable of Microsoft's quickstarts."""
    wrong = f"endpoint=http://127.0.0.1:1;accesskey={KEY}"
    env = {
        "COMMUNICATION_CONNECTION_STRING": wrong,
        "ROOMS_GATEWAY_CONNECTION_STRING": emulator.connection_string,
        "ROOMS_GATEWAY_API_VERSION": "2023-06-14",
        "ROOMS_GATEWAY_LISTEN": "127.0.0.1:0",
    }
    async with started("serve", "--api-version", "2024-04-15", env=env) as process:
        address = await process.address()
        assert await _create_through(address, emulator) == (grpc.StatusCode.OK, "2024-04-15")


@pytest.mark.proves("S68")
async def test_emulator_flag_overrides_the_environment() -> None:
    env = {"COMMUNICATION_CONNECTION_STRING": f"endpoint={HOST};accesskey={KEY}"}
    async with started("serve", "--emulator", "--listen", "127.0.0.1:0", env=env) as process:
        line = await process.line("in front of an emulator: (.*)")
        assert line.endswith(DEVELOPMENT_KEY)


async def test_endpoint_and_key_file_reach_an_emulator(tmp_path: Path) -> None:
    """The emulator is another process, and the key is in no output."""
    key = tmp_path / "key"
    key.write_text(f"{KEY}\n")
    async with started("emulator", "--listen", "127.0.0.1:0", "--access-key", KEY) as emulator:
        connection_string = await emulator.line("(endpoint=.*)")
        endpoint = connection_string.partition(";")[0].removeprefix("endpoint=")
        async with started(
            *("serve", "--listen", "127.0.0.1:0"),
            *("--endpoint", endpoint, "--access-key-file", key),
        ) as process:
            async with grpc.aio.insecure_channel(await process.address()) as channel:
                stub = rooms_service_pb2_grpc.RoomsServiceStub(channel)
                assert (await stub.CreateRoom(CreateRoomRequest())).room.id
            assert KEY not in process.out + process.err


async def test_rejected_key_is_reported_without_the_key(emulator: Emulator) -> None:
    wrong = f"endpoint={emulator.endpoint};accesskey={KEY}"
    async with started(
        *("serve", "--listen", "127.0.0.1:0", "--log-level", "debug"),
        *("--connection-string", wrong),
    ) as process:
        async with grpc.aio.insecure_channel(await process.address()) as channel:
            stub = rooms_service_pb2_grpc.RoomsServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.CreateRoom(CreateRoomRequest())
        failed = read_failure(raised.value)
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED",
    )
    shown = process.out + process.err + repr(raised.value)
    assert [secret for secret in (KEY, "canary") if secret in shown] == []


# --- help -----------------------------------------------------------------------------------------


HELP = """
import sys
from rooms_gateway.__main__ import main

for command in ["", "config show", "rooms create", *main.list_commands(None)]:
    main([*command.split(), "--help"], "rooms-gateway", standalone_mode=False)
    imported = {"grpc", "google.protobuf", "protovalidate"} & set(sys.modules)
    print(f"{command!r} imported:", *imported, file=sys.stderr)
"""


async def test_help_of_every_command_imports_no_grpc() -> None:
    done = await run("-c", HELP, program=sys.executable)
    assert done.code == 0, done.err
    assert [line for line in done.err.splitlines() if not line.endswith("imported:")] == []
    assert done.out.count("Usage: rooms-gateway") == done.err.count("imported:") > 10


async def test_help_is_as_wide_as_the_terminal() -> None:
    done = await run("serve", "--help", env={"COLUMNS": "150"})
    assert 130 < max(map(len, done.out.splitlines())) <= 150


async def test_version_is_that_of_the_distribution() -> None:
    done = await run("--version")
    assert (done.code, done.out) == (0, f"rooms-gateway, version {version('rooms-gateway')}\n")


def test_unknown_command_is_exit_code_2() -> None:
    done = invoke("serv")
    assert done.code == 2
    assert "No such command 'serv'" in done.err
