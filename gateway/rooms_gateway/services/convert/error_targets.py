"""The service's words for what is to blame, as the names of the caller's fields."""

from __future__ import annotations

import re
from collections.abc import Iterator

from google.protobuf.message import Message

from rooms_gateway.services.convert.identifiers import to_raw_id

_FIELDS = {
    "validFrom": "valid_from",
    "validUntil": "valid_until",
    "pstnDialOutEnabled": "pstn_dial_out_enabled",
    "roomJoinPolicy": "room_join_policy",
    "participants": "participants",
}
_PERSON = re.compile(r"\$\.participants(?:\.(.+?)|\['(.+?)'\])(?:\.role)?", re.DOTALL)
_PLACE = re.compile(r"\$\.participants(\[\d+\](?:\.role)?)", re.ASCII)


class FieldLocator:
    """Finds what an error answer blames in the request that it answers. Made for failures only."""

    def __init__(self, request: Message) -> None:
        self._roster = "roster.participants" if hasattr(request, "roster") else "participants"
        self._people: dict[str, tuple[str, str]] = {}
        for raw_id, place, form in _people(request):
            self._people.setdefault(raw_id, (place, form))

    def field_of(self, target: str) -> str:
        """Return the field that `target`, of an error detail, speaks of.

        `ValidUntil` becomes `valid_until`, `$.participants.<raw id>.role` the person's place in the
        request, such as `upsert[2].role`. Empty if the target names nothing of the request.
        """
        name = target[:1].lower() + target[1:]
        if name in _FIELDS:
            return _FIELDS[name]
        if listed := _PLACE.fullmatch(target):
            return f"{self._roster}{listed[1]}"
        person = _PERSON.fullmatch(target)
        place, form = self._people.get(person[1] or person[2], ("", "")) if person else ("", "")
        return f"{place}.role" if target.endswith(".role") and form else f"{place}{form}"

    def without_people(self, text: str) -> tuple[str, list[str]]:
        """Put the fields that name people in the place of their identifiers in `text`.

        Returns the text, and those fields in the order of the request.
        """
        fields = []
        for raw_id, (place, form) in self._people.items():
            if raw_id in text:
                field = f"{place}{form}"
                # As a whole word: an identifier can be part of a longer one, or of a word.
                word = rf"(?<![\w:+-]){re.escape(raw_id)}(?![\w:+-])"
                text, count = re.subn(word, field.replace("\\", r"\\"), text)
                if count:
                    fields.append(field)
        return text, fields


def _people(request: Message) -> Iterator[tuple[str, str, str]]:
    """Yield everybody whom `request` names: the raw id, where, and which form gives it there."""
    roster = getattr(getattr(request, "roster", None), "participants", ())
    for field, people in (
        ("participants", getattr(request, "participants", ())),
        ("upsert", getattr(request, "upsert", ())),
        ("roster.participants", roster),
    ):
        for index, person in enumerate(people):
            # What got as far as the service agrees where it has both forms.
            if person.raw_id:
                yield person.raw_id, f"{field}[{index}]", ".raw_id"
            else:
                yield to_raw_id(person.identifier), f"{field}[{index}]", ".identifier"
    for field in ("raw_ids", "remove"):
        for index, raw_id in enumerate(getattr(request, field, ())):
            yield raw_id, f"{field}[{index}]", ""
    for field in ("identifiers", "remove_identifiers"):
        for index, identifier in enumerate(getattr(request, field, ())):
            yield to_raw_id(identifier), f"{field}[{index}]", ""
