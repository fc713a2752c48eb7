"""Room ids: generation and validation."""

from __future__ import annotations

from random import Random

from rooms_emulator import problems

_MIN_LENGTH = 15
_MAX_LENGTH = 20


def new_room_id(random: Random) -> str:
    """Return an id as the service makes it: `994` and a random number below 10^14, unpadded."""
    return f"994{random.randrange(10**11, 10**14)}"


def check_room_id(room_id: str) -> None:
    """Raise ServiceError if the id is too short, too long, or not all digits."""
    if not _MIN_LENGTH <= len(room_id) <= _MAX_LENGTH:
        raise problems.bad_request(problems.ROOM_ID_LENGTH)
    if not (room_id.isascii() and room_id.isdigit()):
        raise problems.bad_request(problems.ROOM_ID_DIGITS)
