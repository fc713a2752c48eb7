"""Fault plans: faults and their seed, as a JSON object of the control API or a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from rooms_emulator.faults.model import Fault
from rooms_emulator.faults.presets import from_members
from rooms_emulator.faults.rules import MAX_RULES, MAX_SEED

MAX_FILE_BYTES = 1 << 20

_KEYS = ("seed", "faults")


class FaultPlan(NamedTuple):
    """Faults in order, and the seed of all random decisions about them."""

    faults: tuple[Fault, ...] = ()
    seed: int | None = None

    @classmethod
    def parse(cls, document: object) -> Self:
        """Read a plan from a parsed JSON or TOML document.

        Raises ValueError, with the name of the key, if the document is not a plan.
        """
        if not isinstance(document, Mapping):
            raise ValueError("expected an object with the keys seed and faults")
        for key in document:
            if key not in _KEYS:
                raise ValueError(f"unknown key {str(key)[:100]!r}: use seed and faults")
        faults = document.get("faults", ())
        if isinstance(faults, str) or not isinstance(faults, Sequence):
            raise ValueError("faults: expected a list")
        if len(faults) > MAX_RULES:
            raise ValueError(f"faults: {len(faults)} faults, more than the limit of {MAX_RULES}")
        return cls(
            tuple(_fault(index, members) for index, members in enumerate(faults)),
            _seed(document.get("seed")),
        )

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a plan from a TOML file.

        Raises ValueError, with the path, if the file cannot be read or is not a plan.
        """
        try:
            with path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "invalid file name"
            raise ValueError(f"cannot read {path}: {reason}") from None
        try:
            if len(content) > MAX_FILE_BYTES:
                raise ValueError(f"the file is larger than {MAX_FILE_BYTES} bytes")
            return cls.parse(_toml(content))
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
    # tomllib raises ValueError for a number of 5,000 digits, RecursionError for 5,000 brackets.
    except (ValueError, RecursionError):
        raise ValueError("not TOML: a number is too long, or the nesting too deep") from None


def _fault(index: int, members: object) -> Fault:
    try:
        if not isinstance(members, Mapping):
            raise ValueError("expected an object")
        return from_members(members)
    except ValueError as error:
        raise ValueError(f"faults[{index}]: {error}") from None


def _seed(seed: object) -> int | None:
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise ValueError(f"seed must be an integer between 0 and {MAX_SEED}")
    return seed
