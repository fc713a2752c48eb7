"""Conversion of error targets of the REST API to field paths of the gRPC request."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property
from urllib.parse import unquote

from acs.identity.v1.users_pb2 import User
from acs.rooms.v1.item_error_pb2 import ItemError
from google.protobuf.message import Message

from rooms_gateway.services.convert.identifiers import MAX_LENGTH, to_raw_id

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


_SECRETS = ("teams_token", "user_id")
"""Fields with values that are replaced wherever they occur, also within words."""

_WORD = re.compile(r"[\w:+-]*\w")
_ESCAPED = re.compile(r"(?<![\w%.~-])[\w%.~-]*%3[Aa][\w%.~-]*")
"""A word of a URL with a colon in it, as in raw ids."""

_MAX_TEXT = 8192


class FieldLocator:
    """Locates the fields of one request that error responses name."""

    def __init__(self, request: Message) -> None:
        self.request = request

    @cached_property
    def _participants(self) -> dict[str, tuple[str, str]]:
        """Field path and form (`.raw_id`, `.identifier` or empty) by raw id."""
        found: dict[str, tuple[str, str]] = {}
        for raw_id, path, form in _participants(self.request):
            if raw_id:
                found.setdefault(raw_id, (path, form))
        return found

    @cached_property
    def _fields(self) -> dict[str, str]:
        return {raw_id: path + form for raw_id, (path, form) in self._participants.items()}

    @cached_property
    def _not_words(self) -> list[str]:
        return [raw_id for raw_id in self._participants if not _WORD.fullmatch(raw_id)]

    def field_of(self, target: str) -> str:
        """Return the field path for the `target` of an error detail; empty if there is none.

        `ValidUntil` becomes `valid_until`; `$.participants.<raw id>.role` becomes the path of that
        participant in the request, such as `participants[2].role`.
        """
        name = target[:1].lower() + target[1:]
        field = _FIELDS.get(name, "")
        if field.partition(".")[0] in self.request.DESCRIPTOR.fields_by_name:
            return field
        match = _PARTICIPANT.fullmatch(target)
        path, form = self._participants.get(match[1] or match[2], ("", "")) if match else ("", "")
        return f"{path}.role" if target.endswith(".role") and form else f"{path}{form}"

    def redact(self, text: str) -> tuple[str, list[str]]:
        """Replace identifiers of users and tokens in `text` by their field paths.

        Returns the text, cut to a limit, and the paths of users in the order of the request.
        """
        for name in _SECRETS:
            if value := getattr(self.request, name, ""):
                text = text.replace(value, name)
        cut = text[:_MAX_TEXT]
        fields = set()
        # As whole words: a raw id can be part of a longer one, or of another word.
        words = _ESCAPED.sub(lambda escaped: unquote(escaped[0]), cut)
        for raw_id in self._not_words:
            if raw_id in words:
                field = self._fields[raw_id]
                word = rf"(?<![\w:+-]){re.escape(raw_id)}(?![\w:+-])"
                words, count = re.subn(word, field.replace("\\", r"\\"), words)
                if count:
                    fields.add(field)

        def locate(word: re.Match[str]) -> str:
            field = self._fields.get(word[0])
            if field is None:
                return word[0]
            fields.add(field)
            return field

        words = _WORD.sub(locate, words)
        if len(cut) < len(text):
            # A cut identifier was not found.
            words = words[:-MAX_LENGTH]
        return words, [field for field in self._fields.values() if field in fields]


def _participants(request: Message) -> Iterator[tuple[str, str, str]]:
    """Yield raw id or custom id, field path and form of every user that `request` names."""
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
        else:
            yield guest.custom_id, f"guests[{index}]", ""
    yield getattr(request, "custom_id", ""), "custom_id", ""
    if isinstance(user := getattr(request, "user", None), User):
        yield user.raw_id or to_raw_id(user.identifier), "user", ""
    for index, raw_id in enumerate(getattr(request, "remove_raw_ids", ())):
        yield raw_id, f"remove_raw_ids[{index}]", ""
    for index, identifier in enumerate(getattr(request, "remove_identifiers", ())):
        yield to_raw_id(identifier), f"remove_identifiers[{index}]", ""


ItemErrors = Callable[[Exception, FieldLocator], ItemError]
"""Converts an error, replacing the identifiers in its text."""
