"""The service's words for what is to blame, as the names of the caller's fields."""

from __future__ import annotations

import re

from google.protobuf.message import Message

_FIELDS = {
    "validFrom": "valid_from",
    "validUntil": "valid_until",
    "pstnDialOutEnabled": "pstn_dial_out_enabled",
    "participants": "participants",
}
_PERSON = re.compile(r"\$\.participants(?:\.(.+?)|\['(.+?)'\])(?:\.role)?", re.DOTALL)


def field_of(target: str, request: Message) -> str:
    """Return the field of `request` that `target`, of an error detail, speaks of.

    `ValidUntil` becomes `valid_until`, `$.participants.<raw id>.role` the person's place in the
    request, such as `upsert[2].role`. Empty if the target names nothing of the request.
    """
    name = target[:1].lower() + target[1:]
    if name in _FIELDS:
        return _FIELDS[name]
    person = _PERSON.fullmatch(target)
    if person is None:
        return ""
    blamed = person[1] or person[2]
    suffix = ".role" if target.endswith(".role") else ".raw_id"
    for people in ("participants", "upsert"):
        for index, participant in enumerate(getattr(request, people, ())):
            if participant.raw_id == blamed:
                return f"{people}[{index}]{suffix}"
    for people in ("raw_ids", "remove"):
        for index, raw_id in enumerate(getattr(request, people, ())):
            if raw_id == blamed:
                return f"{people}[{index}]"
    return ""
