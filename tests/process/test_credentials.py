"""Credentials of a gateway process: Entra ID, access keys in the environment and in a file."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from support.entra_issuer import certificate, issuing

from rooms_emulator import DEVELOPMENT_KEY, Emulator

SERVE = ("-m", "rooms_gateway", "serve", "--listen", "127.0.0.1:0", "--log-level", "debug")


def environment(**more: str) -> Mapping[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ROOMS_GATEWAY_", "COMMUNICATION_", "AZURE_", "IDENTITY_", "MSI_"))
    }
    return inherited | more


async def start(*arguments: str, **variables: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *SERVE,
        *arguments,
        stdout=PIPE,
        stderr=PIPE,
        env=environment(**variables),
    )


@asynccontextmanager
async def serving(*arguments: str, **variables: str) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Run a gateway; yield its address, and its output, which is complete after shutdown."""
    process = await start(*arguments, **variables)
    written: list[bytes] = []
    assert process.stdout
    async with asyncio.timeout(30):
        line = await process.stdout.readline()
    written.append(line)
    try:
        address = line.decode().rpartition(" ")[2].strip()
        assert address, (await process.communicate())[1].decode()
        yield address, written
    finally:
        if process.returncode is None:
            process.terminate()
            written += await process.communicate()
    assert process.returncode == 0


async def create_room(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        await rooms_service_pb2_grpc.RoomsServiceStub(channel).CreateRoom(CreateRoomRequest())


async def failed_start(*arguments: str, **variables: str) -> tuple[int, str]:
    """Run a gateway that fails at startup; return its exit code and its errors."""
    process = await start(*arguments, **variables)
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    assert output == b""
    assert process.returncode is not None
    return process.returncode, errors.decode()


async def test_client_secret_works_and_is_never_written(
    tmp_path: Path,
) -> None:
    context = certificate(tmp_path / "ca.pem")
    (tmp_path / "secret").write_text("canary-secret")
    async with issuing(context) as issuer, Emulator(bearer=issuer.accepts) as emulator:
        flags = (
            *("--endpoint", emulator.endpoint, "--entra", "client-secret"),
            *("--entra-client-id", "client", "--entra-tenant-id", "tenant"),
            *("--entra-client-secret-file", str(tmp_path / "secret")),
            *("--entra-authority-host", issuer.url),
        )
        async with serving(*flags, SSL_CERT_FILE=str(tmp_path / "ca.pem")) as (address, written):
            await create_room(address)
            issuer.valid.clear()
            await create_room(address)
            issuer.refusal = "AADSTS7000215: canary-response"
            issuer.valid.clear()
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await create_room(address)
    assert "canary" not in str(raised.value.debug_error_string())
    text = b"".join(written).decode()
    assert "requesting a new one" in text
    assert "canary" not in text


async def test_rejected_client_secret_is_exit_code_4(tmp_path: Path) -> None:
    context = certificate(tmp_path / "ca.pem")
    (tmp_path / "secret").write_text("canary-secret")
    async with issuing(context) as issuer:
        issuer.refusal = "AADSTS7000215: Invalid client secret: canary-secret"
        code, errors = await failed_start(
            *("--endpoint", "https://contoso.communication.azure.com", "--log-level", "info"),
            *("--entra", "client-secret", "--entra-client-id", "a", "--entra-tenant-id", "b"),
            *("--entra-client-secret-file", str(tmp_path / "secret")),
            *("--entra-authority-host", issuer.url),
            SSL_CERT_FILE=str(tmp_path / "ca.pem"),
        )
    assert code == 4
    assert errors == (
        "rooms-gateway: cannot get an Entra ID token (client-secret): the issuer rejected the "
        "request (HTTP status 401, AADSTS7000215).\n"
    )


async def test_missing_azure_identity_is_exit_code_4(tmp_path: Path) -> None:
    """The error has the command that installs it."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['azure.identity'] = None\n")
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    code, errors = await failed_start(
        *("--endpoint", "https://contoso.communication.azure.com", "--entra", "default"),
        PYTHONPATH=paths,
    )
    assert code == 4
    assert "pip install 'rooms-gateway[entra]'" in errors
    assert "Traceback" not in errors


async def test_key_in_the_environment_is_never_written() -> None:
    async with (
        Emulator() as emulator,
        serving("--endpoint", emulator.endpoint, ROOMS_GATEWAY_ACCESS_KEY=DEVELOPMENT_KEY) as (
            address,
            written,
        ),
    ):
        await create_room(address)
    assert DEVELOPMENT_KEY not in b"".join(written).decode()


async def test_changed_key_file_is_reloaded(tmp_path: Path) -> None:
    file = tmp_path / "access-key"
    file.write_text(DEVELOPMENT_KEY)
    async with Emulator() as emulator:
        flags = ("--endpoint", emulator.endpoint, "--access-key-file", str(file))
        async with serving(*flags) as (address, written):
            await create_room(address)
            fresh = "Y2FuYXJ5IGtleSB0aGF0IGlzIG5ldw=="
            emulator.authenticator.keys = (fresh,)
            file.write_text(fresh)
            await create_room(address)
    text = b"".join(written).decode()
    assert f"reloaded 1 access key(s) from {file}" in text
    assert fresh not in text


def test_azure_identity_is_imported_if_configured() -> None:
    script = (
        "import asyncio, sys\n"
        "from rooms_gateway.app import Gateway\n"
        "from rooms_gateway.settings import Settings\n"
        "async def main():\n"
        "    async with Gateway(Settings(upstream=None, listen=('127.0.0.1:0',),"
        " api_version='2025-03-13')):\n"
        "        pass\n"
        "asyncio.run(main())\n"
        "sys.exit(bool({'azure', 'azure.identity', 'msal', 'cryptography'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_help_has_the_credentials_and_exit_codes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rooms_gateway", "serve", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    text = " ".join(done.stdout.split())
    assert "4 if no Entra ID token" in text
    for name in ("ROOMS_GATEWAY_ACCESS_KEY", "--access-key-file", "--entra-client-secret-file"):
        assert name in text
