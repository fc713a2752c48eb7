"""The one table from our errors to `google.rpc.Status`, and the limits on what that carries.

A status travels in HTTP/2 trailers, which clients refuse when they grow past 8 KiB: the caller
would then see RESOURCE_EXHAUSTED in place of the truth. So every part has a bound, and the whole
stays under MAX_BYTES whatever comes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, NamedTuple

from acs.rooms.legacy.v1 import legacy_rooms_pb2
from acs.rooms.v1 import rooms_pb2
from acs.rooms.v1.errors_pb2 import ErrorReason
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import (
    BadRequest,
    ErrorInfo,
    RequestInfo,
    ResourceInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from rooms_gateway.call import Call
from rooms_gateway.errors import (
    AlreadyParticipantError,
    CredentialExpiredError,
    DeadlineExceededError,
    GatewayError,
    InvalidPageTokenError,
    InvalidRequestError,
    InvalidUpstreamResponseError,
    NotParticipantError,
    OverloadedError,
    PermissionDeniedError,
    RosterTooLargeError,
    StreamStalledError,
    UnauthenticatedError,
    UnsupportedApiVersionError,
    UnsupportedJoinPolicyError,
    UpstreamRejectedError,
    UpstreamUnavailableError,
    Violation,
)
from rooms_gateway.services.convert.error_targets import FieldLocator

DOMAIN: Final = "rooms-gateway"
MAX_BYTES: Final = 4096
MAX_VIOLATIONS: Final = 20

_MAX_MESSAGE = 512
_MAX_SERVICE_TEXT = 65_536
_MAX_PART = 128
_MAX_DESCRIPTION = 256
_VIOLATIONS_BYTES = 2048
_DEFAULT_RETRY_DELAY = 1.0
_MAX_RETRY_DELAY = 315_576_000_000.0  # what a Duration can hold

_R = ErrorReason
_Verdict = tuple[StatusCode, ErrorReason.ValueType]

BY_ERROR: Final[dict[type[GatewayError], _Verdict]] = {
    InvalidRequestError: (StatusCode.INVALID_ARGUMENT, _R.ERROR_REASON_REQUEST_INVALID),
    InvalidPageTokenError: (StatusCode.INVALID_ARGUMENT, _R.ERROR_REASON_PAGE_TOKEN_INVALID),
    UnauthenticatedError: (StatusCode.UNAUTHENTICATED, _R.ERROR_REASON_CALLER_UNAUTHENTICATED),
    PermissionDeniedError: (StatusCode.PERMISSION_DENIED, _R.ERROR_REASON_CALLER_FORBIDDEN),
    OverloadedError: (StatusCode.RESOURCE_EXHAUSTED, _R.ERROR_REASON_GATEWAY_OVERLOADED),
    # ABORTED says to go on at a higher level, here from the last page token. DEADLINE_EXCEEDED
    # would say that the call took too long, RESOURCE_EXHAUSTED that there is too much of it.
    StreamStalledError: (StatusCode.ABORTED, _R.ERROR_REASON_READER_TOO_SLOW),
    UnsupportedApiVersionError: (StatusCode.UNIMPLEMENTED, _R.ERROR_REASON_API_VERSION_UNSUPPORTED),
    RosterTooLargeError: (StatusCode.FAILED_PRECONDITION, _R.ERROR_REASON_ROSTER_TOO_LARGE),
    AlreadyParticipantError: (StatusCode.ALREADY_EXISTS, _R.ERROR_REASON_ALREADY_PARTICIPANT),
    NotParticipantError: (StatusCode.NOT_FOUND, _R.ERROR_REASON_NOT_A_PARTICIPANT),
    UnsupportedJoinPolicyError: (
        StatusCode.FAILED_PRECONDITION,
        _R.ERROR_REASON_JOIN_POLICY_UNSUPPORTED,
    ),
    DeadlineExceededError: (StatusCode.DEADLINE_EXCEEDED, _R.ERROR_REASON_DEADLINE_EXCEEDED),
    # As a 401 of the service, below: it would be one, had the request been sent.
    CredentialExpiredError: (StatusCode.UNAVAILABLE, _R.ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED),
    UpstreamUnavailableError: (StatusCode.UNAVAILABLE, _R.ERROR_REASON_SERVICE_UNAVAILABLE),
    InvalidUpstreamResponseError: (StatusCode.INTERNAL, _R.ERROR_REASON_SERVICE_ANSWER_UNREADABLE),
}

_UNAVAILABLE: Final = (StatusCode.UNAVAILABLE, _R.ERROR_REASON_SERVICE_UNAVAILABLE)

BY_HTTP_STATUS: Final[dict[int, _Verdict]] = {
    # UNAVAILABLE, not UNAUTHENTICATED: the caller has nothing to present, must not throw its own
    # credentials away, and another replica, or this one after a rotation, may well be accepted.
    401: (StatusCode.UNAVAILABLE, _R.ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED),
    403: (StatusCode.PERMISSION_DENIED, _R.ERROR_REASON_SERVICE_FORBADE),
    404: (StatusCode.NOT_FOUND, _R.ERROR_REASON_ROOM_NOT_FOUND),
    408: _UNAVAILABLE,
    409: (StatusCode.ABORTED, _R.ERROR_REASON_CONFLICT),
    412: (StatusCode.FAILED_PRECONDITION, _R.ERROR_REASON_PRECONDITION_FAILED),
    429: (StatusCode.RESOURCE_EXHAUSTED, _R.ERROR_REASON_THROTTLED),
    502: _UNAVAILABLE,
    503: _UNAVAILABLE,
    504: _UNAVAILABLE,
}

_CREATES: Final = (rooms_pb2.CreateRoomRequest, legacy_rooms_pb2.CreateRoomRequest)

_OTHER_4XX: Final = (StatusCode.INVALID_ARGUMENT, _R.ERROR_REASON_SERVICE_REJECTED_REQUEST)
_OTHER_5XX: Final = (StatusCode.INTERNAL, _R.ERROR_REASON_SERVICE_FAILED)
_UNREADABLE: Final = BY_ERROR[InvalidUpstreamResponseError]
BUG: Final = "GATEWAY_BUG"
_BUG: Final = (StatusCode.INTERNAL, _R.ERROR_REASON_GATEWAY_BUG)
_BUG_MESSAGE: Final = "the gateway failed; its log has the details under this request's id"

_WORTH_WAITING: Final = frozenset(
    {
        _R.ERROR_REASON_THROTTLED,
        _R.ERROR_REASON_SERVICE_UNAVAILABLE,
        _R.ERROR_REASON_GATEWAY_OVERLOADED,
    }
)


class RpcStatus(NamedTuple):
    """How a failed call ends."""

    code: StatusCode
    reason: str
    """As ErrorInfo carries it: a name of ErrorReason without its prefix."""
    status: Status
    pushback: int | None = None
    """What a client with a retry policy has to do: milliseconds to wait before it repeats the call,
    -1 not to repeat it; None leaves it to the policy (gRFC A6)."""


def to_status(error: BaseException, call: Call, request: Message, api_version: str) -> RpcStatus:
    """Return the code, the reason and the full status that tell the caller of `error`.

    What is no GatewayError is a bug of ours, and nothing of it is told.
    """
    code, reason = _verdict(error, request)
    message, violations, count = _told(error, request)
    info = _error_info(error, reason, call, api_version)
    details: list[Message] = [
        info,
        RequestInfo(
            request_id=_clip(call.request_id, _MAX_PART),
            serving_data=_clip(call.upstream_request_id, _MAX_PART),
        ),
    ]
    shown = _bounded(violations)
    if shown:
        details.append(BadRequest(field_violations=shown))
    if count > len(shown):
        info.metadata["omittedViolations"] = str(count - len(shown))
    if reason in _WORTH_WAITING:
        details.append(RetryInfo(retry_delay=_retry_delay(error)))
    if reason == _R.ERROR_REASON_ROOM_NOT_FOUND:
        details.append(
            ResourceInfo(
                resource_type="acs.rooms.v1.Room",
                resource_name=_clip(getattr(request, "room_id", ""), _MAX_PART),
                description="There is no such room, or no longer.",
            )
        )
    status = Status(code=code.value[0], message=_clip(message, _MAX_MESSAGE))
    for detail in details:
        status.details.add().Pack(detail)
    return RpcStatus(code, reason_text(reason), status, _pushback(error, reason))


def reason_text(reason: ErrorReason.ValueType) -> str:
    """Return the reason as ErrorInfo carries it: without the prefix of the enum."""
    return ErrorReason.Name(reason).removeprefix("ERROR_REASON_")


def _verdict(error: BaseException, request: Message) -> _Verdict:
    if not isinstance(error, UpstreamRejectedError):
        return BY_ERROR.get(type(error), _BUG) if isinstance(error, GatewayError) else _BUG
    status = error.status
    if status == HTTPStatus.CONFLICT and isinstance(request, _CREATES):
        return StatusCode.ALREADY_EXISTS, _R.ERROR_REASON_CONFLICT
    if status == HTTPStatus.NOT_FOUND and not hasattr(request, "room_id"):
        return _UNREADABLE
    if status in BY_HTTP_STATUS:
        return BY_HTTP_STATUS[status]
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return _OTHER_4XX
    return _OTHER_5XX if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _UNREADABLE


def _error_info(
    error: BaseException, reason: ErrorReason.ValueType, call: Call, api_version: str
) -> ErrorInfo:
    metadata = {"apiVersion": api_version, "attempts": str(call.attempts)}
    if isinstance(error, UpstreamRejectedError):
        metadata["httpStatus"] = str(error.status)
        if error.code:
            metadata["serviceErrorCode"] = _clip(error.code, _MAX_PART)
    return ErrorInfo(reason=reason_text(reason), domain=DOMAIN, metadata=metadata)


def _told(error: BaseException, request: Message) -> tuple[str, Sequence[Violation], int]:
    """Return the message, the violations to choose from, and how many there are in all."""
    if not isinstance(error, GatewayError):
        return _BUG_MESSAGE, (), 0
    if isinstance(error, InvalidPageTokenError):
        return str(error), (Violation("page_token", str(error)),), 1
    if not isinstance(error, UpstreamRejectedError):
        return str(error), error.violations, len(error.violations)
    blame = FieldLocator(request)
    # Cut only after people are taken out, lest half an identifier be left at the end.
    message, named = blame.redact(str(error)[:_MAX_SERVICE_TEXT])
    if error.status != HTTPStatus.BAD_REQUEST:
        return message, (), 0
    if not error.details:
        return message, [Violation(field, message) for field in named], len(named)
    violations = [
        Violation(
            blame.field_of(detail.target),
            blame.redact(detail.message[:_MAX_SERVICE_TEXT])[0],
        )
        for detail in error.details[:MAX_VIOLATIONS]
    ]
    return message, violations, len(error.details)


def _bounded(violations: Sequence[Violation]) -> list[BadRequest.FieldViolation]:
    """Return the first violations, as many as fit."""
    shown: list[BadRequest.FieldViolation] = []
    left = _VIOLATIONS_BYTES
    for violation in violations[:MAX_VIOLATIONS]:
        item = BadRequest.FieldViolation(
            field=_clip(violation.field, _MAX_PART),
            description=_clip(violation.description, _MAX_DESCRIPTION),
        )
        left -= item.ByteSize()
        if left < 0:
            break
        shown.append(item)
    return shown


def _pushback(error: BaseException, reason: ErrorReason.ValueType) -> int | None:
    if isinstance(error, OverloadedError):
        return round(1000 * error.retry_after)
    # The gateway has repeated it as often as was worth it: a client that went on by itself would
    # only add to what the service has too much of, or wait until its deadline and never hear why.
    return -1 if reason == _R.ERROR_REASON_THROTTLED else None


def _retry_delay(error: BaseException) -> Duration:
    asked = (
        error.retry_after if isinstance(error, (UpstreamRejectedError, OverloadedError)) else None
    )
    seconds = _DEFAULT_RETRY_DELAY if asked is None else min(asked, _MAX_RETRY_DELAY)
    delay = Duration()
    delay.FromMilliseconds(round(1000 * seconds))
    return delay


def _clip(text: str, size: int) -> str:
    """Cut `text` to `size` bytes of UTF-8 and blank what does not print: it came from outside."""
    printable = "".join(char if char.isprintable() else " " for char in text[:size])
    return printable.encode(errors="replace")[:size].decode(errors="ignore")
