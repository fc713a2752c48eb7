"""`rooms-gateway config`: what the gateway would run with, and why."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import click

from rooms_gateway.cli.serve.command import ACCESS_KEY_VARIABLE, serve
from rooms_gateway.cli.serve.command_class import SettingsCommand
from rooms_gateway.cli.serve.settings_file import toml_type
from rooms_gateway.cli.serve.sources import MASK, Setting, SettingsContext, Source, masked

Value = bool | int | float | str | list[str] | None


class Row(NamedTuple):
    """One effective setting, fit to be shown."""

    key: str
    value: Value
    source: Source


@click.group()
def config() -> None:
    """Show what the gateway would run with."""


@config.command(
    cls=SettingsCommand,
    # Those of serve that say what to run with: --config-test says what to do.
    params=[option for option in serve.params if option.name != "config_test"],
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, by setting.")
@click.pass_context
def show(context: click.Context, /, *, as_json: bool, **flags: Any) -> None:
    """Print every effective setting and where it comes from; secrets as ***.

    Takes the flags of serve, and reads the environment and the settings file as serve does. Exits
    with 2 and the faults if serve would not start with them.
    """
    reading = SettingsContext.of(context)
    # A value at fault has no effective value, and one cannot say the others without the file.
    if not reading.faults:
        rows = list(_rows(context))
        click.echo(_as_json(rows) if as_json else _as_text(rows))
    if serve.callback is not None:
        serve.callback(**flags, config_test=True)


def _rows(context: click.Context) -> Iterator[Row]:
    reading = SettingsContext.of(context)
    for each in context.command.params:
        if not isinstance(each, Setting):
            continue
        value = reading.file if each.name == "config" else context.params[each.name or ""]
        given = reading.given.get(each.key)
        if isinstance(given, str) and toml_type(each) == "string":
            # What a value means here need not be how one writes it: 0660 is the number 432.
            value = given
        yield Row(each.key, _shown(value, secret=each.secret), reading.source(context, each))
    key = os.environ.get(ACCESS_KEY_VARIABLE)
    source = Source("default", None) if key is None else Source("environment", ACCESS_KEY_VARIABLE)
    yield Row("access-key", _shown(key, secret=True), source)


def _shown(value: Any, *, secret: bool) -> Value:
    if value is None or isinstance(value, bool | int | float):
        return value
    if secret:
        return MASK
    if isinstance(value, list | tuple):
        return [masked(str(each)) for each in value]
    return masked(str(value))


def _as_json(rows: list[Row]) -> str:
    return json.dumps(
        {key: {"value": value, **source._asdict()} for key, value, source in rows},
        indent=2,
    )


def _as_text(rows: list[Row]) -> str:
    cells = [(key, _text(value), str(source)) for key, value, source in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(2)]
    return "\n".join(
        f"{key:<{widths[0]}}  {value:<{widths[1]}}  {source}" for key, value, source in cells
    )


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
