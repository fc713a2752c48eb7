"""`rooms-gateway serve` with invalid settings, sources of settings, and help."""

from __future__ import annotations

import base64
import sys
from importlib.metadata import version
from pathlib import Path

import grpc
import pytest
from acs.rooms.v1 import rooms_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from support.commands import run, started
from support.gateways import read_failure

from rooms_emulator import DEVELOPMENT_KEY, Emulator

KEY = base64.b64encode(b"canary-canary-canary").decode()
HOST = "https://contoso.communication.azure.com"

BAD_CONNECTION_STRINGS = {
    "empty": ("", "has no endpoint and no accesskey"),
    "garbage": ("canary canary", "has no endpoint and no accesskey"),
    "a key alone": (KEY, "has no endpoint and no accesskey"),
    "no key": (f"endpoint={HOST}/", "has no accesskey"),
    "an empty key": (f"endpoint={HOST}/;accesskey=", "has no accesskey"),
    "no endpoint": (f"accesskey={KEY}", "has no endpoint"),
    "a key that is not base64": (f"endpoint={HOST};accesskey=canary!", "the access key is not"),
    "a key of other letters": (f"endpoint={HOST};accesskey=cañary", "the access key is not base64"),
    "a key cut off": (f"endpoint={HOST};accesskey={KEY[:-2]}", "the access key is not base64"),
    "a path": (f"endpoint={HOST}/rooms;accesskey={KEY}", "the endpoint must not have a path"),
    "a query": (f"endpoint={HOST}/?a=b;accesskey={KEY}", "must not have a query or a fragment"),
    "a fragment": (f"endpoint={HOST}/#a;accesskey={KEY}", "must not have a query or a fragment"),
    "a user": (
        f"endpoint=https://user:{KEY[:8]}@contoso.communication.azure.com;accesskey={KEY}",
        "must not contain a user name or password",
    ),
    "no scheme": (f"endpoint=contoso.communication.azure.com;accesskey={KEY}", "must be a URL"),
    "another scheme": (f"endpoint=ftp://contoso.example;accesskey={KEY}", "must be a URL"),
    "no host": (f"endpoint=https://;accesskey={KEY}", "must be a URL"),
    "a port of letters": (f"endpoint={HOST}:canary;accesskey={KEY}", "is not a URL"),
    "blanks": (f"endpoint=https://a b;accesskey={KEY}", "characters that are not allowed in a URL"),
    "a line break": (
        f"endpoint={HOST}/\ncanary;accesskey={KEY}",
        "characters that are not allowed",
    ),
    "http to elsewhere": (
        "endpoint=http://contoso.communication.azure.com;accesskey=" + KEY,
        "an http:// endpoint must be on loopback",
    ),
}


def secrets(text: str) -> list[str]:
    """Return the parts of `text` that must not be repeated."""
    return [part for part in (KEY, KEY[:-2], KEY[:8], "canary", "cañary") if part in text]


@pytest.mark.parametrize("kind", BAD_CONNECTION_STRINGS)
async def test_a_bad_connection_string_gets_one_clear_sentence_without_the_key(kind: str) -> None:
    text, sentence = BAD_CONNECTION_STRINGS[kind]
    done = await run("serve", "--connection-string", text)
    assert done.code == 2
    assert done.out == ""
    said, hint = done.err.splitlines()
    assert said.startswith("rooms-gateway: --connection-string: ")
    assert sentence in said
    assert said.endswith(".")
    assert hint == "Try 'rooms-gateway serve --help'."
    assert secrets(done.err) == []


async def test_without_an_upstream_the_error_lists_the_flags() -> None:
    done = await run("serve")
    assert done.code == 2
    for way in (
        "--connection-string",
        "COMMUNICATION_CONNECTION_STRING",
        "--endpoint",
        "--access-key-file",
        "--emulator",
    ):
        assert way in done.err
    assert "Traceback" not in done.err


KEY_FILES = {
    "not there": (None, "cannot read {}: No such file or directory."),
    "empty": (b"", "{}: there is no access key."),
    "not base64": (
        b"canary!",
        "{}: the access key is not base64: copy it again from the Keys page of the resource.",
    ),
    "binary": (
        b"\xff\xfe\x00canary",
        "{} is not ASCII text.",
    ),
    "three keys": (
        f"{KEY}\n{KEY}\n{KEY}".encode(),
        "{}: there are more than two access keys: a resource has two.",
    ),
}


