"""Faults as they are written down: a JSON object over the control path, or a TOML file."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from rooms_emulator.faults.model import Fault
from rooms_emulator.faults.presets import from_members
from rooms_emulator.faults.rules import LARGEST_SEED, MOST_RULES

LARGEST_FILE: Final = 1 << 20

_KEYS: Final = ("seed", "faults")


class Plan(NamedTuple):
    """Faults in order, and the seed that decides what is drawn for them, if one is given."""

    faults: tuple[Fault, ...] = ()
    seed: int | None = None


def read(document: object) -> Plan:
    """Read a plan from what JSON or TOML was parsed to.

    Raises:
        ValueError: that is no plan; the text names the key.

    """
    if not isinstance(document, Mapping):
        raise ValueError("expected an object with the keys seed and faults")  # noqa: TRY004
    for key in document:
        if key not in _KEYS:
            raise ValueError(f"there is no key {str(key)[:100]!r}; there are seed and faults")
    faults = document.get("faults", ())
    if isinstance(faults, str) or not isinstance(faults, Sequence):
        raise ValueError("faults: expected a list")  # noqa: TRY004 - told to whoever wrote it
    if len(faults) > MOST_RULES:
        raise ValueError(f"faults: there are {len(faults)}, and {MOST_RULES} are the most")
    return Plan(
        tuple(_fault(index, members) for index, members in enumerate(faults)),
        _seed(document.get("seed")),
    )


def read_file(path: Path) -> Plan:
    """Read a plan from a TOML file.

    Raises:
        ValueError: the file cannot be read, or is no plan; the text begins with its path.

    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no file can have that name"
        raise ValueError(f"cannot read {path}: {reason}") from None
    try:
        if len(content) > LARGEST_FILE:
            raise ValueError(f"more than {LARGEST_FILE} bytes are no faults")
        return read(_toml(content))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _toml(content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("not TOML: it is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        text = str(error)[:200]
        raise ValueError(f"not TOML: {text if text.isprintable() else ascii(text)}") from None
    # A number of five thousand digits is ValueError, five thousand brackets are RecursionError.
    except (ValueError, RecursionError):
        raise ValueError("not TOML that could be faults") from None


def _fault(index: int, members: object) -> Fault:
    try:
        if not isinstance(members, Mapping):
            raise ValueError("expected an object")  # noqa: TRY004 - as above
        return from_members(members)
    except ValueError as error:
        raise ValueError(f"faults[{index}]: {error}") from None


def _seed(seed: object) -> int | None:
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"seed must be a whole number between 0 and {LARGEST_SEED}")
    return seed
