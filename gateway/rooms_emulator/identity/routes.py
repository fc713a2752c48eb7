"""The routes of the Identity API: a new operation is a row here and a method in `operations`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rooms_emulator.http.routing import Route, Router
from rooms_emulator.identity import versions
from rooms_emulator.identity.operations import IdentityCall, IdentityOperations
from rooms_emulator.identity.versions import IdentityVersion

_ISSUE = "IssueAccessToken"
_GET = "GetIdentity"
_EXCHANGE = "ExchangeTeamsUserAccessToken"

# No route has a `media_type`: clients send Content-Type without a body too, so the service checks
# it only if there is a body.
ROUTES: tuple[Route[IdentityOperations, IdentityCall], ...] = (
    Route("POST", "/identities", "CreateIdentity", IdentityOperations.create),
    Route("GET", "/identities/{}", _GET, IdentityOperations.get),
    Route("DELETE", "/identities/{}", "DeleteIdentity", IdentityOperations.delete),
    Route("POST", "/identities/{}/:issueAccessToken", _ISSUE, IdentityOperations.issue_token),
    Route(
        "POST",
        "/identities/{}/:revokeAccessTokens",
        "RevokeAccessTokens",
        IdentityOperations.revoke_tokens,
    ),
    Route(
        "POST",
        "/teamsUser/:exchangeAccessToken",
        _EXCHANGE,
        IdentityOperations.exchange_teams_token,
    ),
)
OPERATIONS = tuple(route.operation for route in ROUTES)
"""Names of all operations."""

OPERATION_FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "user-creates": ("CreateIdentity",),
        "user-reads": (_GET,),
        "user-deletes": ("DeleteIdentity",),
        "token-issues": (_ISSUE,),
        "token-revocations": ("RevokeAccessTokens",),
        "token-exchanges": (_EXCHANGE,),
    }
)
"""Operation families, one for each limit that the service publishes, and one for reads."""

ROUTER = Router(ROUTES)

_VERSIONS = {_GET: versions.WITH_CUSTOM_IDS, _EXCHANGE: versions.WITH_EXCHANGE}
_LISTINGS = {_ISSUE: versions.ISSUE_LISTING, _EXCHANGE: versions.EXCHANGE_LISTING}


def versions_of(operation: str) -> Mapping[str, IdentityVersion]:
    """Return the api-versions that have an operation, by name."""
    return _VERSIONS.get(operation, versions.VERSIONS)


def listing_of(operation: str) -> str:
    """Return the `api-supported-versions` of an operation; an empty name is any other path."""
    return _LISTINGS.get(operation, versions.LISTING)
