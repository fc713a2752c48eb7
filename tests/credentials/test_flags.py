from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from rooms_gateway.settings import SettingsError, Upstream, read_upstream
from rooms_gateway.upstream.credentials import EntraKind, EntraSettings, KeySettings
from rooms_gateway.upstream.credentials.flags import EntraFlags

ENDPOINT = "https://contoso.communication.azure.com"
KEY, OTHER = (base64.b64encode(f"canary {name}".encode() * 4).decode() for name in "AB")
CONNECTION_STRING = f"endpoint={ENDPOINT}/;accesskey={KEY}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{KEY}\n")
    return path


def read(**given: Any) -> Upstream:
    ways: dict[str, Any] = {"connection_string": None, "endpoint": None, "access_key_file": None}
    return read_upstream(**(ways | given))


def faults_of(**given: Any) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        read(**given)
    assert "canary" not in str(raised.value)
    assert KEY not in str(raised.value)
    return raised.value.faults


@pytest.mark.parametrize(
    "text", [f"{KEY}\n{OTHER}\n", f"{KEY}\r\n{OTHER}", f"\n  {KEY} \n\n{OTHER}\n\n"]
)
def test_a_file_holds_two_keys_one_a_line_the_preferred_one_first(file: Path, text: str) -> None:
    file.write_bytes(text.encode())
    upstream = read(endpoint=ENDPOINT, access_key_file=file)
    keys = (base64.b64decode(KEY), base64.b64decode(OTHER))
    assert upstream.credential == KeySettings(keys, file)


def test_the_environment_holds_keys_as_a_file_does() -> None:
    upstream = read(endpoint=ENDPOINT, access_key=f"{KEY} {OTHER}")
    assert isinstance(upstream.credential, KeySettings)
    assert len(upstream.credential.keys) == 2
    assert upstream.credential.file is None


def test_a_key_that_is_there_twice_counts_once() -> None:
    upstream = read(endpoint=ENDPOINT, access_key=f"{KEY}\n{KEY}")
    assert isinstance(upstream.credential, KeySettings)
    assert len(upstream.credential.keys) == 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "there is no access key"),
        (f"{KEY}\ncanary!", "access key 2 of 2 is not base64"),
        (f"{KEY}\n{OTHER}\n{KEY}", "more than two"),
        ("canary" * 1000, "too large"),
        ("ké", "not ASCII"),
    ],
)
def test_a_file_that_holds_something_else_is_said_without_what_is_in_it(
    file: Path, text: str, fault: str
) -> None:
    file.write_text(text)
    (said,) = faults_of(endpoint=ENDPOINT, access_key_file=file)
    assert fault in said
    assert str(file) in said


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ({"endpoint": ENDPOINT}, ["needs a credential"]),
        ({"access_key": KEY}, ["must come with --endpoint"]),
        ({"entra": EntraFlags(kind="default")}, ["must come with --endpoint"]),
        ({"connection_string": CONNECTION_STRING, "access_key": KEY}, ["not both"]),
        (
            {"connection_string": CONNECTION_STRING, "entra": EntraFlags(kind="default")},
            ["not both"],
        ),
        (
            {"endpoint": ENDPOINT, "access_key": KEY, "entra": EntraFlags(kind="default")},
            ["ROOMS_GATEWAY_ACCESS_KEY and --entra are 2 credentials"],
        ),
        (
            {"endpoint": "http://contoso.example", "access_key": "canary!"},
            ["ROOMS_GATEWAY_ACCESS_KEY: ", "--endpoint: "],
        ),
        ({"endpoint": "http://contoso.example", "entra": EntraFlags(kind="default")}, ["http://"]),
        (
            {"endpoint": ENDPOINT, "entra": EntraFlags(client_id="a")},
            ["--entra-client-id needs --entra"],
        ),
        (
            {"endpoint": ENDPOINT, "entra": EntraFlags(kind="client-secret")},
            [
                "needs --entra-client-id",
                "needs --entra-tenant-id",
                "needs --entra-client-secret-file",
            ],
        ),
        (
            {
                "endpoint": ENDPOINT,
                "entra": EntraFlags(
                    kind="managed-identity",
                    tenant_id="a",
                    authority_host="http://login.example",
                ),
            },
            [
                "no use for --entra-tenant-id",
                "no use for --entra-authority-host",
                "must be an https:// URL",
            ],
        ),
        (
            {
                "endpoint": ENDPOINT,
                "entra": EntraFlags(
                    kind="client-secret",
                    client_id="a",
                    tenant_id="b",
                    client_secret_file=Path("/nowhere"),
                ),
            },
            ["--entra-client-secret-file: cannot read /nowhere"],
        ),
    ],
)
def test_all_faults_are_said_at_once(given: dict[str, Any], faults: list[str]) -> None:
    said = faults_of(**given)
    assert len(said) == len(faults)
    assert all(fault in text for fault, text in zip(faults, said, strict=True))


def test_an_identity_is_read_from_its_flags(file: Path) -> None:
    flags = EntraFlags(kind="client-secret", client_id="a", tenant_id="b", client_secret_file=file)
    upstream = read(endpoint=ENDPOINT, entra=flags)
    assert upstream.credential == EntraSettings(
        EntraKind.CLIENT_SECRET, client_id="a", tenant_id="b", client_secret_file=file
    )


@pytest.mark.parametrize("source", ["file", "environment", "connection string"])
def test_no_repr_of_settings_shows_a_key(file: Path, source: str) -> None:
    given: dict[str, dict[str, Any]] = {
        "file": {"endpoint": ENDPOINT, "access_key_file": file},
        "environment": {"endpoint": ENDPOINT, "access_key": KEY},
        "connection string": {"connection_string": CONNECTION_STRING},
    }
    assert "canary" not in repr(read(**given[source]))