@pytest.mark.parametrize("kind", KEY_FILES)
async def test_a_bad_key_file_gets_one_clear_sentence_without_the_key(
    tmp_path: Path, kind: str
) -> None:
    content, sentence = KEY_FILES[kind]
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    done = await run("serve", "--endpoint", HOST, "--access-key-file", path)
    assert done.code == 2
    assert f"rooms-gateway: --access-key-file: {sentence.format(path)}\n" in done.err
    assert secrets(done.err) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--endpoint", HOST), "--endpoint needs a credential: --access-key-file"),
        (("--access-key-file", "/k"), "needs --endpoint"),
        (
            ("--connection-string", f"endpoint={HOST};accesskey={KEY}", "--endpoint", HOST),
            "not both",
        ),
        (
            ("--emulator", "--connection-string", f"endpoint={HOST};accesskey={KEY}"),
            "--emulator and --connection-string name two upstreams",
        ),
        (("--emulator", "--endpoint", HOST), "--emulator and --endpoint name two upstreams"),
        (
            ("--emulator", "--access-key-file", "/k"),
            "--emulator and --access-key-file name two upstreams",
        ),
        (("--emulator", "--listen", "0.0.0.0:0"), "0.0.0.0:0 is reachable from other hosts"),
        (("--emulator", "--listen", "[::]:0"), "[::]:0 is reachable from other hosts"),
        (("--emulator", "--listen", "50051"), "'50051' is not host:port or unix:/path"),
        (("--emulator", "--listen", "localhost:70000"), "is not host:port"),
        (("--emulator", "--listen", "::1:50051"), "an IPv6 address requires brackets"),
        (("--emulator", "--listen", "unix:"), "'unix:' has no path"),
        (("--emulator", "--default-timeout", "nan"), "--default-timeout must be a number"),
        (("--emulator", "--attempt-timeout", "inf"), "--attempt-timeout must be a number"),
        (("--emulator", "--drain-grace", "inf"), "--drain-grace must be a number of seconds"),
        (("--emulator", "--default-timeout", "0"), "--default-timeout: 0.0 is not"),
        (("--emulator", "--max-attempts", "0"), "--max-attempts: 0 is not in the range"),
        (("--emulator", "--api-version", "2022-02-02"), "2025-03-13"),
        (("--emulator", "--no-such-flag"), "--no-such-flag"),
    ],
)
async def test_invalid_settings_are_rejected_with_a_reason(
    arguments: tuple[str, ...], sentence: str
) -> None:
    done = await run("serve", *arguments)
    assert done.code == 2
    assert sentence in done.err
    assert "Traceback" not in done.err
    assert secrets(done.err) == []


async def test_all_errors_are_reported_at_once() -> None:
    done = await run("serve", "--emulator", "--listen", "here", "--listen", "0.0.0.0:1")
    assert done.code == 2
    assert done.err.count("rooms-gateway: ") == 2


# --- where settings come from ---------------------------------------------------------------------


async def _code_of_create(address: str, emulator: Emulator) -> tuple[grpc.StatusCode, str]:
    """Create a room; return the status and the api-version that the service was asked in."""
    async with grpc.aio.insecure_channel(address) as channel:
        call = rooms_pb2_grpc.RoomsServiceStub(channel).CreateRoom(CreateRoomRequest())
        code = await call.code()
    return code, list(emulator.journal)[-1].target.rpartition("api-version=")[2]


async def test_environment_variables_set_the_settings(
    emulator: Emulator, tmp_path: Path
) -> None:
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
        assert await _code_of_create(address, emulator) == (grpc.StatusCode.OK, "2023-06-14")
        assert process.err == ""


async def test_precedence_of_flag_and_variables(
    emulator: Emulator,
) -> None:
    wrong = f"endpoint=http://127.0.0.1:1;accesskey={KEY}"
    env = {
        "COMMUNICATION_CONNECTION_STRING": wrong,
        "ROOMS_GATEWAY_CONNECTION_STRING": emulator.connection_string,
        "ROOMS_GATEWAY_API_VERSION": "2023-06-14",
        "ROOMS_GATEWAY_LISTEN": "127.0.0.1:0",
    }
    async with started("serve", "--api-version", "2024-04-15", env=env) as process:
        answer = await _code_of_create(await process.address(), emulator)
        assert answer == (grpc.StatusCode.OK, "2024-04-15")


@pytest.mark.proves("S68")
async def test_emulator_flag_overrides_the_environment() -> None:
    env = {"COMMUNICATION_CONNECTION_STRING": f"endpoint={HOST};accesskey={KEY}"}
    async with started("serve", "--emulator", "--listen", "127.0.0.1:0", env=env) as process:
        line = await process.line("in front of an emulator: (.*)")
        assert line.endswith(DEVELOPMENT_KEY)


async def test_endpoint_and_key_file_reach_an_emulator(
    tmp_path: Path,
) -> None:
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
                stub = rooms_pb2_grpc.RoomsServiceStub(channel)
                assert (await stub.CreateRoom(CreateRoomRequest())).room.id
            assert KEY not in process.out + process.err


async def test_rejected_key_is_reported_without_the_key(emulator: Emulator) -> None:
    wrong = f"endpoint={emulator.endpoint};accesskey={KEY}"
    async with started(
        *("serve", "--listen", "127.0.0.1:0", "--log-level", "debug"),
        *("--connection-string", wrong),
    ) as process:
        async with grpc.aio.insecure_channel(await process.address()) as channel:
            stub = rooms_pb2_grpc.RoomsServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.CreateRoom(CreateRoomRequest())
        failed = read_failure(raised.value)
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "GATEWAY_CREDENTIAL_REJECTED",
    )
    assert secrets(process.out + process.err + repr(raised.value)) == []


# --- help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("serve",),
        ("config",),
        ("config", "show"),
        ("emulator",),
        ("demo",),
        ("health",),
        ("rooms",),
        ("participants",),
    ],
)
async def test_help_of_every_command_imports_no_grpc(command: tuple[str, ...]) -> None:
    done = await run(
        "-X", "importtime", "-m", "rooms_gateway", *command, "--help", program=sys.executable
    )
    assert done.code == 0
    assert done.out.startswith("Usage: ")
    imported = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
    assert "click" in imported
    assert imported.isdisjoint({"grpc", "google.protobuf", "protovalidate"})


@pytest.mark.parametrize("columns", [100, 200])
async def test_help_is_as_wide_as_the_terminal(columns: int) -> None:
    done = await run("serve", "--help", env={"COLUMNS": str(columns)})
    assert columns - 20 < max(map(len, done.out.splitlines())) <= columns


async def test_version_is_that_of_the_distribution() -> None:
    done = await run("--version")
    assert (done.code, done.out) == (0, f"rooms-gateway, version {version('rooms-gateway')}\n")


async def test_unknown_command_is_exit_code_2() -> None:
    done = await run("serv")
    assert done.code == 2
    assert "No such command 'serv'" in done.err
