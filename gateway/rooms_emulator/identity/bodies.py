"""Bodies of requests for users and access tokens, read and checked as the service does it.

Its model checks the types of all members first, its handlers the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rooms_emulator.http.json_body import JsonObject
from rooms_emulator.identity import problems
from rooms_emulator.identity.versions import IdentityVersion
from rooms_emulator.problems import unconvertible

_MIN_MINUTES, _MAX_MINUTES = 60, 1440
_MAX_CUSTOM_ID = 256


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Members of a request for a token, or for a user; each is None if it is null or absent."""

    scopes: Sequence[str] | None
    """Scopes, each once."""
    minutes: int | None
    """Lifetime of the token."""
    custom_id: str | None

    @property
    def lifetime(self) -> int:
        """Lifetime of the token in minutes, the longest by default."""
        return _MAX_MINUTES if self.minutes is None else self.minutes

    def check(self, version: IdentityVersion) -> None:
        """Check the values. Raises ServiceError if `version` does not accept one."""
        for scope in self.scopes or ():
            if scope not in version.scopes:
                known = ", ".join(version.scopes)
                message = f"Invalid scopes - The scope '{scope}' is not one of {known}."
                raise problems.invalid(message, "scopes")
        if self.minutes is not None:
            if not version.has_expiry:
                raise problems.not_in_version("ExpiresInMinutes", version.name)
            if not _MIN_MINUTES <= self.minutes <= _MAX_MINUTES:
                raise problems.invalid(
                    f"ExpiresInMinutes value {self.minutes} is invalid. "
                    f"Value must be within the [{_MIN_MINUTES}, {_MAX_MINUTES}] interval.",
                    "ExpiresInMinutes",
                )
        if self.custom_id is not None:
            if not version.has_custom_ids:
                raise problems.not_in_version("customId", version.name)
            if not 1 <= len(self.custom_id) <= _MAX_CUSTOM_ID:
                message = f"customId must have between 1 and {_MAX_CUSTOM_ID} characters."
                raise problems.invalid(message, "customId")


def token_request(body: JsonObject, scopes: str) -> TokenRequest:
    """Read a request; `scopes` is the member with the scopes.

    Raises ServiceError of the validation family if a member has the wrong type.
    """
    return TokenRequest(_scopes(body, scopes), _minutes(body), text(body, "customId"))


def text(body: JsonObject, member: str) -> str | None:
    """Return a text; None if it is null or absent.

    Raises ServiceError of the validation family if it is not a text.
    """
    value = body.get(member)
    if value is None or isinstance(value, str):
        return value
    raise unconvertible("a string", f"$.{member}")


def _scopes(body: JsonObject, member: str) -> Sequence[str] | None:
    value = body.get(member)
    if value is None:
        return None
    if not isinstance(value, list):
        raise unconvertible("an array", f"$.{member}")
    for number, scope in enumerate(value):
        if not isinstance(scope, str):
            raise unconvertible("a string", f"$.{member}[{number}]")
    return tuple(dict.fromkeys(value))


def _minutes(body: JsonObject) -> int | None:
    minutes = body.get("expiresInMinutes")
    if minutes is None:
        return None
    if not isinstance(minutes, int) or isinstance(minutes, bool):
        raise unconvertible("an integer", "$.expiresInMinutes")
    return minutes
