"""Invalid flags of the commands that call a gateway: exit code 2, and no secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.authority import OURS, Files, Issued
from support.commands import invoke


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path).write(OURS.issue(), OURS)


@pytest.mark.parametrize("command", [("health",), ("rooms", "list"), ("participants", "list", "1")])
@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--tls-cert={files.cert}", "--tls-key={files.key}"), "require --tls-ca"),
        (("--tls-server-name=a",), "require --tls-ca"),
        (("--tls-ca={files.ca}", "--tls-cert={files.cert}"), "require each other"),
        (("--tls-ca={files.ca}", "--address=unix:/x"), "TLS is not available on Unix sockets"),
        (("--tls-ca=/no/such/file",), "--tls-ca: cannot read /no/such/file"),
        (
            ("--tls-ca={files.ca}", "--tls-cert=/no/such/file", "--tls-key={files.key}"),
            "--tls-cert: cannot read /no/such/file",
        ),
        (("--tls-ca={files.key}",), "--tls-ca: there is no certificate in PEM form"),
        (
            ("--tls-ca={files.ca}", "--tls-cert={files.ca}", "--tls-key={files.key}"),
            "is not the key of the certificate",
        ),
    ],
)
def test_invalid_tls_flags_are_exit_code_2(
    files: Files, command: tuple[str, ...], flags: tuple[str, ...], sentence: str
) -> None:
    done = invoke(*command, *(flag.format(files=files) for flag in flags))
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err
    assert Issued(files.cert.read_bytes(), files.key.read_bytes()).secret not in done.err


@pytest.mark.parametrize("command", ["wait", "shutdown"])
@pytest.mark.parametrize("address", ["", "x", "unix:/tmp/x", "127.0.0.1:99999"])
def test_malformed_admin_address_is_exit_code_2(command: str, address: str) -> None:
    assert invoke(command, "--admin", address).code == 2
