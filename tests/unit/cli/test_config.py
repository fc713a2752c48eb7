"""Settings without a process: the TOML reader, the sources in their order, and what is shown."""

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
from hypothesis import given
from hypothesis import strategies as st

from rooms_gateway.__main__ import main
from rooms_gateway.cli.serve.command import serve
from rooms_gateway.cli.serve.settings_file import MAX_BYTES, Contents, parse, read_file
from rooms_gateway.cli.serve.sources import Setting, SettingsContext
from rooms_gateway.cli.serve.variables import unknown_variables
from rooms_gateway.settings import SettingsError

SETTINGS = [option for option in serve.params if isinstance(option, Setting)]
KEYS = {setting.key for setting in SETTINGS if setting.in_file}


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("ROOMS_GATEWAY_", "COMMUNICATION_")):
            monkeypatch.delenv(name)


# --- the reader -----------------------------------------------------------------------------------

WRONG = {
    "an unknown key": ("max-atempts = 1", "no such setting: did you mean max-attempts?"),
    "an underscore": ("max_attempts = 1", "no such setting: did you mean max-attempts?"),
    "the other end of a switch": ("no-reflection = true", "did you mean reflection?"),
    "nothing like any": ("'' = 1", "no such setting"),
    "another file": ("config = 'x.toml'", "the file cannot set this"),
    "a command": ("config-test = true", "the file cannot set this"),
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
def test_a_value_that_cannot_be_is_one_fault_that_begins_with_its_key(kind: str) -> None:
    text, sentence = WRONG[kind]
    contents = parse(text.encode(), SETTINGS, private=True)
    assert contents.values == {}
    ((key, fault),) = contents.faults.items()
    assert fault.startswith(f"{key}: ")
    assert sentence in fault


NOT_TOML = {
    "a mistake": (b"listen = [", "not TOML: "),
    "a key twice": (b"endpoint = 'a'\nendpoint = 'b'", "not TOML: "),
    "another encoding": (b"endpoint = '\xff'", "it is not UTF-8"),
    "an endless number": (b"max-attempts = " + b"9" * 5000, "could be settings"),
    "a deep nest": (b"listen = " + b"[" * 20000, "could be settings"),
    "too long": (b"#" * (MAX_BYTES + 1), "are no settings"),
}


@pytest.mark.parametrize("kind", NOT_TOML)
def test_what_is_not_toml_is_one_fault(kind: str) -> None:
    content, sentence = NOT_TOML[kind]
    with pytest.raises(SettingsError) as raised:
        parse(content, SETTINGS, private=True)
    (fault,) = raised.value.faults
    assert sentence in fault
    assert fault.isprintable()


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_no_bytes_get_anything_but_settings_or_faults_out_of_the_reader(content: bytes) -> None:
    try:
        contents = parse(content, SETTINGS, private=False)
        faults = [*contents.faults.values()]
    except SettingsError as error:
        contents, faults = Contents(), error.faults
    assert set(contents.values) <= KEYS
    assert all(fault.isprintable() for fault in faults)


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


@given(
    st.dictionaries(
        st.sampled_from(sorted(KEYS)) | st.text(),
        SCALARS | st.lists(SCALARS, max_size=3),
        max_size=5,
    )
)
def test_no_values_make_the_reading_of_settings_fail(values: dict[str, Any]) -> None:
    lines = [f"{as_toml(key)} = {as_toml(value)}" for key, value in values.items()]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "settings.toml"
        file.write_text("\n".join(lines), encoding="utf-8", errors="replace")
        with serve.make_context("serve", ["--config", str(file)]) as context:
            reading = SettingsContext.of(context)
            assert reading.unread or set(context.default_map or {}) <= set(context.params)


@pytest.mark.proves("S66")
@pytest.mark.parametrize(("mode", "faults"), [(0o600, 0), (0o640, 0), (0o644, 1), (0o604, 1)])
def test_a_secret_is_taken_only_from_a_file_that_not_everybody_can_read(
    tmp_path: Path, mode: int, faults: int
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("connection-string = 'endpoint=https://a.example;accesskey=Y2FuYXJ5'\n")
    file.chmod(mode)
    contents = read_file(file, SETTINGS)
    assert len(contents.faults) == faults
    assert len(contents.values) == 1 - faults
    assert "canary" not in str(contents.faults)
    assert "Y2FuYXJ5" not in str(contents.faults)


# --- the order of the sources ---------------------------------------------------------------------

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
def test_a_flag_goes_before_the_environment_that_before_the_file_and_that_before_the_default(
    file: Path, key: str, values: list[Any], strongest: int
) -> None:
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


def test_every_setting_but_what_to_do_is_shown() -> None:
    keys = {setting.key for setting in SETTINGS} - {"config-test"} | {"access-key"}
    assert set(shown("--emulator")) == keys


# --- what is shown --------------------------------------------------------------------------------

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
def test_no_secret_is_shown_wherever_it_comes_from(
    arguments: tuple[str, ...], env: dict[str, str], *, as_json: bool
) -> None:
    result = show(*arguments, *(["--json"] if as_json else []), **env)
    assert "***" in result.stdout
    assert KEY not in result.output
    assert "canary" not in result.output


def test_the_text_is_aligned_and_written_as_one_would_type_it() -> None:
    result = show("--emulator", "--socket-mode", "0600", ROOMS_GATEWAY_LISTEN="[::1]:1 [::1]:2")
    lines = result.stdout.splitlines()
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
def test_a_mistyped_variable_is_warned_about_with_the_one_that_was_meant(
    name: str, meant: str
) -> None:
    (warning,) = unknown_variables({name: "canary", "PATH": "/bin"}, SETTINGS)
    assert warning.startswith(f"{name} ")
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
def test_what_kubernetes_sets_for_a_service_of_our_name_is_not_warned_about(
    name: str, value: str
) -> None:
    assert unknown_variables({name: value}, SETTINGS) == []


def options_of(command: click.Command, context: click.Context) -> Iterator[click.Parameter]:
    yield from command.params
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            sub = command.get_command(context, name)
            assert sub is not None
            yield from options_of(sub, click.Context(sub, parent=context))


def test_no_variable_of_any_command_is_warned_about() -> None:
    names: set[str] = set()
    for option in options_of(main, click.Context(main)):
        names |= {option.envvar} if isinstance(option.envvar, str) else {*(option.envvar or ())}
    assert len(names) > 20
    assert unknown_variables(dict.fromkeys(names, "x"), SETTINGS) == []
