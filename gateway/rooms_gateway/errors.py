"""Everything that can go wrong with a call, as one tree.

    GatewayError
    ├── RequestInvalid            the request breaks a rule of the contract
    ├── PageTokenInvalid          the page token is damaged or belongs to another list
    ├── CallerUnauthenticated     the gateway does not know who calls
    ├── CallerForbidden           the gateway knows, and does not allow it
    ├── GatewayOverloaded         the gateway has as much to do as it takes on
    ├── ReaderTooSlow             the caller has not taken a message of a stream for too long
    ├── ApiVersionUnsupported     the REST api-version does not know the operation or the value
    ├── RosterTooLarge            the roster asked for with a room does not fit into one message
    ├── AlreadyParticipant        people to add are in the room already
    ├── NotAParticipant           people to change are not in the room
    ├── JoinPolicyUnsupported     the REST api-version has no other policy than invitation
    ├── DeadlineExceeded          the time for the call is over
    ├── CredentialExpired         the gateway has nothing left to prove to the service who it is
    ├── ServiceRefused            the service answered with an error
    ├── ServiceUnreachable        the service gave no answer
    └── ServiceAnswerUnreadable   the service's answer is not what the REST API promises

`status` turns each into a gRPC status; nothing else decides on codes.
"""

from __future__ import annotations

from dataclasses import dataclass


class GatewayError(Exception):
    """A failure that the caller is told of. Its text is written for the caller to read."""

    def __init__(self, message: str, *violations: Violation) -> None:
        super().__init__(message)
        self.violations = violations
        """The fields of the request that are to blame, if any are."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of a request and what is wrong with it."""

    field: str
    """A path such as `participants[3].raw_id`; empty when no field is to blame."""
    description: str


class RequestInvalid(GatewayError):
    """The request breaks a rule of the contract; nothing was sent to the service."""

    def __init__(self, *violations: Violation) -> None:
        first = violations[0]
        super().__init__(
            f"{first.field}: {first.description}" if first.field else first.description,
            *violations,
        )


class PageTokenInvalid(GatewayError):
    """The page token is damaged, or belongs to another list."""


class CallerUnauthenticated(GatewayError):
    """The gateway does not know who calls."""


class CallerForbidden(GatewayError):
    """The gateway knows the caller and does not allow the call."""


class GatewayOverloaded(GatewayError):
    """The gateway has as much to do as it takes on; nothing was done."""

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds after which the caller may come again."""


class ReaderTooSlow(GatewayError):
    """The caller has not taken a message of a stream for too long."""


class ApiVersionUnsupported(GatewayError):
    """The configured REST api-version does not know the operation or the value."""


class RosterTooLarge(GatewayError):
    """The roster asked for together with a room does not fit into one message."""


class AlreadyParticipant(GatewayError):
    """People to add are in the room already; nothing was changed."""


class NotAParticipant(GatewayError):
    """People to change are not in the room; nothing was changed."""


class JoinPolicyUnsupported(GatewayError):
    """The configured REST api-version has no other join policy than invitation."""


class DeadlineExceeded(GatewayError):
    """The caller's deadline passed, or the gateway's limit for calls that bring none."""


class CredentialExpired(GatewayError):
    """The gateway's own token has expired and could not be renewed; nothing was sent."""


@dataclass(frozen=True, slots=True)
class ServiceDetail:
    """One entry of `error.details` in an error body of the REST API."""

    target: str
    """What the service blames, in its own words: `ValidUntil`, `$.participants.<id>.role`."""
    message: str


class ServiceRefused(GatewayError):
    """The service answered with an error status."""

    def __init__(
        self,
        status: int,
        *,
        code: str = "",
        message: str = "",
        details: tuple[ServiceDetail, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message or f"the service answered with HTTP status {status}")
        self.status = status
        """The HTTP status, 300 to 599."""
        self.code = code
        """`error.code` of the body; empty when there is none."""
        self.details = details
        self.retry_after = retry_after
        """Seconds that the service asks to wait; None when it does not say."""


class ServiceUnreachable(GatewayError):
    """The service gave no answer: no connection, or it broke off, or took too long."""


class ServiceAnswerUnreadable(GatewayError):
    """The service's answer is not what the REST API promises."""
