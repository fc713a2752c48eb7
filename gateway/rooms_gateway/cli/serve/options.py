"""Click options made from the declarations of settings, and the command class that reads them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from rooms_gateway.cli.serve.settings_file import read_file, unknown_variables
from rooms_gateway.cli.serve.sources import SettingsContext, ended
from rooms_gateway.settings import (
    Group,
    Setting,
    Settings,
    SettingsError,
    UpstreamSettings,
    declared,
)

CONFIG = Setting(
    name="config",
    annotation=Path,
    default=None,
    group=Group.FILE,
    help="TOML file of settings, with the names of the flags as keys: max-attempts = 5.",
    in_file=False,
)

CONFIG_TEST = Setting(
    name="config_test",
    annotation=bool,
    default=False,
    group=Group.FILE,
    help="Check all settings and the files that they name, then exit.",
    in_file=False,
)

SETTINGS = tuple(
    sorted(
        (CONFIG, CONFIG_TEST, *declared(UpstreamSettings), *declared(Settings)),
        key=lambda setting: [*Group].index(setting.group),
    )
)
"""All settings of `serve`, by group."""


class SettingOption(click.Option):
    """The option of a setting."""

    def __init__(self, setting: Setting, **attributes: Any) -> None:
        self.setting = setting
        super().__init__(
            ["/".join(setting.flags) or setting.flag, setting.name],
            type=_type(setting),
            is_flag=setting.type is bool,
            default=setting.text(setting.default),
            multiple=setting.multiple,
            metavar=setting.placeholder,
            envvar=[*setting.variables],
            help=setting.help,
            show_default=True,
            show_envvar=True,
            **attributes,
        )

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Convert and check `value`. On an error, record it and return the default."""
        settings = SettingsContext.of(ctx)
        try:
            return super().process_value(ctx, value)
        except click.BadParameter as error:
            source = settings.source(ctx, self.setting)
            where = f"{source}: {self.setting.key}" if source.kind == "file" else str(source)
            settings.add_error(f"{where}: {error.message}", self.setting.flag)
            return super().process_value(ctx, self.default)

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Accept the flag, if the setting has one."""
        if self.setting.has_flag:
            super().add_to_parser(parser, ctx)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return name and description; without a flag, the name is the environment variable."""
        if self.setting.has_flag:
            return super().get_help_record(ctx)
        return self.setting.variables[0], self.setting.help


def setting_options() -> list[click.Parameter]:
    """Return an option for each of SETTINGS."""
    return [
        SettingOption(each, is_eager=True, callback=_read_config)
        if each is CONFIG
        else SettingOption(each)
        for each in SETTINGS
    ]


class SettingsCommand(click.Command):
    """A command with settings as its options.

    Errors do not end the reading: they are collected in `SettingsContext.of(context)`.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read all settings, and collect their errors."""
        settings = SettingsContext(SETTINGS, os.environ)
        settings.attach(ctx)
        left = list(args)
        while True:
            try:
                # A copy: the parser consumes the list.
                return super().parse_args(ctx, [*left])
            except (click.NoSuchOption, click.BadOptionUsage) as error:
                # The parser stops at the first unknown flag, before it has read any value: parse
                # again without that flag.
                kept = [arg for arg in left if arg.partition("=")[0] != error.option_name]
                if len(kept) == len(left):
                    raise
                settings.add_error(error.format_message())
                left = kept
            except click.UsageError as error:
                # Superfluous arguments. After an unknown flag they are its value.
                if not settings.errors:
                    settings.add_error(error.format_message())
                return []

    def invoke(self, ctx: click.Context) -> Any:
        """Warn of unknown environment variables, then run the command."""
        for warning in unknown_variables(os.environ, SETTINGS):
            click.echo(f"rooms-gateway: warning: {ended(warning)}", err=True)
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by group."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for each in self.get_params(ctx):
            if (record := each.get_help_record(ctx)) is not None:
                title = each.setting.group if isinstance(each, SettingOption) else "Options"
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


class _Choice(click.Choice[Any]):
    """Choices by value; click names the members of an enum."""

    def normalize_choice(self, choice: Any, ctx: click.Context | None) -> str:
        return str(choice)


class _Parsed(click.ParamType[Any, Any]):
    """Values that a function of the declaration parses."""

    name = "text"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._setting.parse(value) if self._setting.parse else value
        except ValueError as error:
            return self.fail(str(error), param, ctx)


def _type(setting: Setting) -> click.ParamType[Any, Any]:
    if setting.choices:
        members: Any = setting.one_of or setting.type
        return _Choice(members)
    if setting.parse is not None:
        return _Parsed(setting)
    if setting.type is int:
        return click.IntRange(min=setting.minimum)
    if setting.type is float:
        minimum = setting.minimum if setting.above is None else setting.above
        return click.FloatRange(min=minimum, min_open=setting.above is not None)
    if setting.type is Path:
        return click.Path(path_type=Path)
    return click.BOOL if setting.type is bool else click.STRING


def _read_config(context: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    """Make the settings in the file click's defaults. The option must be eager."""
    settings = SettingsContext.of(context)
    settings.file = path
    if path is None:
        return None
    by_key = {each.key: each for each in SETTINGS}
    try:
        contents = settings.contents = read_file(path, SETTINGS)
    except SettingsError as error:
        settings.errors += [f"--config: {each}" for each in error.errors]
        settings.file_unreadable = True
        return path
    for key, sentence in contents.errors.items():
        settings.add_error(f"{path}: {sentence}", by_key[key].flag if key in by_key else None)
    context.default_map = {by_key[key].name: value for key, value in contents.values.items()}
    return path
