"""Everything that can go wrong with a call, as one tree.

    GatewayError
    ├── InvalidRequestError          the request breaks a rule of the contract
    ├── InvalidPageTokenError        the page token is damaged or belongs to another list
    ├── UnauthenticatedError         the gateway does not know who calls
    ├── PermissionDeniedError        the gateway knows, and does not allow it
    ├── OverloadedError              the gateway has as much to do as it takes on
    ├── StreamStalledError           the client has left a message of a stream unread for too long
    ├── UnsupportedApiVersionError   the REST api-version does not know the operation or the value
    ├── RosterTooLargeError          the roster of a room does not fit into one message
    ├── AlreadyParticipantError      people to add are in the room already
    ├── NotParticipantError          people to change are not in the room
    ├── UnsupportedJoinPolicyError   the REST api-version has no other policy than invitation
    ├── DeadlineExceededError        the time for the call is over
    ├── CredentialExpiredError       the credential for the service has expired
    ├── UpstreamRejectedError        the service answered with an error
    ├── UpstreamUnavailableError     the service gave no answer
    └── InvalidUpstreamResponseError the service's answer is not what the REST API promises

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


class InvalidRequestError(GatewayError):
    """The request breaks a rule of the contract; nothing was sent to the service."""

    def __init__(self, *violations: Violation) -> None:
        first = violations[0]
        super().__init__(
            f"{first.field}: {first.description}" if first.field else first.description,
            *violations,
        )


class InvalidPageTokenError(GatewayError):
    """The page token is damaged, or belongs to another list."""


class UnauthenticatedError(GatewayError):
    """The gateway does not know who calls."""


class PermissionDeniedError(GatewayError):
    """The gateway knows the caller and does not allow the call."""


class OverloadedError(GatewayError):
    """The gateway has as much to do as it takes on; nothing was done."""

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds after which the caller may come again."""


class StreamStalledError(GatewayError):
    """The caller has not taken a message of a stream for too long."""


class UnsupportedApiVersionError(GatewayError):
    """The configured REST api-version does not know the operation or the value."""


class RosterTooLargeError(GatewayError):
    """The roster asked for together with a room does not fit into one message."""


class AlreadyParticipantError(GatewayError):
    """People to add are in the room already; nothing was changed."""


class NotParticipantError(GatewayError):
    """People to change are not in the room; nothing was changed."""


class UnsupportedJoinPolicyError(GatewayError):
    """The configured REST api-version has no other join policy than invitation."""


class DeadlineExceededError(GatewayError):
    """The caller's deadline passed, or the gateway's limit for calls that bring none."""


class CredentialExpiredError(GatewayError):
    """The gateway's own token has expired and could not be renewed; nothing was sent."""


@dataclass(frozen=True, slots=True)
class UpstreamErrorDetail:
    """One entry of `error.details` in an error body of the REST API."""

    target: str
    """What the service blames, in its own words: `ValidUntil`, `$.participants.<id>.role`."""
    message: str


class UpstreamRejectedError(GatewayError):
    """The service answered with an error status."""

    def __init__(
        self,
        status: int,
        *,
        code: str = "",
        message: str = "",
        details: tuple[UpstreamErrorDetail, ...] = (),
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


class UpstreamUnavailableError(GatewayError):
    """The service gave no answer: no connection, or it broke off, or took too long."""


class InvalidUpstreamResponseError(GatewayError):
    """The service's answer is not what the REST API promises."""
