"""Raw ids of communication users: generation and validation."""

from __future__ import annotations

import re
from random import Random
from uuid import UUID

GUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
"""Pattern of a GUID in its usual form."""

_COMMUNICATION_USER = re.compile(f"8:(?:acs|dod-acs|gcch-acs|spool):{GUID}_{GUID}")


def new_communication_user(random: Random) -> str:
    """Return the raw id of a made-up communication user of a made-up resource."""
    resource, user = (UUID(bytes=random.randbytes(16), version=4) for _ in range(2))
    return f"8:acs:{resource}_{user}"


def is_communication_user(raw_id: str) -> bool:
    """Return whether a raw id is of a communication user, the only kind that rooms accept."""
    return _COMMUNICATION_USER.fullmatch(raw_id) is not None
