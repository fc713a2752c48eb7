"""The table from errors to gRPC codes and published reasons."""

from __future__ import annotations

from http import HTTPStatus

from acs.rooms.legacy.v1 import legacy_rooms_pb2
from acs.rooms.v1 import rooms_pb2
from acs.rooms.v1.error_reason_pb2 import ErrorReason
from google.protobuf.message import Message
from grpc import StatusCode

from rooms_gateway import errors
from rooms_gateway.errors import GatewayError, UpstreamRejectedError
from rooms_gateway.upstream import error_response

_C, _R = StatusCode, ErrorReason
Outcome = tuple[StatusCode, ErrorReason.ValueType]

BY_ERROR: dict[type[GatewayError], Outcome] = {
    errors.InvalidRequestError: (_C.INVALID_ARGUMENT, _R.ERROR_REASON_REQUEST_INVALID),
    errors.InvalidPageTokenError: (_C.INVALID_ARGUMENT, _R.ERROR_REASON_PAGE_TOKEN_INVALID),
    errors.ResourceUnknownError: (_C.INVALID_ARGUMENT, _R.ERROR_REASON_RESOURCE_UNKNOWN),
    errors.UnauthenticatedError: (_C.UNAUTHENTICATED, _R.ERROR_REASON_CALLER_UNAUTHENTICATED),
    errors.PermissionDeniedError: (_C.PERMISSION_DENIED, _R.ERROR_REASON_CALLER_PERMISSION_DENIED),
    errors.OverloadedError: (_C.RESOURCE_EXHAUSTED, _R.ERROR_REASON_GATEWAY_OVERLOADED),
    errors.ThrottledError: (_C.RESOURCE_EXHAUSTED, _R.ERROR_REASON_THROTTLED),
    # ABORTED means to retry at a higher level, here from the last page token. Neither did the call
    # take too long (DEADLINE_EXCEEDED), nor is there too much of something (RESOURCE_EXHAUSTED).
    errors.StreamStalledError: (_C.ABORTED, _R.ERROR_REASON_STREAM_STALLED),
    errors.ShuttingDownError: (_C.UNAVAILABLE, _R.ERROR_REASON_GATEWAY_SHUTTING_DOWN),
    errors.UnsupportedApiVersionError: (_C.UNIMPLEMENTED, _R.ERROR_REASON_API_VERSION_UNSUPPORTED),
    errors.RosterTooLargeError: (_C.FAILED_PRECONDITION, _R.ERROR_REASON_ROSTER_TOO_LARGE),
    errors.AlreadyParticipantError: (_C.ALREADY_EXISTS, _R.ERROR_REASON_ALREADY_PARTICIPANT),
    errors.NotParticipantError: (_C.NOT_FOUND, _R.ERROR_REASON_NOT_A_PARTICIPANT),
    errors.UnsupportedJoinPolicyError: (
        _C.FAILED_PRECONDITION,
        _R.ERROR_REASON_JOIN_POLICY_UNSUPPORTED,
    ),
    errors.InsecureTransportError: (_C.FAILED_PRECONDITION, _R.ERROR_REASON_TRANSPORT_INSECURE),
    errors.RosterFullError: (_C.FAILED_PRECONDITION, _R.ERROR_REASON_ROSTER_FULL),
    errors.RosterChangedError: (_C.FAILED_PRECONDITION, _R.ERROR_REASON_ROSTER_CHANGED),
    errors.TooManyRemovalsError: (_C.FAILED_PRECONDITION, _R.ERROR_REASON_TOO_MANY_REMOVALS),
    errors.RoomLifetimeTooLongError: (
        _C.FAILED_PRECONDITION,
        _R.ERROR_REASON_ROOM_LIFETIME_TOO_LONG,
    ),
    errors.AuditLogUnavailableError: (_C.UNAVAILABLE, _R.ERROR_REASON_AUDIT_LOG_UNAVAILABLE),
    errors.DeadlineExceededError: (_C.DEADLINE_EXCEEDED, _R.ERROR_REASON_DEADLINE_EXCEEDED),
    # As for HTTP 401, which a request with the expired credential would get.
    errors.CredentialExpiredError: (_C.UNAVAILABLE, _R.ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED),
    errors.UpstreamUnavailableError: (_C.UNAVAILABLE, _R.ERROR_REASON_UPSTREAM_UNAVAILABLE),
    # INTERNAL, as for a wrong route: UNAVAILABLE would invite retries, which cannot help, and
    # FAILED_PRECONDITION would blame the state of the caller's room.
    errors.UpstreamMisconfiguredError: (_C.INTERNAL, _R.ERROR_REASON_UPSTREAM_MISCONFIGURED),
    errors.InvalidUpstreamResponseError: (_C.INTERNAL, _R.ERROR_REASON_UPSTREAM_RESPONSE_INVALID),
    # INTERNAL, not UNAVAILABLE: a wrong route or a firewall remains until it is changed.
    errors.UnattributedResponseError: (_C.INTERNAL, _R.ERROR_REASON_UPSTREAM_RESPONSE_INVALID),
}
"""The outcome of each error but UpstreamRejectedError, which depends on the HTTP status."""

