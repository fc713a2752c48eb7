"""TLS and mTLS on TCP listeners, and the rotation of their files."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from support.authority import (
    OURS,
    THEIRS,
    Files,
    Issued,
    certificates_of,
    channel,
    create,
    leaf,
    served_by,
    settings,
)
from support.gateways import until

from rooms_gateway.app import Gateway
from rooms_gateway.files import POLL_INTERVAL
from rooms_gateway.server.tls.certificates import Certificates
from rooms_gateway.server.tls.files import TlsFiles

# --- clients and listeners ------------------------------------------------------------------------


async def test_call_succeeds_over_tls(files: Files) -> None:
    async with Gateway(settings(files)) as gateway:
        assert await create(channel(gateway.addresses[0], OURS)) is grpc.StatusCode.OK


@pytest.mark.proves("S1")
async def test_plaintext_client_is_rejected(files: Files) -> None:
    async with Gateway(settings(files)) as gateway:
        plaintext = grpc.aio.insecure_channel(gateway.addresses[0])
        assert await create(plaintext) is grpc.StatusCode.UNAVAILABLE


async def test_client_without_the_ca_rejects_the_server(files: Files) -> None:
    async with Gateway(settings(files)) as gateway:
        code = await create(channel(gateway.addresses[0], THEIRS))
        assert code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.proves("S22")
@pytest.mark.parametrize(
    ("client", "code"),
    [
        (OURS.issue("client"), grpc.StatusCode.OK),
        (None, grpc.StatusCode.UNAVAILABLE),
        (THEIRS.issue("client"), grpc.StatusCode.UNAVAILABLE),
        (OURS.expired(), grpc.StatusCode.UNAVAILABLE),
    ],
    ids=["ours", "none", "of another CA", "expired"],
)
async def test_mtls_requires_a_certificate_of_client_ca(
    files: Files, client: Issued | None, code: grpc.StatusCode
) -> None:
    async with Gateway(settings(files, mutual=True)) as gateway:
        assert await create(channel(gateway.addresses[0], OURS, client=client)) is code


@pytest.mark.proves("S1")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("version", "accepted"),
    [
        (ssl.TLSVersion.TLSv1, False),
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_tls_1_2_is_the_minimum_version(
    files: Files, version: ssl.TLSVersion, *, accepted: bool
) -> None:
    context = ssl.create_default_context(cadata=OURS.pem.decode())
    # Python's defaults would reject the old versions before the gateway can.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    async with Gateway(settings(files)) as gateway:
        host, _, port = gateway.addresses[0].rpartition(":")
        connecting = asyncio.open_connection(host, int(port), ssl=context, server_hostname=host)
        if accepted:
            _, writer = await connecting
            writer.close()
        else:
            # The client sees the alert, or the end of the connection right after it.
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await connecting


@pytest.mark.proves("S1")
async def test_remote_listener_requires_tls_only(files: Files) -> None:
    async with Gateway(settings(files, listen=("0.0.0.0:0",))) as gateway:
        port = gateway.addresses[0].rpartition(":")[2]
        assert await create(channel(f"127.0.0.1:{port}", OURS)) is grpc.StatusCode.OK


async def test_only_tcp_listeners_use_tls(files: Files, tmp_path: Path) -> None:
    listen = ("127.0.0.1:0", f"unix:{tmp_path}/a", "localhost:0", f"unix://{tmp_path}/b")
    async with Gateway(settings(files, mutual=True, listen=listen)) as gateway:
        client = OURS.issue("client")
        for address in gateway.addresses:
            opened = (
                grpc.aio.insecure_channel(address)
                if address.startswith("unix:")
                else channel(address, OURS, client=client)
            )
            assert await create(opened) is grpc.StatusCode.OK


# --- rotation -------------------------------------------------------------------------------------


@pytest.mark.proves("S2")
async def test_tls_rotation_under_load_fails_no_call(files: Files) -> None:
    """Both CAs are trusted while certificate, key and client CA are rotated."""
    clients = [OURS.issue("client")]
    trusted = [OURS, THEIRS]
    codes: list[grpc.StatusCode] = []

    async def keep_calling(address: str, *, reconnect: bool) -> None:
        def connect() -> grpc.aio.Channel:
            return channel(address, *trusted, client=clients[-1])

        kept = connect()
        async with kept:
            while True:
                if reconnect:
                    codes.append(await create(connect()))
                else:
                    stub = rooms_service_pb2_grpc.RoomsServiceStub(kept)
                    codes.append(await stub.CreateRoom(CreateRoomRequest()).code())

    async with Gateway(settings(files, mutual=True, listen=("127.0.0.1:0",))) as gateway:
        [address] = gateway.addresses
        load = [asyncio.create_task(keep_calling(address, reconnect=n % 2 == 0)) for n in range(6)]
        server = THEIRS.issue()
        for step in (
            lambda: files.write(OURS.issue(), OURS),
            lambda: files.write(OURS.issue(), OURS, THEIRS),
            lambda: clients.append(THEIRS.issue("client")),
            lambda: files.write(server, OURS, THEIRS),
            lambda: files.write(server, THEIRS),
        ):
            done = len(codes)
            step()
            await certificates_of(gateway).reload()
            # More calls than were in flight before the reload have ended.
            await until(lambda past=done: len(codes) > past + 30, seconds=20)  # type: ignore[misc]
        for task in load:
            task.cancel()
        for task in load:
            with suppress(asyncio.CancelledError):
                await task
        assert set(codes) == {grpc.StatusCode.OK}
        late = await create(channel(address, THEIRS, client=OURS.issue("client")))
        assert late is grpc.StatusCode.UNAVAILABLE
        last = await create(channel(address, THEIRS, client=THEIRS.issue("client")))
        assert last is grpc.StatusCode.OK


async def test_next_handshake_uses_the_new_certificate(
    files: Files,
) -> None:
    listen = ("127.0.0.1:0", "127.0.0.1:0")
    async with Gateway(settings(files, listen=listen)) as gateway:
        for _ in range(3):
            issued = OURS.issue()
            files.write(issued)
            await certificates_of(gateway).reload()
            for address in gateway.addresses:
                assert await asyncio.to_thread(served_by, address) == leaf(issued)


async def test_connection_survives_certificate_rotation(files: Files) -> None:
    async with Gateway(settings(files)) as gateway, channel(gateway.addresses[0], OURS) as kept:
        stub = rooms_service_pb2_grpc.RoomsServiceStub(kept)
        await stub.CreateRoom(CreateRoomRequest())
        files.write(THEIRS.issue())
        await certificates_of(gateway).reload()
        await stub.CreateRoom(CreateRoomRequest())


@pytest.mark.proves("S3")
async def test_a_handshake_reads_no_file(files: Files) -> None:
    async with Gateway(settings(files, mutual=True)) as gateway:
        for path in (files.cert, files.key, files.ca):
            path.unlink()
        code = await create(channel(gateway.addresses[0], OURS, client=OURS.issue("client")))
        assert code is grpc.StatusCode.OK


async def test_tls_files_are_polled_for_changes(files: Files) -> None:
    sleeps: asyncio.Queue[float] = asyncio.Queue()
    wake = asyncio.Semaphore(0)

    async def sleep(seconds: float) -> None:
        sleeps.put_nowait(seconds)
        await wake.acquire()

    certificates = Certificates(TlsFiles(files.cert, files.key), sleep=sleep)
    first = certificates.expires
    async with certificates:
        assert await sleeps.get() == POLL_INTERVAL
        files.write(OURS.expired())
        wake.release()
        await sleeps.get()
        assert certificates.expires == first
        files.write(_ending_early())
        wake.release()
        await sleeps.get()
        assert certificates.expires < first


def _ending_early() -> Issued:
    return OURS.issue(not_after=datetime.now(UTC) + timedelta(days=1))
