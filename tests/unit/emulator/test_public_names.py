"""Public names of `rooms_emulator`."""

from __future__ import annotations

import rooms_emulator
from rooms_emulator import (
    DEVELOPMENT_KEY,
    DevelopmentTls,
    Emulator,
    Fault,
    FaultPlan,
    JournalEntry,
    preset,
)

PUBLIC = {
    "DEVELOPMENT_KEY": DEVELOPMENT_KEY,
    "DevelopmentTls": DevelopmentTls,
    "Emulator": Emulator,
    "Fault": Fault,
    "FaultPlan": FaultPlan,
    "JournalEntry": JournalEntry,
    "preset": preset,
}


def test_all_is_exactly_the_public_names() -> None:
    assert sorted(rooms_emulator.__all__) == sorted(PUBLIC)


def test_public_names_are_documented() -> None:
    """The package's docstring names each, and classes and functions have their own docstrings."""
    overview = rooms_emulator.__doc__ or ""
    for name, value in PUBLIC.items():
        assert f"`{name}`" in overview
        # msgspec and NamedTuple generate a docstring with the signature if there is none.
        own = (value.__doc__ or "").strip()
        assert isinstance(value, str) or (own and not own.startswith(f"{name}("))
