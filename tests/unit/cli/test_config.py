"""Settings without a process: the settings file, precedence of sources, `config show`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rooms_gateway.__main__ import main
from rooms_gateway.cli.serve.command import serve
from rooms_gateway.cli.serve.options import SETTINGS
from rooms_gateway.cli.serve.settings_file import (
    MAX_BYTES,
    Contents,
    parse,
    read_file,
    unknown_variables,
)
from rooms_gateway.cli.serve.sources import SettingsContext
from rooms_gateway.settings import Group, SettingsError

KEYS = {setting.key for setting in SETTINGS if setting.in_file}


@pytest.fixture(autouse=True)
def _no_settings_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("ROOMS_GATEWAY_", "COMMUNICATION_")):
            monkeypatch.delenv(name)


# --- the reader -----------------------------------------------------------------------------------

WRONG = {
    "an unknown key": ("max-atempts = 1", "unknown setting: did you mean max-attempts?"),
    "an underscore": ("max_attempts = 1", "unknown setting: did you mean max-attempts?"),
    "the other end of a switch": ("no-reflection = true", "did you mean reflection?"),
    "unlike any key": ("'' = 1", "unknown setting"),
    "another file": ("config = 'x.toml'", "not allowed in the settings file"),
    "a command": ("config-test = true", "not allowed in the settings file"),
    "text for a number": ("max-attempts = '4'", "must be an integer"),
    "a fraction for an integer": ("max-attempts = 4.0", "must be an integer"),
    "a boolean for an integer": ("max-attempts = true", "must be an integer"),
    "a boolean for a number": ("drain-grace = true", "must be a number"),
    "a number for a boolean": ("reflection = 1", "must be a boolean"),
    "a number for text": ("endpoint = 1", "must be a string"),
    "text for an array": ("listen = '127.0.0.1:0'", "must be an array of strings"),
    "an array of numbers": ("listen = [1]", "must be an array of strings"),
    "a table": ("[listen]\na = 1", "must be an array of strings"),
    "a date": ("api-version = 2025-03-13", "must be a string"),
    "a NUL": ('access-key-file = "a\\u0000b"', "cannot be printed"),
    "a line break": ('listen = ["a\\nb"]', "cannot be printed"),
    "an integer beyond all floats": (f"drain-grace = 1{'0' * 400}", "is too large"),
}


@pytest.mark.proves("S67")
@pytest.mark.parametrize("kind", WRONG)
def test_invalid_value_is_one_error_with_its_key(kind: str) -> None:
    text, sentence = WRONG[kind]
    contents = parse(text.encode(), SETTINGS, private=True)
    assert contents.values == {}
    ((key, error),) = contents.errors.items()
    assert error.startswith(f"{key}: ")
    assert sentence in error


NOT_TOML = {
    "a mistake": (b"listen = [", "not TOML: "),
    "a key twice": (b"endpoint = 'a'\nendpoint = 'b'", "not TOML: "),
    "another encoding": (b"endpoint = '\xff'", "it is not UTF-8"),
    "a too long number": (b"max-attempts = " + b"9" * 5000, "not a settings file"),
    "a deep nest": (b"listen = " + b"[" * 20000, "not a settings file"),
}


@pytest.mark.parametrize("kind", NOT_TOML)
def test_a_file_that_is_not_toml_is_one_error(kind: str) -> None:
    content, sentence = NOT_TOML[kind]
    with pytest.raises(SettingsError) as raised:
        parse(content, SETTINGS, private=True)
    (error,) = raised.value.errors
    assert sentence in error
    assert error.isprintable()


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_any_bytes_are_settings_or_errors(content: bytes) -> None:
    """Any bytes are either settings or printable errors."""
    try:
        contents = parse(content, SETTINGS, private=False)
        errors = [*contents.errors.values()]
    except SettingsError as error:
        contents, errors = Contents(), error.errors
    assert set(contents.values) <= KEYS
    assert all(error.isprintable() for error in errors)


SCALARS = st.booleans() | st.integers() | st.floats() | st.text() | st.dates()


def as_toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value).replace("\x7f", "\\u007f")
        case list():
            return f"[{', '.join(map(as_toml, value))}]"
        case _:
            return str(value).replace("e", "E")


@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(sorted(KEYS)) | st.text(),
        SCALARS | st.lists(SCALARS, max_size=3),
        max_size=5,
    )
)
def test_any_values_are_read_or_reported(values: dict[str, Any]) -> None:
    lines = [f"{as_toml(key)} = {as_toml(value)}" for key, value in values.items()]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "settings.toml"
        file.write_text("\n".join(lines), encoding="utf-8", errors="replace")
        with serve.make_context("serve", ["--config", str(file)]) as context:
            settings = SettingsContext.of(context)
            names = set(context.default_map or {})
            assert settings.file_unreadable or names <= set(context.params)


@pytest.mark.proves("S66")
@pytest.mark.parametrize(("mode", "errors"), [(0o600, 0), (0o640, 0), (0o644, 1), (0o604, 1)])
def test_secret_requires_a_private_file(tmp_path: Path, mode: int, errors: int) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("connection-string = 'endpoint=https://a.example;accesskey=Y2FuYXJ5'\n")
    file.chmod(mode)
    contents = read_file(file, SETTINGS)
    assert len(contents.errors) == errors
    assert len(contents.values) == 1 - errors
    assert "canary" not in str(contents.errors)
    assert "Y2FuYXJ5" not in str(contents.errors)


# --- precedence -----------------------------------------------------------------------------------

FILE = """\
listen = ["127.0.0.1:1", "127.0.0.1:2"]
max-attempts = 2
drain-grace = 3
reflection = false
log-level = "debug"
emulator = true
"""


def shown(*arguments: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    result = CliRunner().invoke(main, ["config", "show", "--json", *arguments], env=env)
    assert (result.exit_code, result.stderr) == (0, "")
    rows: dict[str, Any] = json.loads(result.stdout)
    return rows


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(FILE)
    return path


LEVELS = ["flag", "environment", "file", "default"]


@pytest.mark.parametrize("strongest", range(4))
@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("max-attempts", [8, 6, 2, 4]),
        ("drain-grace", [8.5, 6.0, 3.0, 10.0]),
        ("log-level", ["error", "warning", "debug", "info"]),
        ("listen", [["[::1]:8"], ["[::1]:6"], ["127.0.0.1:1", "127.0.0.1:2"], ["127.0.0.1:50051"]]),
        ("reflection", [True, True, False, True]),
    ],
)
def test_precedence_of_sources(file: Path, key: str, values: list[Any], strongest: int) -> None:
    """Highest first: flag, environment, file, default."""
    texts = [str(each[0] if isinstance(each, list) else each) for each in values]
    variable = f"ROOMS_GATEWAY_{key.replace('-', '_').upper()}"
    arguments, env = ["--emulator"], {}
    if strongest == 0:
        arguments += [f"--{key}"] if key == "reflection" else [f"--{key}", texts[0]]
    if strongest <= 1:
        env[variable] = texts[1]
    if strongest <= 2:
        arguments += ["--config", str(file)]
    row = shown(*arguments, env=env)[key]
    assert row == {
        "value": values[strongest],
        "kind": LEVELS[strongest],
        "name": [f"--{key}", variable, str(file), None][strongest],
    }


def test_the_file_can_be_named_in_the_environment(file: Path) -> None:
    rows = shown(env={"ROOMS_GATEWAY_CONFIG": str(file)})
    assert rows["config"] == {
        "value": str(file), "kind": "environment", "name": "ROOMS_GATEWAY_CONFIG"
    }  # fmt: skip
    assert rows["max-attempts"]["value"] == 2


def test_settings_are_shown_in_the_order_of_help() -> None:
    keys = [setting.key for setting in SETTINGS if setting.key != "config-test"]
    assert [*shown("--emulator")] == keys


# --- config show ----------------------------------------------------------------------------------

KEY = "Y2FuYXJ5Y2FuYXJ5"
SECRET = f"endpoint=https://contoso.example;accesskey={KEY}"


def show(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(main, ["config", "show", *arguments], env=env)


@pytest.mark.proves("S66")
@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (("--connection-string", SECRET), {}),
        ((), {"COMMUNICATION_CONNECTION_STRING": SECRET}),
        (("--endpoint", "https://contoso.example"), {"ROOMS_GATEWAY_ACCESS_KEY": KEY}),
        (("--endpoint", SECRET), {}),
        (("--endpoint", f"https://user:{KEY}@contoso.example"), {}),
        (("--emulator",), {"ROOMS_GATEWAY_CONNECTION_STRING": SECRET}),
    ],
)
def test_secrets_of_all_sources_are_redacted(
    arguments: tuple[str, ...], env: dict[str, str], *, as_json: bool
) -> None:
    result = show(*arguments, *(["--json"] if as_json else []), **env)
    assert "***" in result.stdout
    assert KEY not in result.output
    assert "canary" not in result.output


def test_text_output_is_grouped_and_aligned() -> None:
    """The keys are spelled as the flags are."""
    result = show("--emulator", "--socket-mode", "0600", ROOMS_GATEWAY_LISTEN="[::1]:1 [::1]:2")
    titles = [line for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert titles == [f"{group}:" for group in Group]
    lines = [line for line in result.stdout.splitlines() if line.startswith("  ")]
    assert len({line.index(line.split("  ")[-1].strip(), 40) for line in lines}) == 1
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert rows["socket-mode"] == ["0600", "--socket-mode"]
    assert rows["listen"] == ["[::1]:1", "[::1]:2", "ROOMS_GATEWAY_LISTEN"]
    assert rows["emulator"] == ["true", "--emulator"]
    assert rows["reflection"] == ["true", "default"]
    assert rows["endpoint"] == ["-", "default"]


# --- variables ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ROOMS_GATEWAY_LISTNE", "ROOMS_GATEWAY_LISTEN"),
        ("ROOMS_GATEWAY_MAX_ATTEMPT", "ROOMS_GATEWAY_MAX_ATTEMPTS"),
        ("ROOMS_GATEWAY_ACCESS_KEYS", "ROOMS_GATEWAY_ACCESS_KEY"),
        ("ROOMS_GATEWAY_REFLEKTION", "ROOMS_GATEWAY_REFLECTION"),
    ],
)
def test_unknown_variable_warns_with_a_suggestion(name: str, meant: str) -> None:
    (warning,) = unknown_variables({name: "canary", "PATH": "/bin"}, SETTINGS)
    assert warning.startswith(f"ignoring unknown setting {name}: ")
    assert warning.endswith(f"did you mean {meant}?")
    assert "canary" not in warning


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROOMS_GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ("ROOMS_GATEWAY_SERVICE_PORT", "50051"),
        ("ROOMS_GATEWAY_SERVICE_PORT_GRPC", "50051"),
        ("ROOMS_GATEWAY_PORT", "tcp://10.0.0.1:50051"),
        ("ROOMS_GATEWAY_PORT_50051_TCP", "tcp://10.0.0.1:50051"),
        ("ROOMS_GATEWAY_PORT_50051_TCP_ADDR", "10.0.0.1"),
        ("ROOMS_GATEWAY_ADMIN_SERVICE_HOST", "10.0.0.1"),
    ],
)
def test_kubernetes_service_variables_do_not_warn(name: str, value: str) -> None:
    assert unknown_variables({name: value}, SETTINGS) == []


def options_of(command: click.Command, context: click.Context) -> Iterator[click.Parameter]:
    yield from command.params
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            sub = command.get_command(context, name)
            assert sub is not None
            yield from options_of(sub, click.Context(sub, parent=context))


def test_variables_of_all_commands_are_known() -> None:
    names: set[str] = set()
    for option in options_of(main, click.Context(main)):
        names |= {option.envvar} if isinstance(option.envvar, str) else {*(option.envvar or ())}
    assert len(names) > 20
    assert unknown_variables(dict.fromkeys(names, "x"), SETTINGS) == []


def test_a_file_above_the_limit_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(SettingsError, match=f"is too large: the limit is {MAX_BYTES} bytes"):
        read_file(path, ())
