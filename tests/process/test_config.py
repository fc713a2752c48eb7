"""The settings file of a process; `tests/unit/cli` has the errors in it one by one."""

from __future__ import annotations

import base64
from pathlib import Path

import grpc
from acs.rooms.v1 import rooms_service_pb2_grpc
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
            await rooms_service_pb2_grpc.RoomsServiceStub(channel).CreateRoom(CreateRoomRequest())
        assert process.err == ""
    assert [*emulator.journal][-1].target.endswith("api-version=2023-06-14")


async def test_errors_of_all_sources_are_reported(tmp_path: Path) -> None:
    """All at once, with their sources, on standard error, with exit code 2."""
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
