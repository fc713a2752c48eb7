"""The settings file, `serve --config-test` and `config show`: output and exit codes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from support.commands import invoke

KEY = base64.b64encode(b"canary-canary-canary").decode()
HOST = "https://contoso.communication.azure.com"
HINT = "Try 'rooms-gateway serve --help'."


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


UNREADABLE = {
    "missing": (None, "cannot read {}: No such file or directory."),
    "not TOML": ("listen = [", "{}: not TOML: Invalid value (at end of document)."),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_unreadable_file_is_the_only_error(tmp_path: Path, kind: str) -> None:
    text, sentence = UNREADABLE[kind]
    file = tmp_path / "settings.toml"
    if text is not None:
        file.write_text(text)
    done = invoke("serve", "--config", file)
    assert done.code == 2
    assert done.err == f"rooms-gateway: --config: {sentence.format(file)}\n{HINT}\n"


def test_error_names_the_sources_of_the_values(tmp_path: Path) -> None:
    file = written(tmp_path / "settings.toml", f'endpoint = "{HOST}"\n')
    done = invoke(
        *("serve", "--config", file),
        env={"COMMUNICATION_CONNECTION_STRING": f"endpoint={HOST};accesskey={KEY}"},
    )
    assert done.code == 2
    assert "not both (" in done.err
    assert "--connection-string is from COMMUNICATION_CONNECTION_STRING" in done.err
    assert f"--endpoint is from {file}" in done.err


@pytest.mark.proves("S68")
@pytest.mark.parametrize("line", [f'endpoint = "{HOST}"', 'access-key-file = "/k"'])
def test_file_with_two_upstreams_is_rejected(tmp_path: Path, line: str) -> None:
    file = written(tmp_path / "settings.toml", f"emulator = true\n{line}\n")
    done = invoke("serve", "--config", file)
    assert done.code == 2
    assert f"--emulator and --{line.split(maxsplit=1)[0]} name two upstreams" in done.err


# --- --config-test --------------------------------------------------------------------------------


def test_valid_settings_start_nothing(tmp_path: Path) -> None:
    key = written(tmp_path / "key", KEY)
    socket = tmp_path / "socket"
    done = invoke(
        *("serve", "--config-test", "--listen", f"unix:{socket}"),
        *("--endpoint", HOST, "--access-key-file", key),
    )
    assert (done.code, done.out, done.err) == (0, "settings are fine\n", "")
    assert not socket.exists()


def test_key_files_are_read(tmp_path: Path) -> None:
    done = invoke(
        *("serve", "--config-test", "--endpoint", HOST, "--access-key-file", tmp_path / "key")
    )
    assert (done.code, done.out) == (2, "")
    assert f"--access-key-file: cannot read {tmp_path}/key" in done.err


@pytest.mark.proves("S67")
def test_unknown_variable_is_a_warning() -> None:
    done = invoke(*("serve", "--config-test", "--emulator"), env={"ROOMS_GATEWAY_LISTNE": "canary"})
    assert (done.code, done.out) == (0, "settings are fine\n")
    assert done.err == (
        "rooms-gateway: warning: ignoring unknown setting ROOMS_GATEWAY_LISTNE: "
        "did you mean ROOMS_GATEWAY_LISTEN?\n"
    )


@pytest.mark.proves("S66")
@pytest.mark.parametrize(
    "arguments",
    [
        (f"endpoint={HOST};accesskey={KEY}",),
        (f"--conection-string=endpoint={HOST};accesskey={KEY}",),
        ("--conection-string", f"endpoint={HOST};accesskey={KEY}"),
        ("--endpoint", f"endpoint={HOST};accesskey={KEY}"),
        ("--log-level", f"endpoint={HOST};accesskey={KEY}"),
        ("--listen", f"endpoint={HOST};accesskey={KEY}"),
        ("--listen", f"https://user:{KEY}@contoso.example"),
    ],
)
def test_misplaced_secret_is_not_repeated(arguments: tuple[str, ...]) -> None:
    done = invoke("serve", *arguments)
    assert done.code == 2
    assert KEY not in done.err


def test_help_is_printed_despite_errors() -> None:
    done = invoke("serve", "--config", "/nowhere", "--max-attempts", "0", "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Usage: rooms-gateway serve")


# --- config show ----------------------------------------------------------------------------------


def test_effective_settings_have_their_source(tmp_path: Path) -> None:
    file = written(
        tmp_path / "settings.toml",
        f'connection-string = "endpoint={HOST};accesskey={KEY}"\nmax-attempts = 7\n',
    )
    arguments = ("config", "show", "--config", file, "--listen", "127.0.0.1:0")
    env = {"ROOMS_GATEWAY_LOG_LEVEL": "debug"}
    text = invoke(*arguments, env=env)
    assert (text.code, text.err) == (0, "")
    rows = [line.split() for line in text.out.splitlines()]
    assert ["connection-string", "***", str(file)] in rows
    assert ["max-attempts", "7", str(file)] in rows
    assert ["log-level", "debug", "ROOMS_GATEWAY_LOG_LEVEL"] in rows
    assert ["listen", "127.0.0.1:0", "--listen"] in rows
    assert ["default-timeout", "30.0", "default"] in rows
    as_json = invoke(*arguments, "--json", env=env)
    assert json.loads(as_json.out)["max-attempts"] == {
        "value": 7, "kind": "file", "name": str(file)
    }  # fmt: skip
    assert KEY not in text.out + as_json.out


def test_invalid_value_shows_no_settings() -> None:
    done = invoke("config", "show", "--emulator", "--max-attempts", "0")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "rooms-gateway: --max-attempts: 0 is not in the range x>=1.\n"
        "Try 'rooms-gateway config show --help'.\n"
    )


def test_violated_rule_is_shown_with_the_values() -> None:
    done = invoke("config", "show")
    assert done.code == 2
    assert done.out.startswith("Settings file:\n  config  ")
    assert "no upstream configured: pass --connection-string" in done.err
