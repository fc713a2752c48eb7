"""Room ids and participants' raw ids: how they are made and which are accepted."""

import re
from random import Random
from typing import Final
from uuid import UUID

from rooms_emulator import problems

_GUID: Final = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_COMMUNICATION_USER: Final = re.compile(f"8:(?:acs|dod-acs|gcch-acs|spool):{_GUID}_{_GUID}")
_UUID: Final = re.compile(_GUID)
_SHORTEST_ROOM_ID: Final = 15
_LONGEST_ROOM_ID: Final = 20


def new_room_id(random: Random) -> str:
    """Make an id as the service does: ``994`` and a random number below 10^14, unpadded."""
    return f"994{random.randrange(10**11, 10**14)}"


def new_communication_user(random: Random) -> str:
    """Make the raw id of a communication user."""
    resource, user = (UUID(bytes=random.randbytes(16), version=4) for _ in range(2))
    return f"8:acs:{resource}_{user}"


def check_room_id(room_id: str) -> None:
    """Refuse an id that no room can have.

    Raises:
        ServiceError: it is too short, too long, or not all digits.

    """
    if not _SHORTEST_ROOM_ID <= len(room_id) <= _LONGEST_ROOM_ID:
        raise problems.bad_request(problems.ROOM_ID_LENGTH)
    if not (room_id.isascii() and room_id.isdigit()):
        raise problems.bad_request(problems.ROOM_ID_DIGITS)


def is_communication_user(raw_id: str) -> bool:
    """Whether a raw id is of the only kind that rooms accept."""
    return _COMMUNICATION_USER.fullmatch(raw_id) is not None


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID in its usual form with hyphens."""
    return _UUID.fullmatch(text) is not None
