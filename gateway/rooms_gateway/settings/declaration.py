"""Declarations of settings, at the fields of dataclasses.

A declaration is all there is to a setting: its flag, environment variable, key in the settings
file, row in `config show` and row in the reference derive from it. Nothing here imports click.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from enum import Enum, StrEnum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

PREFIX = "ROOMS_GATEWAY_"

_DECLARATION = "declaration"

T = TypeVar("T")


class Group(StrEnum):
    """Topics of settings, in the order of `serve --help` and the reference."""

    FILE = "Settings file"
    UPSTREAM = "Upstream"
    RESOURCES = "Resources"
    CREDENTIALS = "Credentials"
    LISTENERS = "Listeners"
    TLS = "TLS"
    CALLERS = "Callers"
    SERVICES = "Services"
    LIMITS = "Limits"
    TIMEOUTS = "Timeouts and retries"
    OBSERVABILITY = "Observability"
    AUDIT = "Audit log"
    SHUTDOWN = "Shutdown"
    EMULATOR = "Embedded emulator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One declared setting."""

    name: str
    """Name of the field."""
    annotation: Any
    """Type of the field, as `bool`, `float | None` or `tuple[str, ...]`."""
    default: Any
    group: Group
    help: str
    metavar: str | None = None
    """Placeholder for the value; None: by type."""
    one_of: tuple[str, ...] = ()
    """The allowed values, where the type is no enum; empty: any."""
    minimum: int | None = None
    above: float | None = None
    """Exclusive minimum."""
    parse: Callable[[str], Any] | None = None
    """Converts text to the value. Raises ValueError with one sentence."""
    show: Callable[[Any], str] | None = None
    """Converts the value to text; the inverse of `parse`."""
    also: str | None = None
    """A second environment variable, known from other tools; the setting's own comes first."""
    secret: bool = False
    """Whether the value is masked in all output."""
    has_flag: bool = True
    """False for a secret without a flag: command lines are visible to other users."""
    in_file: bool = True
    """Whether the settings file may contain it."""
    per_resource: bool = False
    """Whether a table [resources.NAME] may contain it."""

    @property
    def key(self) -> str:
        """Key in the settings file, and the flag without its dashes."""
        return self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        """The flag; of a switch that is on by default, the positive form."""
        return f"--{self.key}"

    @property
    def flags(self) -> tuple[str, ...]:
        """The flag and, of a switch that is on by default, its negative form."""
        if not self.has_flag:
            return ()
        return (self.flag, f"--no-{self.key}") if self.default is True else (self.flag,)

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment variables, the one with precedence first."""
        own = PREFIX + self.name.upper()
        return (own, self.also) if self.also else (own,)

    @property
    def type(self) -> type[Any]:
        """Type of the value, or of each value if there are `multiple`."""
        # `X | None` and `tuple[X, ...]` both have X first.
        found: type[Any] = (get_args(self.annotation) or (self.annotation,))[0]
        return found

    @property
    def multiple(self) -> bool:
        """Whether the setting is a list of values."""
        return get_origin(self.annotation) is tuple

    @property
    def choices(self) -> tuple[str, ...]:
        """The allowed values; empty: any."""
        if issubclass(self.type, Enum):
            return tuple(each.value for each in self.type)
        return self.one_of

    @property
    def toml_type(self) -> str:
        """Type in the settings file, in TOML's terms."""
        if self.multiple:
            return "array of strings"
        if self.parse is not None:
            return "string"
        return {bool: "boolean", float: "number", int: "integer"}.get(self.type, "string")

    @property
    def placeholder(self) -> str:
        """The placeholder for the value in help and reference."""
        if self.choices:
            return f"[{'|'.join(self.choices)}]"
        by_type = {float: "SECONDS", int: "INTEGER", Path: "FILE"}
        return self.metavar or by_type.get(self.type, "TEXT")

    def text(self, value: Any) -> Any:
        """Return `value` as a flag spells it, where that differs from `str`."""
        if isinstance(value, Enum):
            return value.value
        if value is None or self.show is None:
            return value
        return tuple(map(self.show, value)) if self.multiple else self.show(value)


def setting(default: T, group: Group, help: str, **declaration: Any) -> T:  # noqa: A002 - click's and argparse's name for it
    """Declare a setting: the value of a dataclass field.

    `declaration` are further fields of `Setting`.
    """
    return field(
        default=default,
        repr=not declaration.get("secret", False),
        metadata={_DECLARATION: partial(Setting, group=group, help=help, **declaration)},
    )


def declared(settings: type[Any]) -> tuple[Setting, ...]:
    """Return the settings that a dataclass declares, in the order of its fields."""
    annotations = get_type_hints(settings)
    return tuple(
        declaration(name=each.name, annotation=annotations[each.name], default=each.default)
        for each in fields(settings)
        if (declaration := each.metadata.get(_DECLARATION)) is not None
    )
