"""The `google.rpc.Status` of a failed call, and its size limits.

A status is sent in HTTP/2 trailers, which clients reject beyond 8 KiB: the caller would get
RESOURCE_EXHAUSTED instead. So each part has a limit, and the whole never exceeds MAX_BYTES.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

from acs.rooms.v1.error_reason_pb2 import ErrorReason
from acs.rooms.v1.item_error_pb2 import ItemError
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from rooms_gateway import errors
from rooms_gateway.call import Call
from rooms_gateway.errors import GatewayError, UpstreamRejectedError, Violation
from rooms_gateway.server.calls.outcomes import outcome_of
from rooms_gateway.services.convert.error_targets import FieldLocator
from rooms_gateway.upstream import error_response

DOMAIN = "rooms-gateway.github.io"
MAX_BYTES = 4096
MAX_VIOLATIONS = 20

_MAX_MESSAGE = 512
_MAX_PART = 128
_MAX_DESCRIPTION = 256
_MAX_VIOLATIONS_BYTES = 2048
_DEFAULT_RETRY_DELAY = 1.0
_MAX_RETRY_DELAY = 315_576_000_000.0
"""In seconds: the maximum of a Duration."""

_R = ErrorReason
_Explanation = tuple[str, Sequence[Violation], int]
"""Message, at least the first MAX_VIOLATIONS violations, and their number in all."""

_RETRYABLE = frozenset(
    {
        _R.ERROR_REASON_THROTTLED,
        _R.ERROR_REASON_UPSTREAM_UNAVAILABLE,
        _R.ERROR_REASON_GATEWAY_OVERLOADED,
        _R.ERROR_REASON_AUDIT_LOG_UNAVAILABLE,
        _R.ERROR_REASON_GATEWAY_SHUTTING_DOWN,
    }
)
"""Reasons that come with RetryInfo."""

_MISSING: dict[ErrorReason.ValueType, tuple[str, str]] = {
    _R.ERROR_REASON_ROOM_NOT_FOUND: (
        "acs.rooms.v1.Room",
        "The room does not exist, or no longer.",
    ),
    _R.ERROR_REASON_USER_NOT_FOUND: (
        "acs.identity.v1.User",
        "The user does not exist, or no longer.",
    ),
    _R.ERROR_REASON_USER_OF_ANOTHER_RESOURCE: (
        "acs.identity.v1.User",
        "The user belongs to another Communication Services resource.",
    ),
}
"""Reasons that come with ResourceInfo: the type of the resource, and a description."""


class RpcStatus(NamedTuple):
    """The status of a failed call."""

    code: StatusCode
    reason: str
    """Reason of ErrorInfo: a name of ErrorReason."""
    status: Status
    pushback: int | None = None
    """Milliseconds that a client's retry policy must wait; -1: no retry; None: by the policy (gRFC
    A6)."""


def to_status(error: BaseException, call: Call, request: Message, api_version: str) -> RpcStatus:
    """Return the status for `error`.

    An error that is no GatewayError is a defect, of which the caller gets only a fixed text.
    """
    code, reason = outcome_of(error, request)
    message, violations, count = _explain(error, FieldLocator(request))
    fitting = _field_violations(violations)
    info = _error_info(error, reason, call, api_version)
    if count > len(fitting):
        info.metadata["omittedViolations"] = str(count - len(fitting))
    details: list[Message] = [
        info,
        RequestInfo(
            request_id=_clip(call.request_id, _MAX_PART),
            serving_data=_clip(call.upstream_request_id, _MAX_PART),
        ),
    ]
    if fitting:
        details.append(BadRequest(field_violations=fitting))
    if reason in _RETRYABLE:
        details.append(RetryInfo(retry_delay=_retry_delay(error)))
    if reason in _MISSING:
        details.append(_missing_resource(reason, request))
    status = Status(code=code.value[0], message=_clip(message, _MAX_MESSAGE))
    for detail in details:
        status.details.add().Pack(detail)
    return RpcStatus(code, ErrorReason.Name(reason), status, _pushback(error, reason, call))


def to_item_error(error: Exception, locator: FieldLocator) -> ItemError:
    """Return the error of one item of a call; the locator is that of the request.

    An error that is no GatewayError is a defect, of which the caller gets only a fixed text.
    """
    code, reason = outcome_of(error, locator.request)
    message, violations, _ = _explain(error, locator)
    field = violations[0].field if violations else ""
    if field not in message:
        message = f"{field}: {message}"
    item = ItemError(code=code.value[0], reason=reason, message=_clip(message, _MAX_MESSAGE))
    if reason in _RETRYABLE:
        item.retry_delay.CopyFrom(_retry_delay(error))
    return item


def _explain(error: BaseException, locator: FieldLocator) -> _Explanation:
    if not isinstance(error, GatewayError):
        return "the gateway failed; its log has the details under this request's id", (), 0
    if isinstance(error, UpstreamRejectedError):
        return _explain_rejection(error, locator)
    if isinstance(error, errors.InvalidPageTokenError):
        return str(error), (Violation("page_token", str(error)),), 1
    return str(error), error.violations, len(error.violations)


def _explain_rejection(error: UpstreamRejectedError, locator: FieldLocator) -> _Explanation:
    """Replace users and tokens in the upstream's texts, and name fields as the request does."""
    # Clipped only after that: half an identifier would not be found.
    message, fields = locator.redact(str(error))
    if error.code == error_response.INVALID_TEAMS_TOKEN:
        return message, [Violation("teams_token", message)], 1
    if error.status != HTTPStatus.BAD_REQUEST:
        return message, (), 0
    if not error.details:
        return message, [Violation(field, message) for field in fields], len(fields)
    violations = [
        Violation(
            locator.field_of(detail.target),
            locator.redact(detail.message)[0],
        )
        for detail in error.details[:MAX_VIOLATIONS]
    ]
    return message, violations, len(error.details)


