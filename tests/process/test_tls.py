"""TLS between processes: flags of the gateway and of the client commands, and reloads."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from support.authority import Authority, Files, channel, served_by
from support.commands import PATIENCE, REFUSING, Process, run, started
from support.gateways import until
from support.tools import GRPCURL

OURS = Authority()
THEIRS = Authority()

BUF = Path(sys.executable).with_name("buf")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path).write(OURS.issue(), OURS)


@pytest.fixture
def client(tmp_path: Path) -> Files:
    """Write a client certificate, and the CA of the server certificates that it trusts."""
    folder = tmp_path / "client"
    folder.mkdir()
    return Files(folder).write(OURS.issue("client"), OURS)


@asynccontextmanager
async def serving(files: Files, *upstream: str, mutual: bool = False) -> AsyncIterator[Process]:
    """Run a gateway, with an embedded emulator unless `upstream` has flags for another."""
    flags = ("--listen", "127.0.0.1:0", *files.flags(mutual=mutual))
    async with started("serve", *(upstream or ("--emulator",)), *flags) as process:
        await process.address()
        yield process


# --- the server -----------------------------------------------------------------------------------


@pytest.mark.proves("S7")
async def test_plaintext_does_not_stop_the_listener(files: Files) -> None:
    """Clients that speak no TLS, as scanners and misconfigured ones do, leave others alone."""
    async with serving(files) as process:
        address = await process.address()
        host, _, port = address.rpartition(":")
        for sent in (b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0", b""):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(sent)
            writer.close()
            await asyncio.to_thread(served_by, address)
        assert "Traceback" not in process.err


async def test_reload_of_certificates_fails_no_call(files: Files) -> None:
    """Every call makes a new handshake; an invalid key is reported, and not used."""
    first, second = OURS.issue(), OURS.issue()
    files.write(first)
    codes: list[grpc.StatusCode] = []

    async def keep_calling(address: str) -> None:
        while True:
            async with channel(address, OURS) as opened:
                stub = rooms_service_pb2_grpc.RoomsServiceStub(opened)
                codes.append(await stub.CreateRoom(CreateRoomRequest()).code())
            await asyncio.sleep(0.1)

    async with serving(files) as process:
        address = await process.address()
        before = await asyncio.to_thread(served_by, address)
        load = [asyncio.create_task(keep_calling(address)) for _ in range(2)]
        files.write_key(b"broken")
        await until(lambda: "there is no private key" in process.err, PATIENCE)
        assert await asyncio.to_thread(served_by, address) == before
        files.write(second)
        await until(lambda: "reloaded the certificate from" in process.err, PATIENCE)
        assert await asyncio.to_thread(served_by, address) != before
        done = len(codes)
        await until(lambda: len(codes) > done + 20, PATIENCE)
        for task in load:
            task.cancel()
        for task in load:
            with suppress(asyncio.CancelledError):
                await task
        process.signal(signal.SIGTERM)
        assert await process.exit_code() == 0
    assert set(codes) == {grpc.StatusCode.OK}
    assert process.err.count("keeping the current certificate") == 1
    assert not any(each.key.decode().splitlines()[1] in process.err for each in (first, second))


async def test_writable_socket_folder_is_exit_code_3(tmp_path: Path) -> None:
    """Unless a flag allows a folder that all users can write to."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    address = f"unix:{tmp_path}/shared/socket"
    done = await run("serve", *REFUSING, "--listen", address)
    assert done.code == 3
    assert (
        f"rooms-gateway: cannot listen on {address}: {tmp_path}/shared is writable by" in done.err
    )
    allowed = ("--allow-shared-socket-directory", "--socket-mode", "0600")
    async with started("serve", *REFUSING, "--listen", address, *allowed) as process:
        assert await process.address() == address
        assert (tmp_path / "shared" / "socket").stat().st_mode & 0o777 == 0o600


# --- the clients ----------------------------------------------------------------------------------


async def test_client_commands_reach_an_mtls_gateway(files: Files, client: Files) -> None:
    async with serving(files, mutual=True) as process:
        where = ("--address", await process.address(), "--tls-ca", str(client.ca))
        flags = (*where, *client.flags())
        done = await run("health", *flags)
        assert (done.code, done.out, done.err) == (0, "SERVING\n", "")
        done = await run("rooms", "create", "--json", *flags)
        assert json.loads(done.out)["room"]["id"]
        assert (await run("health", *where)).code == 1
        done = await run("rooms", "list", "--address", await process.address())
        assert done.code == 64 + 14
        assert "If it serves TLS, pass --tls-ca." in done.err


async def test_client_verifies_ca_and_name_of_server(files: Files, client: Files) -> None:
    """`--tls-server-name` overrides the host in the address."""
    files.write(OURS.issue("gateway.example"))
    async with serving(files, *REFUSING) as process:
        flags = ("--address", await process.address(), "--tls-ca", str(client.ca))
        name = ("--tls-server-name", "gateway.example")
        assert (await run("health", *flags)).code == 1
        assert (await run("health", *flags, *name)).code == 0
        client.ca.write_bytes(THEIRS.pem)
        done = await run("rooms", "list", *flags, *name)
        assert done.code == 64 + 14
        assert "CERTIFICATE_VERIFY_FAILED" in done.err


@pytest.mark.needs("grpcurl")
async def test_printed_grpcurl_command_uses_tls(files: Files, client: Files) -> None:
    """The files of the flags, also for a client certificate, and the name of the server."""
    files.write(OURS.issue("gateway.example"))
    async with serving(files, mutual=True) as process:
        where = ("--address", await process.address(), "--tls-server-name", "gateway.example")
        flags = (*where, "--tls-ca", str(client.ca), *client.flags())
        printed = await run("rooms", "create", *flags, "--print-grpcurl")
        line = printed.out.replace("grpcurl", str(GRPCURL), 1)
        done = await run("-c", line, program="bash")
        assert (done.code, done.err) == (0, "")
        assert json.loads(done.out)["room"]["id"]


# --- tools ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mutual", [False, True], ids=["tls", "mtls"])
@pytest.mark.parametrize(
    ("tool", "program"),
    [pytest.param("grpcurl", GRPCURL, marks=pytest.mark.needs("grpcurl")), ("buf", BUF)],
)
async def test_printed_example_command_works(
    files: Files, client: Files, tool: str, program: Path, *, mutual: bool
) -> None:
    """The gateway prints it at startup, with names of files that stand for those of the client."""
    async with serving(files, mutual=mutual) as process:
        line = await process.line(rf"  (\S*{tool} .*-d.*)")
        assert ("client.pem" in line) is mutual
        words = line.replace("'{}'", "{}").split()[1:]
        real = {"ca.pem": client.ca, "client.pem": client.cert, "client.key": client.key}
        done = await run(*(real.get(word, word) for word in words), program=str(program))
        assert (done.code, done.err) == (0, "")
        assert json.loads(done.out)["room"]["id"]
