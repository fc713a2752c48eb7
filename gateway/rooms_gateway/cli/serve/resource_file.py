"""The tables [resources.NAME] of the settings file, read at startup and again when they change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from rooms_gateway.cli.serve.options import SETTINGS, SettingOption
from rooms_gateway.cli.serve.settings_file import Contents, read_file
from rooms_gateway.cli.serve.sources import SettingsContext, masked
from rooms_gateway.settings import Resources, Setting, SettingsError
from rooms_gateway.settings.resource_tables import make_resources

_BY_KEY = {each.key: each for each in SETTINGS}


@dataclass(frozen=True, slots=True)
class ResourceFile:
    """A settings file with resources."""

    path: Path
    fixed: Mapping[str, Any]
    """Settings by flag or environment variable, by field: they precede those of the file."""

    @classmethod
    def of(cls, context: click.Context) -> ResourceFile | None:
        """Return the one of a command; None if its settings have no tables of resources."""
        found = SettingsContext.of(context)
        if found.file is None or found.contents.resources is None:
            return None
        fixed = {
            each.name: context.params[each.name]
            for each in found.settings
            if each.name in context.params
            and found.source(context, each).kind in {"flag", "environment"}
        }
        return cls(found.file, fixed)

    def read(self) -> Resources:
        """Read the file again. Raises ValueError with all errors."""
        errors: list[str] = []
        try:
            contents = read_file(self.path, SETTINGS)
            top = {each.name: each.default for each in SETTINGS}
            top |= {**_converted("", contents.values, errors), **self.fixed}
            errors += contents.errors.values()
            if errors:
                raise SettingsError([f"{self.path}: {each}" for each in errors])
            return read_resources(contents, top)
        except SettingsError as error:
            raise ValueError(masked(str(error))) from None


def read_resources(contents: Contents, top: Mapping[str, Any]) -> Resources:
    """Return the resources in `contents`; `top` are the values of the top level, by field.

    Raises SettingsError with all errors.
    """
    errors: list[str] = []
    tables = {
        name: _converted(f"resources.{name}.", table, errors)
        for name, table in (contents.resources or {}).items()
    }
    if errors:
        raise SettingsError(errors)
    return make_resources(tables, top)


def _converted(where: str, table: Mapping[str, Any], errors: list[str]) -> dict[str, Any]:
    """Convert values as click converts those of flags, and collect the errors."""
    context = click.Context(click.Command("resources"))
    values = {}
    for key, value in table.items():
        setting: Setting = _BY_KEY[key]
        try:
            values[setting.name] = SettingOption(setting).type_cast_value(context, value)
        except click.BadParameter as error:
            errors.append(f"{where}{key}: {error.message}")
    return values
