"""The settings file, TOML with one key per setting and a table per named resource.

Also: environment variables with names that look like settings.

No error repeats a value, because a value may be a key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rooms_gateway.files import read_content
from rooms_gateway.settings import Setting, SettingsError
from rooms_gateway.settings.declaration import PREFIX
from rooms_gateway.suggestions import did_you_mean

MAX_BYTES = 65536
"""Ten times the size of a file with all settings; a larger file is something else."""

_MAX_SHOWN = 200

_RESOURCES = "resources"

_VARIABLES_OF_OTHER_COMMANDS = tuple(f"{PREFIX}{name}" for name in ("ADDRESS", "TOKEN", "RESOURCE"))

# Set by Kubernetes in every container for a Service named rooms-gateway or rooms-gateway-admin.
_KUBERNETES = re.compile(
    rf"{PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_KUBERNETES_PORT = re.compile(r"(tcp|udp|sctp)://")


@dataclass(frozen=True, slots=True)
class Contents:
    """Contents of a settings file."""

    values: dict[str, Any] = field(default_factory=dict)
    """Valid values by key. Ranges and choices are not checked yet."""
    resources: dict[str, dict[str, Any]] | None = None
    """Valid values of the tables [resources.NAME], by name and key; None without them."""
    errors: dict[str, str] = field(default_factory=dict)
    """One sentence for each invalid key or value, by key; `resources.NAME.key` in a table."""


def read_file(path: Path, settings: Iterable[Setting]) -> Contents:
    """Read `path`. Raises SettingsError if it cannot be read or is not TOML."""
    try:
        content = read_content(path, MAX_BYTES)
    except ValueError as error:
        raise SettingsError([str(error)]) from None
    try:
        return parse(content.data, settings, private=not content.readable_by_others)
    except SettingsError as error:
        raise SettingsError([f"{path}: {each}" for each in error.errors]) from None


def parse(content: bytes, settings: Iterable[Setting], *, private: bool) -> Contents:
    """Parse the content of a file; secrets are accepted only if it is `private`.

    Raises SettingsError if it is not TOML.
    """
    try:
        document = tomllib.loads(content.decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"not TOML: {_printable(str(error))}"]) from None
    except UnicodeDecodeError:
        raise SettingsError(["not TOML: it is not UTF-8"]) from None
    # A number of five thousand digits is ValueError, five thousand brackets are RecursionError.
    except (ValueError, RecursionError):
        raise SettingsError(
            ["not a settings file: a number is too long or a nest too deep"]
        ) from None
    known = {setting.key: setting for setting in settings}
    contents = Contents()
    tables = document.pop(_RESOURCES, None)
    _read_table(contents, contents.values, "", document, known, private=private)
    if tables is None:
        return contents
    return replace(contents, resources=_read_resources(contents, tables, known, private=private))


def _read_resources(
    contents: Contents, tables: object, known: dict[str, Setting], *, private: bool
) -> dict[str, dict[str, Any]]:
    """Return the valid values in the tables of resources, and add the errors to `contents`."""
    resources: dict[str, dict[str, Any]] = {}
    if not isinstance(tables, dict):
        contents.errors[_RESOURCES] = f"{_RESOURCES}: must be tables [resources.NAME]"
        return resources
    per_resource = {key: each for key, each in known.items() if each.per_resource}
    for name, table in tables.items():
        prefix = f"{_RESOURCES}.{name}"
        values = resources[name] = {}
        if isinstance(table, dict):
            where = f"{prefix}."
            _read_table(contents, values, where, table, per_resource, private=private)
        else:
            contents.errors[prefix] = f"{_printable(prefix)}: must be a table [{_RESOURCES}.NAME]"
    return resources


def _read_table(
    contents: Contents,
    values: dict[str, Any],
    where: str,
    table: Mapping[str, Any],
    known: dict[str, Setting],
    *,
    private: bool,
) -> None:
    """Add the valid values of `table` to `values`, and its errors, with keys after `where`."""
    for key, value in table.items():
        try:
            values[key] = _checked(known, key, value, private=private)
        except ValueError as error:
            contents.errors[f"{where}{key}"] = f"{_printable(where + key)}: {error}"


def unknown_variables(environment: Mapping[str, str], settings: Iterable[Setting]) -> list[str]:
    """Return a warning for each environment variable that looks like a setting but is none.

    Values are not repeated.
    """
    known = {*_VARIABLES_OF_OTHER_COMMANDS}
    for each in settings:
        known.update(each.variables)
    return [
        f"ignoring unknown setting {name}{did_you_mean(name, known)}"
        for name, value in sorted(environment.items())
        if name.startswith(PREFIX) and name not in known and not _is_kubernetes(name, value)
    ]


def _checked(known: dict[str, Setting], key: str, value: object, *, private: bool) -> object:
    setting = known.get(key)
    if setting is None:
        settable = [name for name, each in known.items() if each.in_file]
        raise ValueError(f"unknown setting{did_you_mean(key, settable)}")
    if not setting.in_file:
        raise ValueError("not allowed in the settings file")
    if setting.secret and not private:
        raise ValueError(
            "a secret in a file that all users can read: remove their permission (chmod o-r), or "
            "use the environment variable"
        )
    expected = setting.toml_type
    if not _fits(value, expected):
        raise ValueError(f"must be {'an' if expected[0] in 'ai' else 'a'} {expected}")
    texts = value if isinstance(value, list) else [value]
    # No flag and no variable can contain a NUL, so no later code expects one.
    if not all(text.isprintable() for text in texts if isinstance(text, str)):
        raise ValueError("contains characters that cannot be printed")
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


def _is_kubernetes(name: str, value: str) -> bool:
    if name.endswith("_PORT") and _KUBERNETES_PORT.match(value):
        return True
    return _KUBERNETES.fullmatch(name) is not None


def _printable(text: str) -> str:
    cut = text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
    return cut if cut.isprintable() else ascii(cut)
