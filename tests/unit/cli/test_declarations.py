"""Each declared setting is a flag, a variable, a key of the file, and a row in the reference."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import reference_settings
from click.testing import CliRunner

from rooms_gateway.__main__ import main
from rooms_gateway.cli.serve.command import serve
from rooms_gateway.cli.serve.options import CONFIG, CONFIG_TEST, SETTINGS
from rooms_gateway.cli.serve.sources import SettingsContext
from rooms_gateway.settings import Group, Setting, Settings, UpstreamSettings, declared

DECLARED = [*declared(UpstreamSettings), *declared(Settings)]
REFERENCE = reference_settings.page(SETTINGS)

each_setting = pytest.mark.parametrize("setting", DECLARED, ids=lambda setting: setting.key)


@pytest.fixture(autouse=True)
def _no_settings_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("ROOMS_GATEWAY_", "COMMUNICATION_")):
            monkeypatch.delenv(name)


PARSED = {
    "socket_mode": "0600",
    "upstream_proxy": "http://proxy.example:3128",
    "upstream_rate": "reads=5",
}


def sample(setting: Setting) -> tuple[str, Any]:
    """Return a value other than the default, as text and as a value in TOML."""
    if setting.choices:
        text = next(each for each in setting.choices if each != setting.default)
    elif setting.type is bool:
        return str(not setting.default).lower(), not setting.default
    elif setting.type in {int, float} and setting.parse is None:
        return "7", 7
    else:
        text = PARSED[setting.name] if setting.parse else "a"
    return text, [text] if setting.multiple else text


def value_of(setting: Setting, *arguments: str) -> tuple[Any, str]:
    """Return the value that the command receives, and the kind of its source."""
    with serve.make_context("serve", [*arguments]) as context:
        settings = SettingsContext.of(context)
        assert settings.errors == []
        return context.params[setting.name], settings.source(context, setting).kind


@each_setting
def test_a_value_is_the_same_from_each_source(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, in_toml = sample(setting)
    seen = []
    if setting.has_flag:
        switch = setting.flags[-1 if setting.default is True else 0]
        arguments = [switch] if setting.type is bool else [switch, text]
        seen.append(value_of(setting, *arguments))
        assert seen[-1][1] == "flag"
    if setting.in_file:
        file = tmp_path / "settings.toml"
        file.write_text(f"{setting.key} = {json.dumps(in_toml)}\n")
        file.chmod(0o600)
        seen.append(value_of(setting, "--config", str(file)))
        assert seen[-1][1] == "file"
    for variable in setting.variables:
        monkeypatch.setenv(variable, text)
        seen.append(value_of(setting))
        assert seen[-1][1] == "environment"
        monkeypatch.delenv(variable)
    values = [value for value, _ in seen]
    assert values[0] != setting.default
    assert all(value == values[0] and type(value) is type(values[0]) for value in values)
    assert isinstance(values[0], tuple if setting.multiple else setting.type)


@each_setting
def test_default_is_that_of_the_field(setting: Setting) -> None:
    assert value_of(setting) == (setting.default, "default")


@each_setting
def test_a_setting_is_in_help_show_and_reference(setting: Setting) -> None:
    shown = CliRunner().invoke(main, ["config", "show", "--emulator", "--json"])
    assert setting.key in json.loads(shown.stdout)
    help_ = CliRunner().invoke(main, ["serve", "--help"]).stdout
    assert (setting.flag if setting.has_flag else setting.variables[0]) in help_.split()
    for text in (setting.help, *setting.variables):
        # Lines are wrapped.
        assert "".join(text.split()) in "".join(help_.split())
    (row,) = (line for line in REFERENCE.splitlines() if f"| `{setting.variables[0]}`" in line)
    assert row.split(" | ")[2].partition(",")[0] == (f"`{setting.key}`" if setting.in_file else "")


def test_the_environment_alone_sets_an_access_key() -> None:
    """A command line is visible to other users, and a settings file has `access-key-file`."""
    assert [each.key for each in DECLARED if not each.has_flag] == ["access-key"]
    done = CliRunner().invoke(main, ["serve", "--access-key", "a"])
    assert "No such option '--access-key'" in done.stderr


def test_only_upstreams_are_no_settings() -> None:
    """They are made from the fields of UpstreamSettings, and from tables of the file."""
    undeclared = {each.name for each in fields(Settings)} - {each.name for each in DECLARED}
    assert undeclared == {"upstream", "resources"}


def test_the_help_has_a_section_per_group() -> None:
    help_ = CliRunner().invoke(main, ["serve", "--help"]).stdout
    titles = [line for line in help_.splitlines() if line.endswith(":") and line[0] != " "]
    assert titles == [f"{title}:" for title in (*Group, "Options")]


def test_settings_of_the_command_come_first() -> None:
    assert SETTINGS[:2] == (CONFIG, CONFIG_TEST)
    assert sorted(SETTINGS[2:], key=DECLARED.index) == DECLARED


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_description_does_not_repeat_the_name(setting: Setting) -> None:
    """The description of a setting is a sentence that adds to its name."""
    words = setting.name.replace("_", " ")
    assert not setting.help.lower().startswith((words, setting.key))
    assert setting.help[-1] in ".…"
