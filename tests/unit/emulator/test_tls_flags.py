"""Flags of TLS: certificates that clients would reject are errors at the start."""

from __future__ import annotations

import os
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from support.authority import OURS, Files, Issued, only_for_clients
from support.commands import invoke

from rooms_emulator.tls.files import context_from_files

PAIR = OURS.issue()
OTHER = OURS.issue()
FIRST_LINE = PAIR.key.partition(b"\n")[0]


def der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(
        pem.decode().partition("-----END")[0] + "-----END CERTIFICATE-----\n"
    )


def encrypted(pem: bytes) -> bytes:
    key = serialization.load_pem_private_key(pem, password=None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


def rejection(*flags: str | Path) -> str:
    """Return the sentence with which the command rejects the flags."""
    done = invoke("emulator", "--listen", "127.0.0.1:0", *flags)
    assert (done.code, done.out) == (2, "")
    [line] = done.err.splitlines()
    assert line.endswith(".")
    return line


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        (replace(PAIR, key=OTHER.key), "is not the key of the first certificate in"),
        (replace(PAIR, key=encrypted(PAIR.key)), "is encrypted; decrypt it with `openssl pkey"),
        (replace(PAIR, key=b""), "--tls-key: there is no private key in PEM form in"),
        (replace(PAIR, key=PAIR.certificate), "there is no private key in PEM form in"),
        (replace(PAIR, key=b"\x30\x82" * 99), "convert it with `openssl pkey -inform der`"),
        (replace(PAIR, key=FIRST_LINE + b"\ngarbage\n"), "they may be damaged, so copy them again"),
        (replace(PAIR, key=PAIR.key[: len(PAIR.key) // 2]), "they may be damaged"),
        (replace(PAIR, certificate=b""), "--tls-cert: there is no certificate in PEM form in"),
        (replace(PAIR, certificate=b"\0" * 10**6), "there is no certificate in PEM form in"),
        (replace(PAIR, certificate=b"\0" * 2**21), "is no regular file of at most 1 MiB"),
        (replace(PAIR, certificate=der(PAIR.certificate)), "convert it with `openssl x509 -inform"),
        (replace(PAIR, certificate=PAIR.key), "there is no certificate in PEM form in"),
        (OURS.expired(), "expired on"),
        (OURS.early(), "is not valid before"),
        (only_for_clients(), "clients would reject"),
    ],
)
def test_a_bad_pair_of_files(pair: Issued, sentence: str, tmp_path: Path) -> None:
    """The error has no line of the key."""
    line = rejection(*Files(tmp_path).write(pair).flags())
    assert line.startswith("rooms-gateway emulator: --tls-")
    assert sentence in line
    assert PAIR.secret not in line


def test_a_chain_in_the_wrong_order(tmp_path: Path) -> None:
    files = Files(tmp_path).write(replace(PAIR, certificate=OURS.pem + PAIR.certificate))
    assert "put the certificate of the server before those of its CA" in rejection(*files.flags())


def test_missing_files(tmp_path: Path) -> None:
    files = Files(tmp_path)
    remedy = "No such file or directory; pass a PEM file that this user can read"
    assert f"--tls-cert: cannot read {files.cert}: {remedy}" in rejection(*files.flags())
    files.cert.write_bytes(PAIR.certificate)
    assert f"--tls-key: cannot read {files.key}: {remedy}" in rejection(*files.flags())


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    flags = ("--tls-cert", tmp_path, "--tls-key", tmp_path)
    assert f"--tls-cert: cannot read {tmp_path}: Is a directory" in rejection(*flags)


@pytest.mark.parametrize("name", ["/dev/zero", "pipe"])
def test_a_device_is_no_file(name: str, tmp_path: Path) -> None:
    """It might be endless, or read once only."""
    path = tmp_path / name
    if name == "pipe":
        os.mkfifo(path)
    flags = ("--tls-cert", path, "--tls-key", path)
    assert f"--tls-cert: {path} is no regular file of at most 1 MiB" in rejection(*flags)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read all files")
def test_a_file_of_another_user(tmp_path: Path) -> None:
    files = Files(tmp_path).write(PAIR)
    files.key.chmod(0)
    assert f"cannot read {files.key}: Permission denied" in rejection(*files.flags())


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--tls-cert", "x"), "--tls-cert needs --tls-key, the private key of the certificate"),
        (("--tls-key", "x"), "--tls-key needs --tls-cert, the certificate of the key"),
        (("--tls-dev", "--tls-cert", "x"), "--tls-dev makes a certificate: pass either that, or"),
        (("--public-url", "rooms.test"), "'rooms.test' is no public URL: use https://HOST:PORT"),
    ],
)
def test_flags_that_contradict(flags: tuple[str, ...], sentence: str) -> None:
    assert sentence in rejection(*flags)


def test_a_good_pair(tmp_path: Path) -> None:
    """Also with the chain, and text that openssl prints before certificates and keys."""
    files = Files(tmp_path).write(PAIR)
    assert context_from_files(files.cert, files.key)
    files.write(Issued(b"Certificate:\n" + PAIR.certificate + OURS.pem, b"Bag\n" + PAIR.key))
    assert context_from_files(files.cert, files.key)
