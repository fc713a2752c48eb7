from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from rooms_gateway.resources.upstream_files import read_upstream_files
from rooms_gateway.settings import SettingsError, Upstream, UpstreamSettings, make_upstream
from rooms_gateway.upstream.credentials import EntraKind, EntraSettings, KeySettings

ENDPOINT = "https://contoso.communication.azure.com"
KEY, OTHER = (base64.b64encode(f"canary {name}".encode() * 4).decode() for name in "AB")
CONNECTION_STRING = f"endpoint={ENDPOINT}/;accesskey={KEY}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{KEY}\n")
    return path


def read(**given: Any) -> Upstream:
    settings = UpstreamSettings(**given)
    upstream = make_upstream(settings, read_upstream_files(settings))
    assert upstream is not None
    return upstream


def errors_of(**given: Any) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        read(**given)
    assert "canary" not in str(raised.value)
    assert KEY not in str(raised.value)
    return raised.value.errors


@pytest.mark.parametrize(
    "text", [f"{KEY}\n{OTHER}\n", f"{KEY}\r\n{OTHER}", f"\n  {KEY} \n\n{OTHER}\n\n"]
)
def test_a_key_file_has_one_key_per_line(file: Path, text: str) -> None:
    """The first one is preferred."""
    file.write_bytes(text.encode())
    upstream = read(endpoint=ENDPOINT, access_key_file=file)
    keys = (base64.b64decode(KEY), base64.b64decode(OTHER))
    assert upstream.credential == KeySettings(keys, file)


def test_the_environment_may_hold_two_keys() -> None:
    upstream = read(endpoint=ENDPOINT, access_key=f"{KEY} {OTHER}")
    assert isinstance(upstream.credential, KeySettings)
    assert len(upstream.credential.keys) == 2
    assert upstream.credential.file is None


def test_duplicate_keys_count_once() -> None:
    upstream = read(endpoint=ENDPOINT, access_key=f"{KEY}\n{KEY}")
    assert isinstance(upstream.credential, KeySettings)
    assert len(upstream.credential.keys) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "there is no access key"),
        (f"{KEY}\ncanary!", "access key 2 of 2 is not base64"),
        (f"{KEY}\n{OTHER}\n{KEY}", "more than two"),
        ("canary" * 1000, "too large"),
        ("ké", "not ASCII"),
    ],
)
def test_an_invalid_key_file_error_is_redacted(file: Path, text: str, sentence: str) -> None:
    file.write_text(text)
    (error,) = errors_of(endpoint=ENDPOINT, access_key_file=file)
    assert sentence in error
    assert str(file) in error


@pytest.mark.parametrize(
    ("given", "sentences"),
    [
        ({"endpoint": ENDPOINT}, ["needs a credential"]),
        ({"access_key": KEY}, ["needs --endpoint"]),
        ({"entra": EntraKind.DEFAULT}, ["needs --endpoint"]),
        ({"connection_string": CONNECTION_STRING, "access_key": KEY}, ["not both"]),
        (
            {"connection_string": CONNECTION_STRING, "entra": EntraKind.DEFAULT},
            ["not both"],
        ),
        (
            {"endpoint": ENDPOINT, "access_key": KEY, "entra": EntraKind.DEFAULT},
            ["ROOMS_GATEWAY_ACCESS_KEY and --entra are 2 credentials"],
        ),
        (
            {"endpoint": "http://contoso.example", "access_key": "canary!"},
            ["ROOMS_GATEWAY_ACCESS_KEY: ", "--endpoint: "],
        ),
        ({"endpoint": "http://contoso.example", "entra": EntraKind.DEFAULT}, ["http://"]),
        (
            {"endpoint": ENDPOINT, "entra_client_id": "a"},
            ["--entra-client-id needs --entra"],
        ),
        (
            {"endpoint": ENDPOINT, "entra": EntraKind.CLIENT_SECRET},
            [
                "needs --entra-client-id",
                "needs --entra-tenant-id",
                "needs --entra-client-secret-file",
            ],
        ),
        (
            {
                "endpoint": ENDPOINT,
                "entra": EntraKind.MANAGED_IDENTITY,
                "entra_tenant_id": "a",
                "entra_authority_host": "http://login.example",
            },
            [
                "does not use --entra-tenant-id",
                "does not use --entra-authority-host",
                "must be an https:// URL",
            ],
        ),
        (
            {
                "endpoint": ENDPOINT,
                "entra": EntraKind.CLIENT_SECRET,
                "entra_client_id": "a",
                "entra_tenant_id": "b",
                "entra_client_secret_file": Path("/nowhere"),
            },
            ["--entra-client-secret-file: cannot read /nowhere"],
        ),
    ],
)
def test_all_errors_are_reported_at_once(given: dict[str, Any], sentences: list[str]) -> None:
    errors = errors_of(**given)
    assert len(errors) == len(sentences)
    assert all(sentence in error for sentence, error in zip(sentences, errors, strict=True))


def test_an_identity_is_built_from_its_settings(file: Path) -> None:
    upstream = read(
        endpoint=ENDPOINT,
        entra=EntraKind.CLIENT_SECRET,
        entra_client_id="a",
        entra_tenant_id="b",
        entra_client_secret_file=file,
    )
    assert upstream.credential == EntraSettings(
        EntraKind.CLIENT_SECRET, client_id="a", tenant_id="b", client_secret_file=file
    )


@pytest.mark.proves("S56")
@pytest.mark.parametrize("source", ["file", "environment", "connection string"])
def test_keys_are_redacted_in_settings_reprs(file: Path, source: str) -> None:
    given: dict[str, dict[str, Any]] = {
        "file": {"endpoint": ENDPOINT, "access_key_file": file},
        "environment": {"endpoint": ENDPOINT, "access_key": KEY},
        "connection string": {"connection_string": CONNECTION_STRING},
    }
    assert "canary" not in repr(read(**given[source]))
