"""The routes of the Identity API: a new operation is a row here and a method in `operations`."""

from __future__ import annotations

from rooms_emulator.http.routing import Route, Router
from rooms_emulator.identity.operations import IdentityCall, IdentityOperations

# No route has a `media_type`: clients send Content-Type without a body too, so the service checks
# it only if there is a body.
ROUTES: tuple[Route[IdentityOperations, IdentityCall], ...] = (
    Route("POST", "/identities", "CreateIdentity", IdentityOperations.create),
    Route("DELETE", "/identities/{}", "DeleteIdentity", IdentityOperations.delete),
    Route(
        "POST",
        "/identities/{}/:issueAccessToken",
        "IssueAccessToken",
        IdentityOperations.issue_token,
    ),
    Route(
        "POST",
        "/identities/{}/:revokeAccessTokens",
        "RevokeAccessTokens",
        IdentityOperations.revoke_tokens,
    ),
)
OPERATIONS = tuple(route.operation for route in ROUTES)
"""Names of all operations."""

ROUTER = Router(ROUTES)
