"""`rooms-gateway config show`: the effective settings, and the source of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

import click

from rooms_gateway.cli.serve.command import load
from rooms_gateway.cli.serve.options import CONFIG_TEST, SETTINGS, SettingsCommand, setting_options
from rooms_gateway.cli.serve.sources import MASK, SettingsContext, Source, masked
from rooms_gateway.settings import Group, Setting

_BY_KEY = {each.key: each for each in SETTINGS}

Value = bool | int | float | str | list[str] | None


class Row(NamedTuple):
    """One effective setting, with secrets masked."""

    group: Group
    key: str
    value: Value
    source: Source


@click.group()
def config() -> None:
    """Show the settings that the gateway would run with."""


@config.command(
    cls=SettingsCommand,
    params=[option for option in setting_options() if option.name != CONFIG_TEST.name],
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object, with settings as keys."
)
@click.pass_context
def show(context: click.Context, /, *, as_json: bool, **_settings: Any) -> None:
    """Print each effective setting and its source; secrets as ***.

    Takes the flags of serve, and reads the environment and the settings file as serve does. Exits
    with 2, and prints the errors, if serve would reject the settings.
    """
    settings = SettingsContext.of(context)
    # An invalid value has no effective value, and an unreadable file hides the others.
    if not settings.errors:
        rows = sorted(_rows(context, settings), key=lambda row: [*Group].index(row.group))
        click.echo(_as_json(rows) if as_json else _as_text(rows))
    load(context)


def _rows(context: click.Context, settings: SettingsContext) -> Iterator[Row]:
    for each in settings.settings:
        if each is not CONFIG_TEST:
            value = _shown(each, each.text(context.params[each.name]))
            yield Row(each.group, each.key, value, settings.source(context, each))
    # Only what a table sets: the other settings of a resource are those above.
    source = Source("file", str(settings.file))
    for name, table in (settings.contents.resources or {}).items():
        for key, value in table.items():
            shown = _shown(_BY_KEY[key], value)
            yield Row(Group.RESOURCES, f"resources.{name}.{key}", shown, source)


def _shown(setting: Setting, value: Any) -> Value:
    """Return a value as a flag or the file spells it, masked if it is a secret."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if setting.secret:
        return MASK
    if isinstance(value, list | tuple):
        return [masked(str(each)) for each in value]
    return masked(str(value))


def _as_json(rows: list[Row]) -> str:
    return json.dumps(
        {row.key: {"value": row.value, **row.source._asdict()} for row in rows}, indent=2
    )


def _as_text(rows: list[Row]) -> str:
    texts = {row.key: _text(row.value) for row in rows}
    key_width, value_width = max(map(len, texts)), max(map(len, texts.values()))
    lines = []
    for group, members in groupby(rows, key=lambda row: row.group):
        lines.append(f"{group}:")
        lines += [
            f"  {row.key:<{key_width}}  {texts[row.key]:<{value_width}}  {row.source}"
            for row in members
        ]
    return "\n".join(lines)


def _text(value: Value) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case list():
            text = " ".join(value)
        case _:
            text = str(value)
    # A control character in a path or an address must not reach the terminal.
    return text if text.isprintable() else ascii(text)
