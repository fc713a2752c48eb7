"""Conversion of error targets of the REST API to field paths of the gRPC request."""

from __future__ import annotations

import re
from collections.abc import Iterator

from acs.identity.v1.users_pb2 import User
from google.protobuf.message import Message

from rooms_gateway.services.convert.identifiers import to_raw_id

_FIELDS = {
    "validFrom": "valid_from",
    "validUntil": "valid_until",
    "pstnDialOutEnabled": "pstn_dial_out_enabled",
    "participants": "participants",
    "scopes": "token_options.scopes",
    "createTokenWithScopes": "token_options.scopes",
    "expiresInMinutes": "token_options.lifetime",
    "customId": "custom_id",
    "token": "teams_token",
    "appId": "app_id",
    "userId": "user_id",
    "id": "user",
}
_PARTICIPANT = re.compile(r"\$\.participants(?:\.(.+?)|\['(.+?)'\])(?:\.role)?", re.DOTALL)


class FieldLocator:
    """Locates the fields of one request that an error response names. Created for failures only."""

    def __init__(self, request: Message) -> None:
        self._participants: dict[str, tuple[str, str]] = {}
        """Field path and form (`.raw_id`, `.identifier` or empty) by raw id."""
        for raw_id, path, form in _participants(request):
            self._participants.setdefault(raw_id, (path, form))

    def field_of(self, target: str) -> str:
        """Return the field path for the `target` of an error detail; empty if there is none.

        `ValidUntil` becomes `valid_until`; `$.participants.<raw id>.role` becomes the path of that
        participant in the request, such as `participants[2].role`.
        """
        name = target[:1].lower() + target[1:]
        if name in _FIELDS:
            return _FIELDS[name]
        match = _PARTICIPANT.fullmatch(target)
        path, form = self._participants.get(match[1] or match[2], ("", "")) if match else ("", "")
        return f"{path}.role" if target.endswith(".role") and form else f"{path}{form}"

    def redact(self, text: str) -> tuple[str, list[str]]:
        """Replace the raw ids of participants in `text` by their field paths.

        Returns the text, and the paths in the order of the request.
        """
        fields = []
        for raw_id, (path, form) in self._participants.items():
            if raw_id in text:
                field = f"{path}{form}"
                # As a whole word: a raw id can be part of a longer one, or of another word.
                word = rf"(?<![\w:+-]){re.escape(raw_id)}(?![\w:+-])"
                text, count = re.subn(word, field.replace("\\", r"\\"), text)
                if count:
                    fields.append(field)
        return text, fields


def _participants(request: Message) -> Iterator[tuple[str, str, str]]:
    """Yield raw id, field path and form of every participant that `request` names."""
    roster = getattr(getattr(request, "roster", None), "participants", ())
    for field, participants in (
        ("participants", getattr(request, "participants", ())),
        ("roster.participants", roster),
    ):
        for index, each in enumerate(participants):
            # If both forms are set, they agree: `raw_id_of` has checked them before the request.
            if each.raw_id:
                yield each.raw_id, f"{field}[{index}]", ".raw_id"
            else:
                yield to_raw_id(each.identifier), f"{field}[{index}]", ".identifier"
    for index, guest in enumerate(getattr(request, "guests", ())):
        if guest.WhichOneof("user") in ("raw_id", "identifier"):
            raw_id = guest.raw_id or to_raw_id(guest.identifier)
            yield raw_id, f"guests[{index}]", ""
    if isinstance(user := getattr(request, "user", None), User):
        yield user.raw_id or to_raw_id(user.identifier), "user", ""
    for index, raw_id in enumerate(getattr(request, "remove_raw_ids", ())):
        yield raw_id, f"remove_raw_ids[{index}]", ""
    for index, identifier in enumerate(getattr(request, "remove_identifiers", ())):
        yield to_raw_id(identifier), f"remove_identifiers[{index}]", ""
