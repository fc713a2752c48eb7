"""Where a setting comes from: a flag, the environment, the file or its default, in this order.

The order is click's own, and so is the reading of values. What is added: no fault ends the reading,
so that all of them can be told at once.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

from rooms_gateway.cli.serve.settings_file import read_file
from rooms_gateway.settings import SettingsError

EXIT_USAGE = 2

PREFIX = "ROOMS_GATEWAY_"

_META = "rooms_gateway.cli.serve.sources"

MASK = "***"

_SECRETS = re.compile(r"(?i)(?<=accesskey=)[^;\s'\")]+|(?<=//)[^/?#\s]*(?=@)")
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")


class Source(NamedTuple):
    """Where an effective value was found."""

    kind: str
    """"flag", "environment", "file" or "default"."""
    name: str | None
    """The flag, the variable or the path; None for a default."""

    def __str__(self) -> str:
        return self.name or self.kind


class Setting(click.Option):
    """An option that the settings file can give too."""

    def __init__(
        self, *declarations: Any, secret: bool = False, in_file: bool = True, **attributes: Any
    ) -> None:
        super().__init__(*declarations, **attributes)
        self.secret = secret
        """Whether the value is shown to nobody."""
        self.in_file = in_file
        """Whether the settings file may give it."""

    @property
    def flag(self) -> str:
        """The flag, without the `--no-` one that may go with it."""
        return max(self.opts, key=len)

    @property
    def key(self) -> str:
        """The key in the settings file."""
        return self.flag.removeprefix("--")

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Convert and check, but note a fault instead of ending with it, and go on."""
        reading = SettingsContext.of(ctx)
        reading.given[self.key] = value
        try:
            return super().process_value(ctx, value)
        except click.BadParameter as error:
            source = reading.source(ctx, self)
            where = f"{source}: {self.key}" if source.kind == "file" else str(source)
            reading.note(f"{where}: {error.message}", self.flag)
            return super().process_value(ctx, self.default)

    def variable(self, environment: Mapping[str, str]) -> str | None:
        """Return which of its environment variables counts; an empty one is as good as none."""
        names = [self.envvar] if isinstance(self.envvar, str) else self.envvar or ()
        return next((name for name in names if environment.get(name)), None)


@dataclass(slots=True)
class SettingsContext:
    """What was found out about the settings of one command, one for each click context."""

    environment: Mapping[str, str]
    file: Path | None = None
    given: dict[str, Any] = field(default_factory=dict)
    """Each effective value as it stands in its source, by key."""
    faults: list[str] = field(default_factory=list)
    suspects: set[str] = field(default_factory=set)
    """The flags of the settings whose values are at fault."""
    unread: bool = False
    """Whether there is a file that cannot be read, so that nobody knows what is missing."""

    @classmethod
    def of(cls, context: click.Context) -> SettingsContext:
        """Return the one of `context`."""
        found: SettingsContext = context.meta[_META]
        return found

    def begin(self, context: click.Context) -> None:
        """Become the one of `context`."""
        context.meta[_META] = self

    def note(self, fault: str, flag: str | None = None) -> None:
        """Add a fault, of the setting with this flag if it is one setting's."""
        self.faults.append(fault)
        if flag is not None:
            self.suspects.add(flag)

    def source(self, context: click.Context, setting: Setting) -> Source:
        """Say where click found the value of `setting`."""
        match context.get_parameter_source(setting.name or ""):
            case ParameterSource.COMMANDLINE:
                return Source("flag", setting.flag)
            case ParameterSource.ENVIRONMENT:
                return Source("environment", setting.variable(self.environment))
            case ParameterSource.DEFAULT_MAP:
                return Source("file", str(self.file))
            case _:
                return Source("default", None)

    @contextmanager
    def rules(self, context: click.Context) -> Iterator[None]:
        """Note the faults of the SettingsError that checks of several settings raise within.

        They name flags, and are told where the values of these come from. Those that name a setting
        whose value is a fault already are left out: they speak of the default that stands in for
        it. So are all of them if the file cannot be read.
        """
        try:
            yield
        except SettingsError as error:
            for fault in error.faults:
                named = set(_FLAG.findall(fault))
                if not self.unread and self.suspects.isdisjoint(named):
                    self.note(fault + self._origins(context, named))

    def _origins(self, context: click.Context, flags: set[str]) -> str:
        sources = [
            (each.flag, self.source(context, each))
            for each in context.command.params
            if isinstance(each, Setting) and each.flag in flags
        ]
        said = [
            f"{flag} is from {source}"
            for flag, source in sources
            if source.kind in {"environment", "file"}
        ]
        return f" ({', '.join(said)})" if said else ""

    def exit_if_faulty(self, context: click.Context) -> None:
        """Tell all faults on standard error and end with EXIT_USAGE, if there is any."""
        for fault in self.faults:
            click.echo(f"rooms-gateway: {ended(masked(fault))}", err=True)
        if self.faults:
            click.echo(f"Try '{context.command_path} --help'.", err=True)
            sys.exit(EXIT_USAGE)


def masked(text: str) -> str:
    """Hide the secrets in a text: what somebody pasted into the wrong place is still one."""
    return _SECRETS.sub(MASK, text)


def ended(sentence: str) -> str:
    """Give a sentence the full stop that it may lack."""
    return sentence if sentence.endswith((".", "?", "?)")) else f"{sentence}."


def read_settings_file(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Let click find what is in the file: the callback of --config, which must be eager."""
    reading = SettingsContext.of(context)
    reading.file = path
    if path is None:
        return
    settings = {each.key: each for each in context.command.params if isinstance(each, Setting)}
    try:
        contents = read_file(path, settings.values())
    except SettingsError as error:
        reading.faults += [f"--config: {fault}" for fault in error.faults]
        reading.unread = True
        return
    for key, fault in contents.faults.items():
        reading.note(f"{path}: {fault}", settings[key].flag if key in settings else None)
    context.default_map = {settings[key].name: value for key, value in contents.values.items()}
