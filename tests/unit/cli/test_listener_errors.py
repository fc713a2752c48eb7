"""`rooms-gateway serve` with invalid listeners and TLS files: exit code 2, and no secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.authority import OURS, Files, Issued
from support.commands import invoke

UNSHAREABLE = [
    (("--listen", "unix:/tmp/socket"), "processes cannot share a Unix socket"),
    (("--listen", "127.0.0.1:0"), "each process would get another port for 127.0.0.1:0:"),
    (("--listen", "127.0.0.1:00"), "each process would get another port for 127.0.0.1:00:"),
    (("--emulator",), "each process would embed another emulator"),
]


@pytest.mark.parametrize(("flags", "error"), UNSHAREABLE)
def test_unshareable_listener_is_an_error(flags: tuple[str, ...], error: str) -> None:
    env = {"COMMUNICATION_CONNECTION_STRING": "endpoint=http://127.0.0.1:1;accesskey=a2V5"}
    done = invoke("serve", "--reuse-port", "--config-test", *flags, env=env)
    assert done.code == 2
    assert f"--reuse-port: {error}" in done.err
    assert done.err.count("--reuse-port:") == 1


def test_remote_admin_address_needs_a_flag() -> None:
    done = invoke("serve", "--emulator", "--admin-listen", "0.0.0.0:9464", "--allow-plaintext")
    assert done.code == 2
    assert "--admin-listen: 0.0.0.0:9464 is reachable from other hosts" in done.err
    assert "pass --admin-allow-remote" in done.err


INVALID_EMULATOR_ADDRESSES = {
    "0.0.0.0:8125": "--emulator-listen: 0.0.0.0:8125 is reachable from other hosts: listen on",
    "8125": "--emulator-listen: '8125' is not host:port",
    "::1:8125": "an IPv6 address requires brackets",
    "unix:/tmp/socket": "the emulator cannot listen on a Unix socket",
    "127.0.0.1:50051": "--emulator-listen: 127.0.0.1:50051 is an address of --listen",
}


@pytest.mark.parametrize("address", INVALID_EMULATOR_ADDRESSES)
def test_invalid_address_of_the_emulator(address: str) -> None:
    done = invoke("serve", "--emulator", "--emulator-listen", address)
    assert (done.code, done.out) == (2, "")
    assert INVALID_EMULATOR_ADDRESSES[address] in done.err
    assert done.err.count("--emulator-listen") == 1


def test_address_of_the_emulator_needs_one() -> None:
    env = {"COMMUNICATION_CONNECTION_STRING": "endpoint=http://127.0.0.1:1;accesskey=a2V5"}
    done = invoke("serve", "--emulator-listen", "127.0.0.1:8125", env=env)
    assert done.code == 2
    assert "--emulator-listen needs --emulator" in done.err


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path).write(OURS.issue(), OURS)


def _nothing(files: Files) -> None:
    pass


def _delete_both(files: Files) -> None:
    files.cert.unlink()
    files.key.unlink()


def _mismatch(files: Files) -> None:
    files.key.write_bytes(OURS.issue().key)


def _expire(files: Files) -> None:
    files.write(OURS.expired())


def _damage_all(files: Files) -> None:
    _mismatch(files)
    files.ca.write_text("canary")


CERT, TLS_KEY, CA = (
    "--tls-cert={files.cert}",
    "--tls-key={files.key}",
    "--tls-client-ca={files.ca}",
)
INVALID_TLS: dict[str, tuple[Callable[[Files], None], tuple[str, ...], tuple[str, ...]]] = {
    "a certificate alone": (_nothing, (CERT,), ("--tls-cert needs --tls-key",)),
    "a key alone": (_nothing, (TLS_KEY,), ("--tls-key needs --tls-cert",)),
    "a client CA alone": (_nothing, (CA,), ("--tls-client-ca needs --tls-cert and --tls-key",)),
    "no files": (
        _delete_both,
        (CERT, TLS_KEY),
        ("--tls-cert: cannot", "--tls-key: cannot"),
    ),
    "the key of another certificate": (
        _mismatch,
        (CERT, TLS_KEY),
        ("is not the key of the certificate in",),
    ),
    "expired": (_expire, (CERT, TLS_KEY), ("expired on",)),
    "all at once": (
        _damage_all,
        (CERT, TLS_KEY, CA, "--listen=here", "--socket-group=no-such-group"),
        ("'here' is not", "is not the key of", "--tls-client-ca: there is no", "--socket-group: "),
    ),
    "remote clients without TLS": (
        _nothing,
        ("--listen=0.0.0.0:0",),
        ("enable TLS with --tls-cert and --tls-key, or pass --allow-plaintext",),
    ),
    "an invalid mode": (_nothing, ("--socket-mode=888",), ("such as 0660",)),
}


@pytest.mark.proves("S1")
@pytest.mark.parametrize("kind", INVALID_TLS)
def test_invalid_tls_settings_are_one_error_each(files: Files, kind: str) -> None:
    """The error does not have the key."""
    damage, flags, sentences = INVALID_TLS[kind]
    secret = Issued(files.cert.read_bytes(), files.key.read_bytes()).secret
    damage(files)
    done = invoke("serve", "--emulator", *(flag.format(files=files) for flag in flags))
    assert (done.code, done.out) == (2, "")
    for sentence in sentences:
        assert done.err.count(sentence) == 1, done.err
    assert "Traceback" not in done.err
    assert secret not in done.err
    assert "PRIVATE KEY" not in done.err
