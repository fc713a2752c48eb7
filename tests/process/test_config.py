"""The settings file, `serve --config-test` and `config show` as processes: output, exit codes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import grpc
import pytest
from acs.rooms.v1 import rooms_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from support.commands import run, started

from rooms_emulator import Emulator

KEY = base64.b64encode(b"canary-canary-canary").decode()
HOST = "https://contoso.communication.azure.com"
HINT = "Try 'rooms-gateway serve --help'."


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


async def test_gateway_serves_with_the_settings_file(emulator: Emulator, tmp_path: Path) -> None:
    file = written(
        tmp_path / "settings.toml",
        f"""
        connection-string = "{emulator.connection_string}"
        listen = ["127.0.0.1:0", "unix:{tmp_path}/socket"]
        api-version = "2023-06-14"
        log-level = "error"
        """,
    )
    async with started("serve", "--config", file) as process:
        address = await process.address()
        assert await process.line(f"rooms-gateway is ready on (unix:{tmp_path}/socket)")
        async with grpc.aio.insecure_channel(address) as channel:
            await rooms_pb2_grpc.RoomsServiceStub(channel).CreateRoom(CreateRoomRequest())
        assert process.err == ""
    assert [*emulator.journal][-1].target.endswith("api-version=2023-06-14")


async def test_errors_of_all_sources_are_reported_at_once(
    tmp_path: Path,
) -> None:
    file = written(
        tmp_path / "settings.toml",
        f"""
        max_attempts = 3
        max-concurrent-calls = "many"
        drain-grace = -1
        connection-string = "endpoint={HOST};accesskey={KEY}"
        attempt-timeout = inf
        """,
        mode=0o644,
    )
    done = await run(
        *("serve", "--config", file, "--emulator", "--listen", "here"),
        *("--api-version", "1999-01-01", "--lgo-level", "info", "--reflection=no"),
        env={"ROOMS_GATEWAY_MAX_ATTEMPTS": "0", "ROOMS_GATEWAY_ENABLE_LEGACY": "perhaps"},
    )
    assert (done.code, done.out) == (2, "")
    *errors, hint = done.err.splitlines()
    assert hint == HINT
    expected = [
        "No such option '--lgo-level'.",
        "Option '--reflection' does not take a value.",
        f"{file}: max_attempts: unknown setting: did you mean max-attempts?",
        f"{file}: max-concurrent-calls: must be an integer.",
        f"{file}: connection-string: a secret in a file that all users can read",
        "--api-version: '1999-01-01' is not one of ",
        "ROOMS_GATEWAY_MAX_ATTEMPTS: 0 is not in the range x>=1.",
        f"{file}: drain-grace: -1.0 is not in the range x>=0.",
        "ROOMS_GATEWAY_ENABLE_LEGACY: 'perhaps' is not a valid boolean",
        "--listen: 'here' is not host:port or unix:/path.",
        f"--attempt-timeout must be a number of seconds (--attempt-timeout is from {file}).",
    ]
    for sentence in expected:
        (error,) = (each for each in errors if sentence in each)
        assert error.startswith(f"rooms-gateway: {sentence}")
    assert len(errors) == len(expected)
    assert KEY not in done.err


UNREADABLE = {
    "not there": (None, "cannot read {}: No such file or directory."),
    "not TOML": ("listen = [", "{}: not TOML: Invalid value (at end of document)."),
}


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_an_unreadable_file_is_the_only_error(tmp_path: Path, kind: str) -> None:
    text, sentence = UNREADABLE[kind]
    file = tmp_path / "settings.toml"
    if text is not None:
        file.write_text(text)
    done = await run("serve", "--config", file)
    assert done.code == 2
    assert done.err == f"rooms-gateway: --config: {sentence.format(file)}\n{HINT}\n"


async def test_a_broken_rule_names_the_sources_of_the_values(tmp_path: Path) -> None:
    file = written(tmp_path / "settings.toml", f'endpoint = "{HOST}"\n')
    done = await run(
        *("serve", "--config", file),
        env={"COMMUNICATION_CONNECTION_STRING": f"endpoint={HOST};accesskey={KEY}"},
    )
    assert done.code == 2
    assert "not both (" in done.err
    assert "--connection-string is from COMMUNICATION_CONNECTION_STRING" in done.err
    assert f"--endpoint is from {file}" in done.err


@pytest.mark.proves("S68")
@pytest.mark.parametrize("line", [f'endpoint = "{HOST}"', 'access-key-file = "/k"'])
async def test_a_file_with_two_upstreams_is_rejected(tmp_path: Path, line: str) -> None:
    file = written(tmp_path / "settings.toml", f"emulator = true\n{line}\n")
    done = await run("serve", "--config", file)
    assert done.code == 2
    assert f"--emulator and --{line.split(maxsplit=1)[0]} name two upstreams" in done.err


# --- --config-test --------------------------------------------------------------------------------


async def test_a_test_of_good_settings_says_so_and_starts_nothing(tmp_path: Path) -> None:
    key = written(tmp_path / "key", KEY)
    socket = tmp_path / "socket"
    done = await run(
        *("serve", "--config-test", "--listen", f"unix:{socket}"),
        *("--endpoint", HOST, "--access-key-file", key),
    )
    assert (done.code, done.out, done.err) == (0, "settings are fine\n", "")
    assert not socket.exists()


async def test_a_test_reads_the_key_files(tmp_path: Path) -> None:
    done = await run(
        *("serve", "--config-test", "--endpoint", HOST, "--access-key-file", tmp_path / "key")
    )
    assert (done.code, done.out) == (2, "")
    assert f"--access-key-file: cannot read {tmp_path}/key" in done.err


@pytest.mark.proves("S67")
async def test_an_unknown_variable_is_a_warning() -> None:
    done = await run(
        *("serve", "--config-test", "--emulator"), env={"ROOMS_GATEWAY_LISTNE": "canary"}
    )
    assert (done.code, done.out) == (0, "settings are fine\n")
    assert done.err == (
        "rooms-gateway: warning: ignoring unknown setting ROOMS_GATEWAY_LISTNE: "
        "did you mean ROOMS_GATEWAY_LISTEN?\n"
    )


@pytest.mark.proves("S66")
@pytest.mark.parametrize(
    "arguments",
    [
        (f"endpoint={HOST};accesskey={KEY}",),
        (f"--conection-string=endpoint={HOST};accesskey={KEY}",),
        ("--conection-string", f"endpoint={HOST};accesskey={KEY}"),
        ("--endpoint", f"endpoint={HOST};accesskey={KEY}"),
        ("--log-level", f"endpoint={HOST};accesskey={KEY}"),
        ("--listen", f"endpoint={HOST};accesskey={KEY}"),
        ("--listen", f"https://user:{KEY}@contoso.example"),
    ],
)
async def test_a_secret_in_the_wrong_place_is_not_repeated(arguments: tuple[str, ...]) -> None:
    done = await run("serve", *arguments)
    assert done.code == 2
    assert KEY not in done.err


async def test_help_is_printed_whatever_errors_there_are() -> None:
    done = await run("serve", "--config", "/nowhere", "--max-attempts", "0", "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Usage: rooms-gateway serve")


# --- config show ----------------------------------------------------------------------------------


async def test_the_effective_settings_are_shown_with_where_each_comes_from(tmp_path: Path) -> None:
    file = written(
        tmp_path / "settings.toml",
        f'connection-string = "endpoint={HOST};accesskey={KEY}"\nmax-attempts = 7\n',
    )
    arguments = ("config", "show", "--config", file, "--listen", "127.0.0.1:0")
    env = {"ROOMS_GATEWAY_LOG_LEVEL": "debug"}
    text = await run(*arguments, env=env)
    assert (text.code, text.err) == (0, "")
    rows = [line.split() for line in text.out.splitlines()]
    assert ["connection-string", "***", str(file)] in rows
    assert ["max-attempts", "7", str(file)] in rows
    assert ["log-level", "debug", "ROOMS_GATEWAY_LOG_LEVEL"] in rows
    assert ["listen", "127.0.0.1:0", "--listen"] in rows
    assert ["default-timeout", "30.0", "default"] in rows
    as_json = await run(*arguments, "--json", env=env)
    assert json.loads(as_json.out)["max-attempts"] == {
        "value": 7, "kind": "file", "name": str(file)
    }  # fmt: skip
    assert KEY not in text.out + as_json.out


async def test_with_an_invalid_value_nothing_is_shown() -> None:
    done = await run("config", "show", "--emulator", "--max-attempts", "0")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "rooms-gateway: --max-attempts: 0 is not in the range x>=1.\n"
        "Try 'rooms-gateway config show --help'.\n"
    )


async def test_values_that_break_a_rule_are_shown_with_the_error() -> None:
    done = await run("config", "show")
    assert done.code == 2
    assert done.out.startswith("Settings file:\n  config  ")
    assert "no upstream configured: pass --connection-string" in done.err
