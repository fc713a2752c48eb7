"""The development CA: made once, kept for its user, and replaced only before it expires."""

from __future__ import annotations

import os
import shlex
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12
from support.commands import invoke

from rooms_emulator import DevelopmentTls
from rooms_emulator.tls import trust
from rooms_emulator.tls.authority import Authority
from rooms_emulator.tls.development import default_folder

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def names(certificate: bytes) -> list[str]:
    loaded = x509.load_pem_x509_certificate(certificate)
    extension = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [str(name.value) for name in extension.value]


def test_it_is_made_once(tmp_path: Path) -> None:
    first = DevelopmentTls(folder=tmp_path / "new" / "folder")
    content = first.ca_file.read_bytes()
    assert DevelopmentTls(folder=tmp_path / "new" / "folder").ca_file.read_bytes() == content


def test_concurrent_starts_share_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: Authority(tmp_path, NOW), range(8)))
    issued = [authority.issue(["localhost"], NOW) for authority in made]
    [ca] = x509.load_pem_x509_certificates(made[0].file.read_bytes())
    for content in issued:
        x509.load_pem_x509_certificate(content).verify_directly_issued_by(ca)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".p12", ".pem", ".pem"]


def test_only_its_user_can_read_the_key(tmp_path: Path) -> None:
    folder = tmp_path / "rooms-gateway"
    DevelopmentTls(folder=folder)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}
    assert modes == {
        "rooms-gateway": 0o700,
        "emulator-ca-key.pem": 0o600,
        "emulator-ca.pem": 0o644,
        "emulator-ca.p12": 0o644,
    }


@pytest.mark.parametrize(("days", "kept"), [(3000, True), (3300, False), (4000, False)])
def test_it_outlives_each_certificate(days: int, kept: bool, tmp_path: Path) -> None:
    old = DevelopmentTls(folder=tmp_path, now=NOW).ca_file.read_bytes()
    new = DevelopmentTls(folder=tmp_path, now=NOW + days * DAY)
    assert (new.ca_file.read_bytes() == old) is kept
    [stored] = pkcs12.load_pkcs12(new.truststore.read_bytes(), b"changeit").additional_certs
    [ca] = x509.load_pem_x509_certificates(new.ca_file.read_bytes())
    assert stored.certificate == ca


@pytest.mark.parametrize("name", ["emulator-ca.pem", "emulator-ca.p12"])
def test_lost_files_are_written_again(name: str, tmp_path: Path) -> None:
    DevelopmentTls(folder=tmp_path)
    content = (tmp_path / "emulator-ca.pem").read_bytes()
    (tmp_path / name).unlink()
    DevelopmentTls(folder=tmp_path)
    assert (tmp_path / name).exists()
    assert (tmp_path / "emulator-ca.pem").read_bytes() == content


def test_the_names_of_the_certificate(tmp_path: Path) -> None:
    hosts = ["rooms.test", "192.0.2.1", "fe80::1%eth0", "bücher.test", "my_emulator"]
    assert names(Authority(tmp_path, NOW).issue(hosts, NOW)) == [
        "rooms.test",
        "192.0.2.1",
        "fe80::1",
        "xn--bcher-kva.test",
        "my_emulator",
    ]


def test_strict_clients_accept_it(tmp_path: Path) -> None:
    """Python 3.13 checks certificates by RFC 5280; so do other languages."""
    tls = DevelopmentTls(["rooms.test"], folder=tmp_path)
    client = ssl.create_default_context(cafile=tls.ca_file)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    for host in ("localhost", "127.0.0.1", "::1", "host.docker.internal", "rooms.test"):
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        ends = [
            client.wrap_bio(to_client, to_server, server_hostname=host),
            tls.context.wrap_bio(to_server, to_client, server_side=True),
        ]
        for _ in range(2):
            for end in ends:
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        assert ends[0].version() == "TLSv1.3"


@pytest.mark.parametrize("host", ["a..test", "a" * 64 + ".test", ".test"])
def test_a_malformed_name_is_an_error(host: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a host in a certificate"):
        DevelopmentTls([host], folder=tmp_path)


@pytest.mark.parametrize("content", ["", "garbage", "-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_damaged_key_is_an_error(content: str, tmp_path: Path) -> None:
    key = tmp_path / "emulator-ca-key.pem"
    key.write_text(content)
    key.chmod(0o600)
    with pytest.raises(ValueError, match=f"{key} is not the key of a development CA: delete {key}"):
        DevelopmentTls(folder=tmp_path)
    assert key.read_text() == content


def test_a_key_that_others_can_read(tmp_path: Path) -> None:
    DevelopmentTls(folder=tmp_path)
    (tmp_path / "emulator-ca-key.pem").chmod(0o640)
    with pytest.raises(ValueError, match="be readable for no other: run chmod 600, or delete"):
        DevelopmentTls(folder=tmp_path)


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "rooms-gateway").write_text("")
    done = invoke("emulator", "--tls-dev", env={"XDG_DATA_HOME": str(tmp_path)})
    assert done.code == 2
    assert f"the development CA cannot be kept in {tmp_path}/rooms-gateway: File exists" in done.err
    assert "; set XDG_DATA_HOME to a folder that this user can write, or pass --tls-c" in done.err


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative XDG_DATA_HOME is ignored, as its specification requires."""
    monkeypatch.setenv("HOME", "/home/me")
    for value, expected in {
        "": "/home/me/.local/share",
        "relative": "/home/me/.local/share",
        "/data": "/data",
    }.items():
        monkeypatch.setenv("XDG_DATA_HOME", value)
        assert default_folder() == Path(expected, "rooms-gateway")


def test_commands_quote_paths() -> None:
    """Java splits its options a second time, like a shell."""
    ca, store = Path("/it's here/ca.pem"), Path("/it's here/ca.p12")
    commands = trust.commands(ca, store)
    assert list(commands) == ["Python", "Node", "Java", ".NET", "Go", "curl"]
    for language, command in commands.items():
        [export, *variables] = shlex.split(command)
        values = [variable.partition("=")[2] for variable in variables]
        assert export == "export"
        if language == "Java":
            values = [values[0].split('"')[1]]
        assert {*values} <= {os.fspath(ca), os.fspath(store)}


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rooms_emulator.tls.authority", None)
    done = invoke("emulator", "--tls-dev")
    assert (done.code, done.out) == (2, "")
    assert "needs the library cryptography: pip install 'rooms-gateway[tls-dev]', or" in done.err
