"""The errors of calls, as one tree.

    GatewayError
    ├── InvalidRequestError          the request breaks a rule of the contract
    ├── InvalidPageTokenError        the page token is damaged or belongs to another list
    ├── ResourceUnknownError         no resource has the name, or the call names none of several
    ├── UnauthenticatedError         the caller is not authenticated
    ├── PermissionDeniedError        the caller may not make the call
    ├── OverloadedError              a concurrency limit and its queue are exhausted
    ├── ThrottledError               the pacer cannot send the request in time
    ├── StreamStalledError           the client of a stream reads nothing, or sends nothing
    ├── ShuttingDownError            the gateway shuts down, and reads no further items of a stream
    ├── UnsupportedApiVersionError   the REST api-version lacks the operation or the value
    ├── RosterTooLargeError          the roster of a room does not fit into one message
    ├── AlreadyParticipantError      participants to add are in the room already
    ├── NotParticipantError          participants to change are not in the room
    ├── UnsupportedJoinPolicyError   the REST api-version has only the join policy "invitation"
    ├── InsecureTransportError       an access token would be returned in plaintext to another host
    ├── RosterFullError              a room would have too many participants
    ├── RosterChangedError           a roster is not the one that the caller has seen
    ├── TooManyRemovalsError         a sync would remove more participants than permitted
    ├── RoomLifetimeTooLongError     the window of a room would exceed the bound of this gateway
    ├── AuditLogUnavailableError     no change is permitted, because it could not be audited
    ├── DeadlineExceededError        the deadline of the call has passed
    ├── CredentialExpiredError       the gateway's token for the upstream has expired
    ├── UpstreamRejectedError        the upstream responded with an error status
    ├── UpstreamUnavailableError     the upstream sent no response
    ├── UpstreamMisconfiguredError   no response is possible until a configuration changes
    ├── InvalidUpstreamResponseError the upstream's response does not conform to the REST API
    └── UnattributedResponseError    an error response that the service has not sent

`server.calls.status` turns each into a gRPC status; nothing else chooses status codes.
"""

from __future__ import annotations

from dataclasses import dataclass


class GatewayError(Exception):
    """An error that the caller receives. Its text is written for the caller."""

    def __init__(self, message: str, *violations: Violation) -> None:
        super().__init__(message)
        self.violations = violations
        """The invalid fields of the request, if any."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of a request that breaks a rule."""

    field: str
    """A path such as `participants[3].raw_id`; empty for the request as a whole."""
    description: str


class InvalidRequestError(GatewayError):
    """The request breaks a rule of the contract; nothing was sent to the upstream."""

    def __init__(self, *violations: Violation) -> None:
        first = violations[0]
        super().__init__(
            f"{first.field}: {first.description}" if first.field else first.description,
            *violations,
        )


class InvalidPageTokenError(GatewayError):
    """The page token is damaged, or belongs to another list."""


class ResourceUnknownError(GatewayError):
    """The gateway has no resource of this name, or several and the call names none."""


class UnauthenticatedError(GatewayError):
    """The caller is not authenticated."""


class PermissionDeniedError(GatewayError):
    """The caller is authenticated, and the policy does not allow the call."""


class OverloadedError(GatewayError):
    """A concurrency limit and its queue are exhausted; nothing was sent to the upstream."""

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds after which the caller may retry."""


class ThrottledError(GatewayError):
    """The upstream throttles, and the pacer cannot send the request in time; nothing was sent."""

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds after which the request could be sent."""


class StreamStalledError(GatewayError):
    """The client of a stream left a message unread, or sent none, for too long."""


class ShuttingDownError(GatewayError):
    """The gateway shuts down; the items of the stream that have no result were not read."""


class UnsupportedApiVersionError(GatewayError):
    """The configured REST api-version lacks the operation or the value."""


class RosterTooLargeError(GatewayError):
    """The roster that was requested with a room does not fit into one message."""


class AlreadyParticipantError(GatewayError):
    """Participants to add are in the room already; nothing was changed."""


class NotParticipantError(GatewayError):
    """Participants to change are not in the room; nothing was changed."""


class UnsupportedJoinPolicyError(GatewayError):
    """The configured REST api-version has only the join policy "invitation"."""


class InsecureTransportError(GatewayError):
    """The call would return an access token over TCP without TLS to another host."""


class RosterFullError(GatewayError):
    """The room would have more participants than the Rooms service accepts; nothing was changed."""


class RosterChangedError(GatewayError):
    """The roster is not the one that the caller has seen; nothing was changed."""


class TooManyRemovalsError(GatewayError):
    """A sync would remove more participants than the request permits; nothing was changed."""


class RoomLifetimeTooLongError(GatewayError):
    """The window of the room would exceed the bound of this gateway; nothing was changed."""


class AuditLogUnavailableError(GatewayError):
    """The audit log is required and cannot be written; nothing was sent to the upstream."""


class DeadlineExceededError(GatewayError):
    """The deadline has passed: the caller's, or the default timeout's if the caller set none."""


class CredentialExpiredError(GatewayError):
    """The gateway has no valid token, and could not get one; nothing was sent."""


@dataclass(frozen=True, slots=True)
class UpstreamErrorDetail:
    """One entry of `error.details` in an error body of the REST API."""

    target: str
    """The field in the upstream's terms: `ValidUntil`, `$.participants.<id>.role`."""
    message: str


class UpstreamRejectedError(GatewayError):
    """The upstream responded with an error status."""

    def __init__(
        self,
        status: int,
        *,
        code: str = "",
        message: str = "",
        details: tuple[UpstreamErrorDetail, ...] = (),
        retry_after: float | None = None,
        after_ambiguous_attempt: bool = False,
    ) -> None:
        super().__init__(message or f"the upstream responded with HTTP status {status}")
        self.status = status
        """The HTTP status, 300 to 599."""
        self.code = code
        """`error.code` of the body; empty without one."""
        self.details = details
        self.retry_after = retry_after
        """Seconds to wait before a retry, as the upstream requests; None without a request."""
        self.after_ambiguous_attempt = after_ambiguous_attempt
        """Whether an earlier attempt of the same call may have taken effect."""


class UpstreamUnavailableError(GatewayError):
    """The upstream sent no response: the connection failed, broke off, or timed out."""


class UpstreamMisconfiguredError(GatewayError):
    """The upstream cannot be connected to until a configuration changes."""


class InvalidUpstreamResponseError(GatewayError):
    """The upstream's response does not conform to the REST API."""


class UnattributedResponseError(GatewayError):
    """An error response that the service has not sent, but a proxy or load balancer."""

    def __init__(self, status: int, service: str = "the Rooms service") -> None:
        super().__init__(
            f"a response with HTTP status {status} did not come from {service}: a proxy, "
            "load balancer or firewall before it has sent it"
        )
        self.status = status
        """The HTTP status, 400 to 499."""
