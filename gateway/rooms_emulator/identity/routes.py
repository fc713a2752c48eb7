"""The identity API on one screen: a new operation is a row here and a method in ``operations``."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from rooms_emulator import problems
from rooms_emulator.identity.operations import IdentityCall, IdentityOperations
from rooms_emulator.rooms.operations import Answer


@dataclass(frozen=True, slots=True)
class Route:
    """One operation: where it is, and what runs it."""

    method: str
    path: re.Pattern[str]
    operation: str
    run: Callable[[IdentityOperations, IdentityCall], Answer]


_ALL: Final = re.compile("/identities")
_ONE: Final = re.compile("/identities/([^/]+)")
_ISSUE: Final = re.compile("/identities/([^/]+)/:issueAccessToken")
_REVOKE: Final = re.compile("/identities/([^/]+)/:revokeAccessTokens")

ROUTES: Final = (
    Route("POST", _ALL, "CreateIdentity", IdentityOperations.create),
    Route("DELETE", _ONE, "DeleteIdentity", IdentityOperations.delete),
    Route("POST", _ISSUE, "IssueAccessToken", IdentityOperations.issue_token),
    Route("POST", _REVOKE, "RevokeAccessTokens", IdentityOperations.revoke_tokens),
)
OPERATIONS: Final = tuple(route.operation for route in ROUTES)


@dataclass(frozen=True, slots=True)
class Match:
    """Where a request leads.

    Attributes:
        route: the operation, or ``None`` if there is none at this path or with this method.
        raw_id: the id in the path, decoded; empty if there is none.
        allowed: the methods that the path knows; none if the path is unknown.

    """

    route: Route | None = None
    raw_id: str = ""
    allowed: tuple[str, ...] = ()

    def require(self) -> Route:
        """Give the operation.

        Raises:
            ServiceError: status 404 or 405; there is none.

        """
        if self.route is not None:
            return self.route
        raise problems.no_operation(self.allowed)


def find(method: str, path: str) -> Match:
    """Find the operation for a method and a path as it is on the request line."""
    for route in ROUTES:
        if match := route.path.fullmatch(path):
            raw_id = unquote(match[1]) if match.re.groups else ""
            return Match(route if route.method == method else None, raw_id, (route.method,))
    return Match()