def _error_info(
    error: BaseException, reason: ErrorReason.ValueType, call: Call, api_version: str
) -> ErrorInfo:
    metadata = {"apiVersion": api_version, "attempts": str(call.attempts)}
    if call.resource:
        metadata["resource"] = call.resource
    if isinstance(error, UpstreamRejectedError | errors.UnattributedResponseError):
        metadata["httpStatus"] = str(error.status)
    if isinstance(error, UpstreamRejectedError) and error.code:
        metadata["upstreamErrorCode"] = _clip(error.code, _MAX_PART)
    return ErrorInfo(reason=ErrorReason.Name(reason), domain=DOMAIN, metadata=metadata)


def _missing_resource(reason: ErrorReason.ValueType, request: Message) -> ResourceInfo:
    resource_type, description = _MISSING[reason]
    # Without the id of a user, which is personal data.
    name = getattr(request, "room_id", "") if reason == _R.ERROR_REASON_ROOM_NOT_FOUND else ""
    return ResourceInfo(
        resource_type=resource_type, resource_name=_clip(name, _MAX_PART), description=description
    )


def _field_violations(violations: Sequence[Violation]) -> list[BadRequest.FieldViolation]:
    """Return as many of the first violations as fit."""
    fitting: list[BadRequest.FieldViolation] = []
    available = _MAX_VIOLATIONS_BYTES
    for violation in violations[:MAX_VIOLATIONS]:
        item = BadRequest.FieldViolation(
            field=_clip(violation.field, _MAX_PART),
            description=_clip(violation.description, _MAX_DESCRIPTION),
        )
        available -= item.ByteSize()
        if available < 0:
            break
        fitting.append(item)
    return fitting


def _pushback(error: BaseException, reason: ErrorReason.ValueType, call: Call) -> int | None:
    if isinstance(error, errors.OverloadedError):
        return round(1000 * error.retry_after)
    if reason != _R.ERROR_REASON_THROTTLED:
        return None
    wait: float | None = getattr(error, "retry_after", None)
    # After a wait beyond its deadline, the client would report DEADLINE_EXCEEDED, and later.
    return -1 if wait is None or wait >= call.remaining() else math.ceil(1000 * wait)


def _retry_delay(error: BaseException) -> Duration:
    requested: float | None = getattr(error, "retry_after", None)
    seconds = _DEFAULT_RETRY_DELAY if requested is None else min(requested, _MAX_RETRY_DELAY)
    delay = Duration()
    delay.FromMilliseconds(round(1000 * seconds))
    return delay


def _clip(text: str, size: int) -> str:
    """Cut `text` to `size` bytes of UTF-8, and replace unprintable characters of foreign input."""
    printable = "".join(char if char.isprintable() else " " for char in text[:size])
    return printable.encode(errors="replace")[:size].decode(errors="ignore")
