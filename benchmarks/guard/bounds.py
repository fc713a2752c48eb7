"""The bounds: the accepted cost of a call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.guard.kinds import KINDS, Kind


class BoundsError(Exception):
    """The file with the bounds cannot be read."""


class Counted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The counts of one run; written to a file, the bounds of later runs."""

    on: str
    """The version of Python that the frames were counted on."""
    works: dict[str, dict[str, int]]
    """Counts by the name of the call, then of the kind."""

    def json(self) -> bytes:
        """Return this as a file whose lines can be compared."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


@dataclass(frozen=True, slots=True)
class Difference:
    """A count that differs from its bound."""

    work: str
    kind: Kind
    before: int | None
    """None: no bound yet."""
    now: int

    @property
    def too_much(self) -> bool:
        """Whether it has grown by more than the allowance."""
        return self.before is None or self.now > self.before + self.kind.allowance

    def __str__(self) -> str:
        """Return one readable line."""
        before = "without a bound" if self.before is None else f"{self.before} before"
        return f"{self.work}: {self.kind.name}: {before}, {self.now} now"


def differences(bounds: Counted, counted: Counted) -> Iterator[Difference]:
    """Compare the counts, frames only on the same Python. A missing bound is a difference."""
    for work, counts in counted.works.items():
        before = bounds.works.get(work, {})
        for kind in KINDS:
            if kind.of_python and bounds.on != counted.on:
                continue
            found = Difference(work, kind, before.get(kind.name), counts[kind.name])
            if found.before != found.now:
                yield found


def read(path: Path) -> Counted:
    """Read bounds. Raises BoundsError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Counted)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BoundsError(str(error)) from error


def accept(path: Path, counted: Counted) -> None:
    """Write the counts as bounds; those of other calls stay if the Python is the same."""
    try:
        bounds = read(path)
        kept = bounds.works if bounds.on == counted.on else {}
    except BoundsError:
        kept = {}
    path.write_bytes(Counted(counted.on, kept | counted.works).json())
