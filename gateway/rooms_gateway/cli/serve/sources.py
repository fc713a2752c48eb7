"""Sources of settings. Precedence, highest first: flag, environment variable, file, default.

Precedence and conversion are click's, but an error does not end the reading, so that all errors are
reported at once.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NoReturn

import click
from click.core import ParameterSource

from rooms_gateway.cli.serve.settings_file import Contents
from rooms_gateway.settings import Setting, SettingsError

EXIT_USAGE = 2

_META = "rooms_gateway.cli.serve.sources"

MASK = "***"

_SECRETS = re.compile(r"(?i)(?<=accesskey=)[^;\s'\")]+|(?<=//)[^/?#\s]*(?=@)")
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")


class Source(NamedTuple):
    """The source of an effective value."""

    kind: str
    """"flag", "environment", "file" or "default"."""
    name: str | None
    """The flag, the variable or the path; None for a default."""

    def __str__(self) -> str:
        return self.name or self.kind


@dataclass(slots=True)
class SettingsContext:
    """Values, sources and errors of the settings of one command, per click context."""

    settings: tuple[Setting, ...]
    environment: Mapping[str, str]
    file: Path | None = None
    contents: Contents = field(default_factory=Contents)
    """Of the file."""
    file_unreadable: bool = False
    """Whether the settings that the file contains are unknown."""
    errors: list[str] = field(default_factory=list)
    invalid: set[str] = field(default_factory=set)
    """Flags of the settings with invalid values."""

    @classmethod
    def of(cls, context: click.Context) -> SettingsContext:
        """Return the one of `context`."""
        found: SettingsContext = context.meta[_META]
        return found

    def attach(self, context: click.Context) -> None:
        """Make this the one of `context`."""
        context.meta[_META] = self

    def add_error(self, error: str, flag: str | None = None) -> None:
        """Add an error; `flag` is the setting with the invalid value, if it is one setting."""
        self.errors.append(error)
        if flag is not None:
            self.invalid.add(flag)

    def source(self, context: click.Context, setting: Setting) -> Source:
        """Return the source of the effective value of `setting`."""
        match context.get_parameter_source(setting.name):
            case ParameterSource.COMMANDLINE:
                return Source("flag", setting.flag)
            case ParameterSource.ENVIRONMENT:
                # Empty variables count as unset.
                set_ = (name for name in setting.variables if self.environment.get(name))
                return Source("environment", next(set_, None))
            case ParameterSource.DEFAULT_MAP:
                return Source("file", str(self.file))
            case _:
                return Source("default", None)

    @contextmanager
    def collect_errors(self, context: click.Context) -> Iterator[None]:
        """Collect the errors of a SettingsError raised inside, with the sources of their values.

        An error that names a setting with an invalid value is dropped: it is about the default in
        its place. If the file is unreadable, all are dropped.
        """
        try:
            yield
        except SettingsError as error:
            for sentence in error.errors:
                flags = set(_FLAG.findall(sentence))
                if not self.file_unreadable and self.invalid.isdisjoint(flags):
                    self.add_error(sentence + self._origins(context, flags))

    def _origins(self, context: click.Context, flags: set[str]) -> str:
        sources = [
            (each.flag, self.source(context, each)) for each in self.settings if each.flag in flags
        ]
        origins = [
            f"{flag} is from {source}"
            for flag, source in sources
            if source.kind in {"environment", "file"}
        ]
        return f" ({', '.join(origins)})" if origins else ""

    def exit_with_errors(self, context: click.Context) -> NoReturn:
        """Print all errors to standard error and exit with EXIT_USAGE."""
        for error in self.errors:
            click.echo(f"rooms-gateway: {ended(masked(error))}", err=True)
        click.echo(f"Try '{context.command_path} --help'.", err=True)
        sys.exit(EXIT_USAGE)


def masked(text: str) -> str:
    """Mask the secrets in `text`: a connection string may be pasted as any value."""
    return _SECRETS.sub(MASK, text)


def ended(sentence: str) -> str:
    """Return `sentence` with a full stop, unless it has an end."""
    return sentence if sentence.endswith((".", "?", "?)")) else f"{sentence}."
