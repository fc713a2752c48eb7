"""TLS and mTLS on TCP listeners, and what a change of their files does."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from acs.rooms.v1 import rooms_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from authority import (
    Authority,
    Files,
    Issued,
    channel,
    expired_authority,
    only_for_clients,
    served_by,
)
from running import until
from trustme import KeyType

from gateway.app import Gateway
from gateway.certificates import POLL_INTERVAL, Certificates
from gateway.settings import Settings, SettingsError
from gateway.tls import TlsFiles, TlsUnusable, check_tls, read_tls

OURS = Authority()
THEIRS = Authority()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path).write(OURS.issue(), OURS)


def settings(files: Files, *, mutual: bool = False, **others: Any) -> Settings:
    chosen = {"listen": ("127.0.0.1:0",), "api_version": "2025-03-13", **others}
    return Settings(upstream=None, **files.settings(mutual=mutual), **chosen)


async def create(channel: grpc.aio.Channel) -> grpc.StatusCode:
    """Create a room through a channel that is closed afterwards."""
    async with channel:
        return await rooms_pb2_grpc.RoomsServiceStub(channel).CreateRoom(CreateRoomRequest()).code()


def certificates_of(gateway: Gateway) -> Certificates:
    assert gateway.certificates is not None
    return gateway.certificates


def leaf(issued: Issued) -> bytes:
    return ssl.PEM_cert_to_DER_cert(issued.certificate.decode().partition("-----END")[0] + ENDING)


ENDING = "-----END CERTIFICATE-----\n"

# --- who gets in ----------------------------------------------------------------------------------


async def test_a_call_goes_through_tls(files: Files) -> None:
    async with Gateway(settings(files)) as gateway:
        assert await create(channel(gateway.addresses[0], OURS)) is grpc.StatusCode.OK


async def test_a_plaintext_client_is_refused(files: Files) -> None:
    async with Gateway(settings(files)) as gateway:
        plaintext = grpc.aio.insecure_channel(gateway.addresses[0])
        assert await create(plaintext) is grpc.StatusCode.UNAVAILABLE


async def test_a_client_that_does_not_trust_the_authority_refuses(files: Files) -> None:
    async with Gateway(settings(files)) as gateway:
        code = await create(channel(gateway.addresses[0], THEIRS))
        assert code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("client", "code"),
    [
        (OURS.issue("client"), grpc.StatusCode.OK),
        (None, grpc.StatusCode.UNAVAILABLE),
        (THEIRS.issue("client"), grpc.StatusCode.UNAVAILABLE),
        (OURS.expired(), grpc.StatusCode.UNAVAILABLE),
    ],
    ids=["ours", "none", "of another authority", "expired"],
)
async def test_with_a_client_ca_only_clients_with_a_certificate_of_it_get_in(
    files: Files, client: Issued | None, code: grpc.StatusCode
) -> None:
    async with Gateway(settings(files, mutual=True)) as gateway:
        assert await create(channel(gateway.addresses[0], OURS, client=client)) is code


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("version", "taken"),
    [
        (ssl.TLSVersion.TLSv1, False),
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_tls_begins_at_1_2(files: Files, version: ssl.TLSVersion, *, taken: bool) -> None:
    context = ssl.create_default_context(cadata=OURS.pem.decode())
    # Python's own settings would refuse the old ones before the gateway can.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    async with Gateway(settings(files)) as gateway:
        host, _, port = gateway.addresses[0].rpartition(":")
        connecting = asyncio.open_connection(host, int(port), ssl=context, server_hostname=host)
        if taken:
            _, writer = await connecting
            writer.close()
        else:
            # By an alert, or the end of the connection that comes right after it.
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await connecting


async def test_tcp_on_an_address_for_strangers_needs_no_more_than_tls(files: Files) -> None:
    async with Gateway(settings(files, listen=("0.0.0.0:0",))) as gateway:
        port = gateway.addresses[0].rpartition(":")[2]
        assert await create(channel(f"127.0.0.1:{port}", OURS)) is grpc.StatusCode.OK


async def test_listeners_of_all_kinds_serve_at_once_and_only_tcp_is_encrypted(
    files: Files, tmp_path: Path
) -> None:
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


async def test_a_rotation_of_certificate_key_and_ca_under_load_fails_no_call(files: Files) -> None:
    """As one rotates for real: both authorities are trusted while the certificates change."""
    clients = [OURS.issue("client")]
    trusted = [OURS, THEIRS]
    codes: list[grpc.StatusCode] = []

    async def keep_calling(address: str, *, anew: bool) -> None:
        def connect() -> grpc.aio.Channel:
            return channel(address, *trusted, client=clients[-1])

        kept = connect()
        async with kept:
            while True:
                if anew:
                    codes.append(await create(connect()))
                else:
                    stub = rooms_pb2_grpc.RoomsServiceStub(kept)
                    codes.append(await stub.CreateRoom(CreateRoomRequest()).code())

    async with Gateway(settings(files, mutual=True, listen=("127.0.0.1:0",))) as gateway:
        [address] = gateway.addresses
        load = [asyncio.create_task(keep_calling(address, anew=n % 2 == 0)) for n in range(6)]
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
            # Calls that began before it are over, and others have begun after it.
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


async def test_each_listener_shows_the_new_certificate_from_the_next_handshake_on(
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


async def test_a_connection_outlives_the_certificate_that_it_began_with(files: Files) -> None:
    async with Gateway(settings(files)) as gateway, channel(gateway.addresses[0], OURS) as kept:
        stub = rooms_pb2_grpc.RoomsServiceStub(kept)
        await stub.CreateRoom(CreateRoomRequest())
        files.write(THEIRS.issue())
        await certificates_of(gateway).reload()
        await stub.CreateRoom(CreateRoomRequest())


async def test_a_handshake_reads_no_file(files: Files) -> None:
    async with Gateway(settings(files, mutual=True)) as gateway:
        for path in (files.cert, files.key, files.ca):
            path.unlink()
        code = await create(channel(gateway.addresses[0], OURS, client=OURS.issue("client")))
        assert code is grpc.StatusCode.OK


async def test_the_files_are_looked_at_again_and_again_in_the_background(files: Files) -> None:
    naps: asyncio.Queue[float] = asyncio.Queue()
    wake = asyncio.Semaphore(0)

    async def sleep(seconds: float) -> None:
        naps.put_nowait(seconds)
        await wake.acquire()

    certificates = Certificates(TlsFiles(files.cert, files.key), sleep=sleep)
    first = certificates.expires
    async with certificates:
        assert await naps.get() == POLL_INTERVAL
        files.write(OURS.expired())
        wake.release()
        await naps.get()
        assert certificates.expires == first
        files.write(_ending_early())
        wake.release()
        await naps.get()
        assert certificates.expires < first


def _ending_early() -> Issued:
    return OURS.issue(not_after=datetime.now(UTC) + timedelta(days=1))


# --- files that cannot be used --------------------------------------------------------------------


def _missing(files: Files) -> None:
    files.key.unlink()


def _half_written(files: Files) -> None:
    files.cert.write_bytes(files.cert.read_bytes()[:200])


def _mismatched(files: Files) -> None:
    files.key.write_bytes(OURS.issue().key)


def _damaged_key(files: Files) -> None:
    lines = files.key.read_bytes().splitlines()
    files.key.write_bytes(b"\n".join([lines[0], lines[1][:20], *lines[2:]]))


def _damaged_certificate(files: Files) -> None:
    files.cert.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")


def _swapped(files: Files) -> None:
    cert, key = files.cert.read_bytes(), files.key.read_bytes()
    files.cert.write_bytes(key)
    files.key.write_bytes(cert)


def _encrypted(files: Files) -> None:
    files.key.write_text(
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
        "DEK-Info: AES-256-CBC,00000000000000000000000000000000\n\ncanary0=\n"
        "-----END RSA PRIVATE KEY-----\n"
    )


def _expired(files: Files) -> None:
    files.write(OURS.expired())


def _early(files: Files) -> None:
    files.write(OURS.early())


def _not_for_servers(files: Files) -> None:
    files.write(only_for_clients())


def _no_ca(files: Files) -> None:
    files.ca.write_text("")


def _damaged_ca(files: Files) -> None:
    files.ca.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")


def _cut_off_ca(files: Files) -> None:
    files.ca.write_bytes(OURS.pem + THEIRS.pem[:300])


def _expired_ca(files: Files) -> None:
    files.ca.write_bytes(expired_authority())


def _huge_ca(files: Files) -> None:
    files.ca.write_bytes(b"\n" * (2 << 20))


def _a_folder(files: Files) -> None:
    files.ca.unlink()
    files.ca.mkdir()


UNUSABLE: dict[Callable[[Files], None], str] = {
    _missing: "--tls-key: cannot read {key}: No such file or directory",
    _half_written: "--tls-cert: there is no certificate in PEM form in {cert}",
    _mismatched: "--tls-key: {key} is not the key of the certificate in {cert}",
    _damaged_key: "--tls-cert and --tls-key: {cert} and {key} cannot be read as PEM",
    _damaged_certificate: "--tls-cert and --tls-key: {cert} and {key} cannot be read as PEM",
    _swapped: "--tls-cert: there is no certificate in PEM form in {cert}",
    _encrypted: "--tls-key: {key} is encrypted: store it decrypted",
    _expired: "--tls-cert: {cert} expired on ",
    _early: "--tls-cert: {cert} is not valid before ",
    _not_for_servers: "--tls-cert: clients would refuse {cert}: ",
    _no_ca: "--tls-client-ca: there is no certificate in PEM form in {ca}",
    _damaged_ca: "--tls-client-ca: {ca} cannot be read as PEM",
    _cut_off_ca: "--tls-client-ca: {ca} is cut off, or damaged",
    _expired_ca: "--tls-client-ca: all certificates in {ca} have expired, the last on ",
    _huge_ca: "--tls-client-ca: {ca} does not hold what it should: it is too long",
    _a_folder: "--tls-client-ca: cannot read {ca}: Is a directory",
}
each_kind = pytest.mark.parametrize("spoil", UNUSABLE, ids=lambda spoil: spoil.__name__.strip("_"))


@each_kind
async def test_new_files_that_cannot_be_used_keep_the_old_and_are_logged_once(
    files: Files, caplog: pytest.LogCaptureFixture, spoil: Callable[[Files], None]
) -> None:
    first, client = Issued(files.cert.read_bytes(), files.key.read_bytes()), OURS.issue("client")
    async with Gateway(settings(files, mutual=True)) as gateway:
        certificates, [address] = certificates_of(gateway), gateway.addresses
        caplog.set_level(logging.INFO, "gateway.certificates")
        spoil(files)
        for _ in range(3):
            await certificates.reload()
        [record] = [each for each in caplog.records if each.name == "gateway.certificates"]
        said = UNUSABLE[spoil].format(cert=files.cert, key=files.key, ca=files.ca)
        assert record.levelno == logging.WARNING
        assert record.getMessage().startswith(said)
        assert record.getMessage().endswith("; going on with the certificate from before")
        assert first.secret not in caplog.text
        assert await create(channel(address, OURS, client=client)) is grpc.StatusCode.OK

        # Repaired, it is taken, said, and a fault that comes back is news again.
        caplog.clear()
        with suppress(OSError):
            files.ca.rmdir()
        files.write(OURS.issue(), OURS)
        await certificates.reload()
        assert "serving with the certificate that is now in" in caplog.text
        assert "valid until" in caplog.text
        assert await create(channel(address, OURS, client=client)) is grpc.StatusCode.OK


@each_kind
def test_files_that_cannot_be_used_are_a_fault_of_the_settings(
    files: Files, spoil: Callable[[Files], None]
) -> None:
    secret = Issued(files.cert.read_bytes(), files.key.read_bytes()).secret
    spoil(files)
    with pytest.raises(SettingsError) as raised:
        settings(files, mutual=True)
    [fault] = raised.value.faults
    assert fault.startswith(UNUSABLE[spoil].format(cert=files.cert, key=files.key, ca=files.ca))
    assert secret not in fault


def test_faults_of_the_pair_and_of_the_client_ca_are_told_at_once(files: Files) -> None:
    _mismatched(files)
    _no_ca(files)
    with pytest.raises(SettingsError) as raised:
        settings(files, mutual=True, listen=("here",))
    assert len(raised.value.faults) == 3


def test_a_certificate_is_usable_until_the_second_in_which_it_ends(files: Files) -> None:
    end = Certificates(TlsFiles(files.cert, files.key)).expires
    assert end > time.time()
    Certificates(TlsFiles(files.cert, files.key), now=lambda: end - 1)
    with pytest.raises(TlsUnusable, match="expired on"):
        Certificates(TlsFiles(files.cert, files.key), now=lambda: end)


def test_files_that_change_while_they_are_checked_are_not_served_unchecked(files: Files) -> None:
    named = TlsFiles(files.cert, files.key)
    content = read_tls(named)
    files.write(OURS.issue())
    with pytest.raises(TlsUnusable, match="changed while they were read"):
        check_tls(named, content, now=time.time())


@pytest.mark.parametrize("kind", [KeyType.RSA, KeyType.ECDSA])
async def test_keys_of_both_common_kinds_serve(files: Files, kind: KeyType) -> None:
    files.write(OURS.issue(key_type=kind))
    async with Gateway(settings(files)) as gateway:
        assert await create(channel(gateway.addresses[0], OURS)) is grpc.StatusCode.OK


def test_nothing_that_holds_a_key_shows_it(files: Files) -> None:
    secret = Issued(files.cert.read_bytes(), files.key.read_bytes()).secret
    certificates = Certificates(TlsFiles(files.cert, files.key, files.ca))
    shown = repr(certificates) + repr(certificates._content) + repr(settings(files))
    assert secret not in shown
