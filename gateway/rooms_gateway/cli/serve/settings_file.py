"""The settings file: TOML whose keys are the names of the flags, without their dashes in front.

Nothing here repeats a value: one of them may be a key.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import click

from rooms_gateway.settings import SettingsError

MAX_BYTES = 65536
"""Some fifty settings have less than a tenth of it; this is for a path that leads elsewhere."""

_MAX_SHOWN = 200
_OTHERS_CAN_READ = 0o004


class Named(Protocol):
    """A setting, as far as the file is concerned with it."""

    @property
    def key(self) -> str:
        """Its name in the file."""

    @property
    def secret(self) -> bool:
        """Whether nobody but the gateway may see the value."""

    @property
    def in_file(self) -> bool:
        """Whether the file may set it."""

    @property
    def multiple(self) -> bool:
        """Whether it holds several values."""

    @property
    def type(self) -> click.ParamType[Any]:
        """What click makes of a value."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file says."""

    values: dict[str, Any] = field(default_factory=dict)
    """By key; those at fault are left out. Ranges and choices are not checked yet."""
    faults: dict[str, str] = field(default_factory=dict)
    """One sentence for each key that cannot be used, by key."""


def toml_type(setting: Named) -> str:
    """Name the type that the file has for a setting, in the words of TOML."""
    if setting.multiple:
        return "array of strings"
    for kind, name in _TYPES:
        if isinstance(setting.type, kind):
            return name
    return "string"


def read_file(path: Path, settings: Iterable[Named]) -> Contents:
    """Read `path`. Raises SettingsError if it cannot be read or is not TOML at all."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
            # Of the file that is open, so that it cannot be another one by now.
            private = not os.fstat(file.fileno()).st_mode & _OTHERS_CAN_READ
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no file can have that name"
        raise SettingsError([f"cannot read {path}: {reason}"]) from None
    try:
        return parse(content, settings, private=private)
    except SettingsError as error:
        raise SettingsError([f"{path}: {fault}" for fault in error.faults]) from None


def parse(content: bytes, settings: Iterable[Named], *, private: bool) -> Contents:
    """Read what a file holds; `private` says whether others on the machine cannot read it.

    Raises SettingsError if it is not TOML at all.
    """
    if len(content) > MAX_BYTES:
        raise SettingsError([f"more than {MAX_BYTES} bytes are no settings"])
    try:
        document = tomllib.loads(content.decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"not TOML: {_printable(str(error))}"]) from None
    except UnicodeDecodeError:
        raise SettingsError(["not TOML: it is not UTF-8"]) from None
    # A number of five thousand digits is ValueError, five thousand brackets are RecursionError.
    except (ValueError, RecursionError):
        raise SettingsError(["not TOML that could be settings"]) from None
    known = {setting.key: setting for setting in settings}
    contents = Contents()
    for key, value in document.items():
        try:
            contents.values[key] = _checked(known, key, value, private=private)
        except ValueError as fault:
            contents.faults[key] = f"{_printable(key)}: {fault}"
    return contents


def _checked(known: dict[str, Named], key: str, value: object, *, private: bool) -> object:
    setting = known.get(key)
    if setting is None:
        settable = [name for name, each in known.items() if each.in_file]
        raise ValueError(f"there is no such setting{suggestion(key[:_MAX_SHOWN], settable)}")
    if not setting.in_file:
        raise ValueError("the file cannot set this")
    if setting.secret and not private:
        raise ValueError(
            "everybody on this machine can read the file, and this is a secret: take the right "
            "away from others (chmod o-r), or give it in the environment"
        )
    expected = toml_type(setting)
    if not _fits(value, expected):
        raise ValueError(f"must be {'an' if expected[0] in 'ai' else 'a'} {expected}")
    texts = value if isinstance(value, list) else [value]
    # No flag and no variable can hold a NUL, so nothing behind this expects one.
    if not all(text.isprintable() for text in texts if isinstance(text, str)):
        raise ValueError("has characters that cannot be printed")
    if expected == "number" and isinstance(value, int):
        try:
            return float(value)
        except OverflowError:
            raise ValueError("is too large") from None
    return value


def _fits(value: object, expected: str) -> bool:
    match expected:
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "array of strings":
            return isinstance(value, list) and all(isinstance(each, str) for each in value)
        case _:
            return isinstance(value, str)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Say which of the known names was perhaps meant: the end of a sentence, or nothing."""
    close = difflib.get_close_matches(name, known, n=1)
    return f": did you mean {close[0]}?" if close else ""


def _printable(text: str) -> str:
    cut = text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
    return cut if cut.isprintable() else ascii(cut)


_TYPES: tuple[tuple[type[click.ParamType[Any]], str], ...] = (
    (click.types.BoolParamType, "boolean"),
    (click.types.FloatParamType, "number"),
    (click.types.IntParamType, "integer"),
)