_UNAVAILABLE = BY_ERROR[errors.UpstreamUnavailableError]
_INVALID_RESPONSE = BY_ERROR[errors.InvalidUpstreamResponseError]
_DEFECT = (_C.INTERNAL, _R.ERROR_REASON_GATEWAY_INTERNAL)

BY_HTTP_STATUS: dict[int, Outcome] = {
    # UNAVAILABLE, not UNAUTHENTICATED: the rejected credential is not the caller's, and another
    # replica, or this one after a rotation, may be accepted.
    401: (_C.UNAVAILABLE, _R.ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED),
    403: (_C.PERMISSION_DENIED, _R.ERROR_REASON_UPSTREAM_PERMISSION_DENIED),
    404: (_C.NOT_FOUND, _R.ERROR_REASON_ROOM_NOT_FOUND),
    408: _UNAVAILABLE,
    409: (_C.ABORTED, _R.ERROR_REASON_CONFLICT),
    412: (_C.FAILED_PRECONDITION, _R.ERROR_REASON_PRECONDITION_FAILED),
    429: (_C.RESOURCE_EXHAUSTED, _R.ERROR_REASON_THROTTLED),
    502: _UNAVAILABLE,
    503: _UNAVAILABLE,
    504: _UNAVAILABLE,
}
"""The outcome of UpstreamRejectedError, with two exceptions in `outcome_of`."""

_USER_NOT_FOUND = (_C.NOT_FOUND, _R.ERROR_REASON_USER_NOT_FOUND)

BY_UPSTREAM_CODE: dict[str, Outcome] = {
    error_response.USER_NOT_FOUND: _USER_NOT_FOUND,
    error_response.USER_OF_ANOTHER_RESOURCE: (
        _C.NOT_FOUND,
        _R.ERROR_REASON_USER_OF_ANOTHER_RESOURCE,
    ),
    error_response.INVALID_TEAMS_TOKEN: (
        _C.INVALID_ARGUMENT,
        _R.ERROR_REASON_TEAMS_TOKEN_INVALID,
    ),
}
"""The outcome of error codes that mean the same with any HTTP status."""

_BY_HTTP_CLASS: dict[int, Outcome] = {
    4: (_C.INVALID_ARGUMENT, _R.ERROR_REASON_UPSTREAM_REJECTED_REQUEST),
    5: (_C.INTERNAL, _R.ERROR_REASON_UPSTREAM_FAILED),
}
"""The outcome of other HTTP statuses, by their first digit; others are invalid responses."""

DEFECT_REASON = ErrorReason.Name(_R.ERROR_REASON_GATEWAY_INTERNAL)


_CREATES = (rooms_pb2.CreateRoomRequest, legacy_rooms_pb2.CreateRoomRequest)


def outcome_of(error: BaseException, request: Message) -> Outcome:
    """Return the code and the reason for `error`. One that is no GatewayError is a defect."""
    if not isinstance(error, GatewayError):
        return _DEFECT
    if not isinstance(error, UpstreamRejectedError):
        return BY_ERROR.get(type(error), _DEFECT)
    if error.code in BY_UPSTREAM_CODE:
        return BY_UPSTREAM_CODE[error.code]
    status = error.status
    if status == HTTPStatus.CONFLICT and isinstance(request, _CREATES):
        return _C.ALREADY_EXISTS, _R.ERROR_REASON_CONFLICT
    if status == HTTPStatus.NOT_FOUND and not hasattr(request, "room_id"):
        return _USER_NOT_FOUND if hasattr(request, "user") else _INVALID_RESPONSE
    return BY_HTTP_STATUS.get(status) or _BY_HTTP_CLASS.get(status // 100, _INVALID_RESPONSE)


def code_and_reason(error: BaseException, request: Message) -> tuple[str, str]:
    """Return the names of the code and of the reason for `error`."""
    code, reason = outcome_of(error, request)
    return code.name, ErrorReason.Name(reason)
