"""Unusable certificates, keys and client CAs, at startup and at a reload."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress

import grpc
import pytest
from support.authority import (
    OURS,
    THEIRS,
    Files,
    Issued,
    certificates_of,
    channel,
    create,
    expired_authority,
    only_for_clients,
    settings,
)
from trustme import KeyType

from rooms_gateway.app import Gateway
from rooms_gateway.cli.serve.files import check_files
from rooms_gateway.server.tls.certificates import Certificates
from rooms_gateway.server.tls.files import TlsError, TlsFiles, check_tls, read_tls
from rooms_gateway.settings import SettingsError


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
    _not_for_servers: "--tls-cert: clients would reject {cert}: ",
    _no_ca: "--tls-client-ca: there is no certificate in PEM form in {ca}",
    _damaged_ca: "--tls-client-ca: {ca} cannot be read as PEM",
    _cut_off_ca: "--tls-client-ca: {ca} is truncated or damaged",
    _expired_ca: "--tls-client-ca: all certificates in {ca} have expired, the last on ",
    _huge_ca: "--tls-client-ca: {ca} is too large: the limit is 1048576 bytes",
    _a_folder: "--tls-client-ca: cannot read {ca}: Is a directory",
}
each_kind = pytest.mark.parametrize(
    "damage", UNUSABLE, ids=lambda damage: damage.__name__.strip("_")
)


@pytest.mark.proves("S2")
@each_kind
async def test_unusable_files_keep_the_current_ones(
    files: Files, caplog: pytest.LogCaptureFixture, damage: Callable[[Files], None]
) -> None:
    """The failed reload is logged once; corrected files are used and logged."""
    first, client = Issued(files.cert.read_bytes(), files.key.read_bytes()), OURS.issue("client")
    async with Gateway(settings(files, mutual=True)) as gateway:
        certificates, [address] = certificates_of(gateway), gateway.addresses
        caplog.set_level(logging.INFO, "rooms_gateway.server.tls.certificates")
        damage(files)
        for _ in range(3):
            await certificates.reload()
        [record] = [
            each for each in caplog.records if each.name == "rooms_gateway.server.tls.certificates"
        ]
        expected = UNUSABLE[damage].format(cert=files.cert, key=files.key, ca=files.ca)
        assert record.levelno == logging.WARNING
        assert record.getMessage().startswith(expected)
        assert record.getMessage().endswith("; keeping the current certificate")
        assert first.secret not in caplog.text
        assert await create(channel(address, OURS, client=client)) is grpc.StatusCode.OK

        # A mended file is used and logged.
        caplog.clear()
        with suppress(OSError):
            files.ca.rmdir()
        files.write(OURS.issue(), OURS)
        await certificates.reload()
        assert "reloaded the certificate from" in caplog.text
        assert "valid until" in caplog.text
        assert await create(channel(address, OURS, client=client)) is grpc.StatusCode.OK


@each_kind
def test_unusable_files_are_a_settings_error(files: Files, damage: Callable[[Files], None]) -> None:
    secret = Issued(files.cert.read_bytes(), files.key.read_bytes()).secret
    damage(files)
    with pytest.raises(SettingsError) as raised:
        check_files(**files.settings(mutual=True))
    [error] = raised.value.errors
    assert error.startswith(UNUSABLE[damage].format(cert=files.cert, key=files.key, ca=files.ca))
    assert secret not in error


def test_pair_and_client_ca_are_checked_at_once(files: Files) -> None:
    _mismatched(files)
    _no_ca(files)
    with pytest.raises(SettingsError) as raised:
        check_files(**files.settings(mutual=True))
    assert len(raised.value.errors) == 2


def test_certificate_is_usable_until_it_expires(files: Files) -> None:
    end = Certificates(TlsFiles(files.cert, files.key)).expires
    assert end > time.time()
    Certificates(TlsFiles(files.cert, files.key), now=lambda: end - 1)
    with pytest.raises(TlsError, match="expired on"):
        Certificates(TlsFiles(files.cert, files.key), now=lambda: end)


@pytest.mark.proves("S3")
def test_files_changed_during_check_are_rejected(files: Files) -> None:
    named = TlsFiles(files.cert, files.key)
    content = read_tls(named)
    files.write(OURS.issue())
    with pytest.raises(TlsError, match="changed while they were read"):
        check_tls(named, content, now=time.time())


@pytest.mark.parametrize("kind", [KeyType.RSA, KeyType.ECDSA])
async def test_keys_of_both_common_kinds_serve(files: Files, kind: KeyType) -> None:
    files.write(OURS.issue(key_type=kind))
    async with Gateway(settings(files)) as gateway:
        assert await create(channel(gateway.addresses[0], OURS)) is grpc.StatusCode.OK


@pytest.mark.proves("S56")
def test_repr_redacts_the_private_key(files: Files) -> None:
    secret = Issued(files.cert.read_bytes(), files.key.read_bytes()).secret
    certificates = Certificates(TlsFiles(files.cert, files.key, files.ca))
    shown = repr(certificates) + repr(certificates._file.value) + repr(settings(files))
    assert secret not in shown
