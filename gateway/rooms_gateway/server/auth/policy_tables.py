"""The tables of a policy file as structs, and sentences for what does not fit them."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from rooms_gateway.suggestions import did_you_mean

_T = TypeVar("_T", bound=msgspec.Struct)
_Texts = str | tuple[str, ...]

_MAX_SHOWN = 100
_TYPE_ERROR = re.compile(r"Expected `(?P<types>[^`]+)`, got .+?(?: - at `\$(?P<path>.+)`)?")
_TOML_TYPES = {
    "str": "a string",
    "array": "an array of strings",
    "bool": "true or false",
    "object": "a table",
}


class PolicyTable(msgspec.Struct, rename="kebab"):
    """The whole document. The tables in it are converted one by one, so that errors name them."""

    callers: dict[str, Any] = {}
    jwt: Any = None
    tokens_file: str | None = None


class CallerTable(msgspec.Struct, rename="kebab"):
    """A table [callers.NAME]; None: not set."""

    role: str | None = None
    methods: _Texts | None = None
    uri: _Texts | None = None
    dns: _Texts | None = None
    subject: _Texts | None = None
    socket: bool = False
    resources: _Texts | None = None
    default_resource: str | None = None


class JwtTable(msgspec.Struct, rename="kebab"):
    """The table [jwt]."""

    issuer: str = ""
    audience: _Texts = ()
    claim: str = "sub"
    keys_file: str | None = None
    keys_url: str | None = None


def convert(where: str, table: object, kind: type[_T]) -> tuple[_T | None, list[str]]:
    """Return `table`, found at the key `where`, as a struct, and all errors by key.

    The struct is None if a value has the wrong type, of which only the first is an error. Unknown
    keys are found here, because `forbid_unknown_fields` stops at the first one.
    """
    known = [field.encode_name for field in msgspec.structs.fields(kind)]
    errors = [
        f"{where}.{shown(key)}: unknown key{did_you_mean(key, known)}".lstrip(".")
        for key in (table if isinstance(table, dict) else ())
        if key not in known
    ]
    try:
        return msgspec.convert(table, kind), errors
    except msgspec.ValidationError as error:
        return None, [*errors, _type_error(where, str(error))]


def texts(value: _Texts | None) -> tuple[str, ...]:
    """Return a string or an array of strings as a tuple."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def shown(text: str) -> str:
    """Return `text` for an error: shortened, and printable."""
    cut = text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
    return cut if cut.isprintable() else ascii(cut)


def _type_error(where: str, text: str) -> str:
    """Return msgspec's error in TOML's terms: "Expected `str | null`, got `int` - at `$.role`"."""
    found = _TYPE_ERROR.fullmatch(text)
    if found is None:
        return f"{where}: {text}"
    types = [_TOML_TYPES[name] for name in found["types"].split(" | ") if name in _TOML_TYPES]
    return f"{where}{found['path'] or ''}: must be {' or '.join(types)}".lstrip(".")
