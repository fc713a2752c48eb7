"""The api-versions of the Identity API: a new one is a row here.

Source: the specification of each version, and the versions that the live service listed in April
2025.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_FIRST_SCOPES = ("chat", "voip")
_ALL_SCOPES = (*_FIRST_SCOPES, "chat.join", "chat.join.limited", "voip.join")
_TEAMS_USER = ("token", "appId", "userId")


@dataclass(frozen=True, slots=True)
class IdentityVersion:
    """One api-version of the Identity API."""

    name: str
    """Name in requests, such as `2023-10-01`."""
    scopes: tuple[str, ...] = _ALL_SCOPES
    """Scopes that an access token can have."""
    has_expiry: bool = True
    """Whether a request can set the lifetime of its token."""
    has_custom_ids: bool = False
    """Whether there are `customId`, `lastTokenIssuedAt` and GetIdentity."""
    exchange: tuple[str, ...] = _TEAMS_USER
    """Members of an exchange of a Teams user's token; empty if there is no such operation."""


VERSIONS = {
    version.name: version
    for version in (
        IdentityVersion("2021-03-07", _FIRST_SCOPES, has_expiry=False, exchange=()),
        IdentityVersion(
            "2021-10-31-preview", _FIRST_SCOPES, has_expiry=False, exchange=_TEAMS_USER[:1]
        ),
        IdentityVersion("2021-11-01", _FIRST_SCOPES, has_expiry=False, exchange=()),
        IdentityVersion("2022-06-01", _FIRST_SCOPES, has_expiry=False),
        IdentityVersion("2022-10-01", _FIRST_SCOPES),
        IdentityVersion("2023-10-01"),
        IdentityVersion("2025-03-02-preview", has_custom_ids=True),
        IdentityVersion("2025-06-30"),
        IdentityVersion("2026-09-23"),
    )
}
WITH_CUSTOM_IDS = {name: each for name, each in VERSIONS.items() if each.has_custom_ids}
WITH_EXCHANGE = {name: each for name, each in VERSIONS.items() if each.exchange}

# Recorded in `api-supported-versions`, although the emulator does not support them.
_LISTED = ("2020-07-20-preview2",)
_LISTED_FOR_ISSUE = (*_LISTED, "2025-03-31-preview")


def _listing(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


LISTING = _listing((*_LISTED, *VERSIONS))
"""Value of `api-supported-versions`; two operations have other ones."""
ISSUE_LISTING = _listing((*_LISTED_FOR_ISSUE, *VERSIONS))
EXCHANGE_LISTING = _listing(WITH_EXCHANGE)
