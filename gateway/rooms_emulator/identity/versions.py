"""The identity API's own api-versions, and what each can do: a new one is a row here.

Source: the versions that azure-communication-identity 1.5.0 and @azure/communication-identity
1.3.1 know, and the specification of each.
"""

from dataclasses import dataclass
from typing import Final

_FIRST_SCOPES: Final = ("chat", "voip")
_ALL_SCOPES: Final = (*_FIRST_SCOPES, "chat.join", "chat.join.limited", "voip.join")


@dataclass(frozen=True, slots=True)
class IdentityVersion:
    """One api-version of the identity API.

    Attributes:
        name: as on the wire.
        scopes: what an access token may be for.
        has_expiry: whether a request may say how long its token lives.

    """

    name: str
    scopes: tuple[str, ...]
    has_expiry: bool


VERSIONS: Final = {
    version.name: version
    for version in (
        IdentityVersion("2021-03-07", _FIRST_SCOPES, has_expiry=False),
        IdentityVersion("2022-06-01", _FIRST_SCOPES, has_expiry=False),
        IdentityVersion("2022-10-01", _FIRST_SCOPES, has_expiry=True),
        IdentityVersion("2023-10-01", _ALL_SCOPES, has_expiry=True),
    )
}
SUPPORTED: Final = ", ".join(VERSIONS)
