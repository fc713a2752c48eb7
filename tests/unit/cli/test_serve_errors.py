"""`rooms-gateway serve` with invalid settings: exit code 2, one error each, and no secret."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from support.commands import invoke

KEY = base64.b64encode(b"canary-canary-canary").decode()
HOST = "https://contoso.communication.azure.com"

BAD_CONNECTION_STRINGS = {
    "empty": ("", "has no endpoint and no accesskey"),
    "malformed": ("canary canary", "has no endpoint and no accesskey"),
    "a key alone": (KEY, "has no endpoint and no accesskey"),
    "no key": (f"endpoint={HOST}/", "has no accesskey"),
    "a quotation mark": (f'"endpoint={HOST}/;accesskey={KEY}', "begins with a quotation mark"),
    "two strings": (f"endpoint={HOST};accesskey={KEY}\nendpoint={HOST};accesskey={KEY}", "twice"),
    "exchanged values": (f"endpoint={KEY};accesskey={HOST}", "exchange the values"),
    "an assignment": (f'export X="endpoint={HOST};accesskey={KEY}"', "the name of a variable"),
    "quotation marks around the key": (
        f'endpoint={HOST}/;accesskey="{KEY}"',
        "the connection string ends with a quotation mark",
    ),
    "an empty key": (f"endpoint={HOST}/;accesskey=", "has no accesskey"),
    "no endpoint": (f"accesskey={KEY}", "has no endpoint"),
    "a key that is not base64": (f"endpoint={HOST};accesskey=canary!", "the access key is not"),
    "a key that is not ASCII": (
        f"endpoint={HOST};accesskey=cañary",
        "the access key is not base64",
    ),
    "a truncated key": (f"endpoint={HOST};accesskey={KEY[:-2]}", "the access key is not base64"),
    "a path": (f"endpoint={HOST}/rooms;accesskey={KEY}", "the endpoint must not have a path"),
    "a query": (f"endpoint={HOST}/?a=b;accesskey={KEY}", "must not have a query or a fragment"),
    "a fragment": (f"endpoint={HOST}/#a;accesskey={KEY}", "must not have a query or a fragment"),
    "a user": (
        f"endpoint=https://user:{KEY[:8]}@contoso.communication.azure.com;accesskey={KEY}",
        "must not contain a user name or password",
    ),
    "no scheme": (f"endpoint=contoso.communication.azure.com;accesskey={KEY}", "must be a URL"),
    "another scheme": (f"endpoint=ftp://contoso.example;accesskey={KEY}", "must be a URL"),
    "no host": (f"endpoint=https://;accesskey={KEY}", "must be a URL"),
    "a port of letters": (f"endpoint={HOST}:canary;accesskey={KEY}", "is not a URL"),
    "blanks": (f"endpoint=https://a b;accesskey={KEY}", "characters that are not allowed in a URL"),
    "a line break": (
        f"endpoint={HOST}/\ncanary;accesskey={KEY}",
        "characters that are not allowed",
    ),
    "http to another host": (
        "endpoint=http://contoso.communication.azure.com;accesskey=" + KEY,
        "an http:// endpoint must be on loopback",
    ),
}


def secrets(text: str) -> list[str]:
    """Return the secrets in `text`."""
    return [part for part in (KEY, KEY[:-2], KEY[:8], "canary", "cañary") if part in text]


@pytest.mark.parametrize("kind", BAD_CONNECTION_STRINGS)
def test_invalid_connection_string_is_one_error(kind: str) -> None:
    text, sentence = BAD_CONNECTION_STRINGS[kind]
    done = invoke("serve", "--connection-string", text)
    assert done.code == 2
    assert done.out == ""
    error, hint = done.err.splitlines()
    assert error.startswith("rooms-gateway: --connection-string: ")
    assert sentence in error
    assert error.endswith(".")
    assert hint == "Try 'rooms-gateway serve --help'."
    assert secrets(done.err) == []


def test_missing_upstream_error_lists_the_flags() -> None:
    done = invoke("serve")
    assert done.code == 2
    for name in (
        "--connection-string",
        "COMMUNICATION_CONNECTION_STRING",
        "--endpoint",
        "--access-key-file",
        "--emulator",
    ):
        assert name in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "name",
    [
        "AZURE_COMMUNICATION_CONNECTION_STRING",
        "COMMUNICATION_SERVICES_CONNECTION_STRING",
        "COMMUNICATION_SAMPLES_CONNECTION_STRING",
        "COMMUNICATION_CONNECTION_STRING_ROOMS",
    ],
)
def test_variable_of_other_programs_is_named(name: str) -> None:
    """It is not read: it is in the error if no upstream is configured, and ignored otherwise."""
    upstream = f"endpoint={HOST}/;accesskey={KEY}"
    done = invoke("serve", env={name: upstream})
    assert done.code == 2
    assert f"no upstream configured: {name} is set, but" in done.err
    assert secrets(done.err) == []
    assert name not in invoke("serve", env={name: ""}).err
    other = {name: "canary", "COMMUNICATION_CONNECTION_STRING": upstream}
    done = invoke("serve", "--config-test", env=other)
    assert (done.code, done.err) == (0, "")


KEY_FILES = {
    "not there": (None, "cannot read {}: No such file or directory."),
    "empty": (b"", "{}: there is no access key."),
    "not base64": (
        b"canary!",
        "{}: the access key is not base64: copy it again from the Keys page of the resource.",
    ),
    "binary": (
        b"\xff\xd8\x00canary",
        "{} is not ASCII text.",
    ),
    "of PowerShell": (
        f"{KEY}\r\n".encode("utf-16"),
        "{} is UTF-16 text: save it as ASCII text, in PowerShell with Out-File -Encoding ascii.",
    ),
    "in quotation marks": (
        f'"{KEY}"'.encode(),
        "{}: the access key begins with a quotation mark: remove",
    ),
    "three keys": (
        f"{KEY}\n{KEY}\n{KEY}".encode(),
        "{}: there are more than two access keys: a resource has two.",
    ),
}


@pytest.mark.parametrize("kind", KEY_FILES)
def test_invalid_key_file_is_one_error(tmp_path: Path, kind: str) -> None:
    content, sentence = KEY_FILES[kind]
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    done = invoke("serve", "--endpoint", HOST, "--access-key-file", path)
    assert done.code == 2
    assert f"rooms-gateway: --access-key-file: {sentence.format(path)}" in done.err
    assert secrets(done.err) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--endpoint", HOST), "--endpoint needs a credential: --access-key-file"),
        (("--access-key-file", "/k"), "needs --endpoint"),
        (
            ("--connection-string", f"endpoint={HOST};accesskey={KEY}", "--endpoint", HOST),
            "not both",
        ),
        (
            ("--emulator", "--connection-string", f"endpoint={HOST};accesskey={KEY}"),
            "--emulator and --connection-string name two upstreams",
        ),
        (("--emulator", "--endpoint", HOST), "--emulator and --endpoint name two upstreams"),
        (
            ("--emulator", "--access-key-file", "/k"),
            "--emulator and --access-key-file name two upstreams",
        ),
        (("--emulator", "--listen", "0.0.0.0:0"), "0.0.0.0:0 is reachable from other hosts"),
        (("--emulator", "--listen", "[::]:0"), "[::]:0 is reachable from other hosts"),
        (("--emulator", "--listen", "50051"), "'50051' is not host:port or unix:/path"),
        (("--emulator", "--listen", "localhost:70000"), "is not host:port"),
        (("--emulator", "--listen", "::1:50051"), "an IPv6 address requires brackets"),
        (("--emulator", "--listen", "unix:"), "'unix:' has no path"),
        (("--emulator", "--default-timeout", "nan"), "--default-timeout must be a number"),
        (("--emulator", "--attempt-timeout", "inf"), "--attempt-timeout must be a number"),
        (("--emulator", "--drain-grace", "inf"), "--drain-grace must be a number of seconds"),
        (("--emulator", "--default-timeout", "0"), "--default-timeout: 0.0 is not"),
        (("--emulator", "--max-attempts", "0"), "--max-attempts: 0 is not in the range"),
        (("--emulator", "--api-version", "2022-02-02"), "2025-03-13"),
        (("--emulator", "--no-such-flag"), "--no-such-flag"),
        (
            ("--emulator", "--default-role", "moderator"),
            "--default-role: 'moderator' is not",
        ),
        (
            ("--emulator", "--max-room-lifetime", "0"),
            "--max-room-lifetime: 0.0 is not",
        ),
        (("--emulator", "--max-room-lifetime", "nan"), "--max-room-lifetime must be a number"),
        (
            ("--emulator", "--max-room-lifetime", "inf"),
            "rooms-gateway: --max-room-lifetime must be a number of seconds.\nTry",
        ),
        (
            ("--emulator", "--max-room-lifetime", "15552000.1"),
            "--max-room-lifetime must be at most 15552000, the 180 days of the Rooms service",
        ),
        (
            ("--emulator", "--default-room-lifetime", "15552001"),
            "--default-room-lifetime must be at most 15552000, the 180 days of the Rooms service",
        ),
        (
            ("--emulator", "--default-room-lifetime", "60.5", "--max-room-lifetime", "60"),
            "--default-room-lifetime 60.5 is longer than --max-room-lifetime 60: lower the default",
        ),
        (
            ("--emulator", "--default-role", "collaborator", "--api-version", "2024-04-15"),
            "--default-role: --api-version 2024-04-15 does not support collaborator: choose",
        ),
    ],
)
def test_invalid_setting_names_its_rule(arguments: tuple[str, ...], sentence: str) -> None:
    done = invoke("serve", *arguments)
    assert done.code == 2
    assert sentence in done.err
    assert "Traceback" not in done.err
    assert secrets(done.err) == []


def test_all_errors_are_reported_at_once() -> None:
    done = invoke("serve", "--emulator", "--listen", "here", "--listen", "0.0.0.0:1")
    assert done.code == 2
    assert done.err.count("rooms-gateway: ") == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--default-room-lifetime", "15552000", "--max-room-lifetime", "15552000"),
        ("--default-room-lifetime", "0.1"),
        ("--default-role", "collaborator"),
        ("--default-role", "consumer", "--api-version", "2023-06-14"),
    ],
)
def test_defaults_within_the_bounds_are_fine(arguments: tuple[str, ...]) -> None:
    done = invoke("serve", "--emulator", "--config-test", *arguments)
    assert (done.code, done.out, done.err) == (0, "settings are fine\n", "")


def test_config_test_reports_the_same_error() -> None:
    """With the same exit code."""
    arguments = ("--emulator", "--default-room-lifetime", "2", "--max-room-lifetime", "1")
    done = invoke("serve", "--config-test", *arguments)
    assert done.code == 2
    assert done == invoke("serve", *arguments)
