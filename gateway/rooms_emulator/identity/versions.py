"""The api-versions of the Identity API: a new one is a row here.

Source: the versions that azure-communication-identity 1.5.0 and @azure/communication-identity
1.3.1 support, and the specification of each.
"""

from __future__ import annotations

from dataclasses import dataclass

_FIRST_SCOPES = ("chat", "voip")
_ALL_SCOPES = (*_FIRST_SCOPES, "chat.join", "chat.join.limited", "voip.join")


@dataclass(frozen=True, slots=True)
class IdentityVersion:
    """One api-version of the Identity API."""

    name: str
    """Name in requests, such as `2023-10-01`."""
    scopes: tuple[str, ...]
    """Scopes that an access token can have."""
    has_expiry: bool
    """Whether a request can set the lifetime of its token."""


VERSIONS = {
    version.name: version
    for version in (
        IdentityVersion("2021-03-07", _FIRST_SCOPES, has_expiry=False),
        IdentityVersion("2022-06-01", _FIRST_SCOPES, has_expiry=False),
        IdentityVersion("2022-10-01", _FIRST_SCOPES, has_expiry=True),
        IdentityVersion("2023-10-01", _ALL_SCOPES, has_expiry=True),
    )
}
SUPPORTED = ", ".join(VERSIONS)
"""Value of `api-supported-versions`."""
