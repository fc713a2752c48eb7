"""Failed calls: the status details, and how they are printed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

import click
import grpc
from acs.rooms.v1 import error_reason_pb2
from acs.rooms.v1.item_error_pb2 import ItemError
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from rooms_gateway.cli.client.text import aligned, enum_name

_CORRECT = "Correct the request."
_LATER = "Repeat the command later."
_READ_FIRST = "Read the current state before you repeat the command."
_REPORT = "Report the request id to the operator of the gateway."
_UPSERT = "Use `rooms-gateway participants upsert`: it adds and changes participants."

# Keys: values of acs.rooms.v1.ErrorReason without their prefix, as in ErrorInfo.
NEXT_BY_REASON: Mapping[str, str] = MappingProxyType(
    {
        "ERROR_REASON_REQUEST_INVALID": _CORRECT,
        "ERROR_REASON_PAGE_TOKEN_INVALID": "Start the list again without --page-token.",
        "ERROR_REASON_UPSTREAM_REJECTED_REQUEST": _CORRECT,
        "ERROR_REASON_CALLER_UNAUTHENTICATED": "Pass --token-file, or --tls-cert and --tls-key.",
        "ERROR_REASON_CALLER_PERMISSION_DENIED": (
            "Ask the operator of the gateway for the permission."
        ),
        "ERROR_REASON_RESOURCE_UNKNOWN": "Pass --resource with a name that the gateway has.",
        "ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED": (
            "The operator of the gateway must check its credential and its clock."
        ),
        "ERROR_REASON_UPSTREAM_PERMISSION_DENIED": (
            "The operator of the gateway must check the permissions of its credential."
        ),
        "ERROR_REASON_ROOM_NOT_FOUND": (
            "Check the room id: `rooms-gateway rooms list` lists all rooms."
        ),
        "ERROR_REASON_CONFLICT": _READ_FIRST,
        "ERROR_REASON_PRECONDITION_FAILED": _READ_FIRST,
        "ERROR_REASON_THROTTLED": "Repeat the command after that time.",
        "ERROR_REASON_UPSTREAM_UNAVAILABLE": _LATER,
        "ERROR_REASON_UPSTREAM_FAILED": _LATER,
        "ERROR_REASON_DEADLINE_EXCEEDED": (
            "Pass a longer --timeout. A change may have been made: read the current state before"
            " you repeat it."
        ),
        "ERROR_REASON_API_VERSION_UNSUPPORTED": (
            "Omit the unsupported value, or run the gateway with a newer api-version."
        ),
        "ERROR_REASON_UPSTREAM_RESPONSE_INVALID": _REPORT,
        "ERROR_REASON_GATEWAY_OVERLOADED": _LATER,
        "ERROR_REASON_GATEWAY_INTERNAL": _REPORT,
        "ERROR_REASON_STREAM_STALLED": (
            "Resume with the last page token, or repeat the bulk command, and read faster."
        ),
        "ERROR_REASON_GATEWAY_SHUTTING_DOWN": (
            "Repeat the command: the items that have a result are skipped."
        ),
        "ERROR_REASON_ROSTER_TOO_LARGE": "Read it with `rooms-gateway participants list`.",
        "ERROR_REASON_ALREADY_PARTICIPANT": _UPSERT,
        "ERROR_REASON_NOT_A_PARTICIPANT": _UPSERT,
        "ERROR_REASON_UPSTREAM_MISCONFIGURED": (
            "The operator of the gateway must correct its connection to the Rooms service."
        ),
        "ERROR_REASON_JOIN_POLICY_UNSUPPORTED": "Add every participant to the roster.",
        "ERROR_REASON_USER_NOT_FOUND": "Create another user: `rooms-gateway users create`.",
        "ERROR_REASON_USER_OF_ANOTHER_RESOURCE": (
            "Call a gateway of that resource, or create a user in this one:"
            " `rooms-gateway users create`."
        ),
        "ERROR_REASON_TEAMS_TOKEN_INVALID": "Get a new Entra access token for the user.",
        "ERROR_REASON_TRANSPORT_INSECURE": (
            "Pass --tls-ca and the address of a TLS listener, or run the command on the host of the"
            " gateway."
        ),
        "ERROR_REASON_ROSTER_FULL": (
            "Remove participants with `rooms-gateway participants remove`, or create another room."
        ),
        "ERROR_REASON_ROSTER_CHANGED": (
            "Read the roster and its fingerprint again:"
            " `rooms-gateway participants sync --dry-run`."
        ),
        "ERROR_REASON_TOO_MANY_REMOVALS": (
            "Check whether the list is complete; if so, pass a higher --max-removals."
        ),
        "ERROR_REASON_ROOM_LIFETIME_TOO_LONG": "Choose an earlier end of the window.",
        "ERROR_REASON_AUDIT_LOG_UNAVAILABLE": (
            "Repeat the command later; if it persists, report it to the operator of the gateway."
        ),
    }
)

# A failure without a reason comes from gRPC itself, not from a handler of the gateway.
_NEXT_BY_CODE = {
    grpc.StatusCode.UNAVAILABLE: (
        "Is a gateway running on {address}? `rooms-gateway serve --emulator` starts one. "
        "If it serves TLS, pass --tls-ca."
    ),
    grpc.StatusCode.DEADLINE_EXCEEDED: (
        "Is the server on {address} a gateway? If so, pass a longer --timeout."
    ),
    grpc.StatusCode.UNIMPLEMENTED: "Is the server on {address} a gateway of this version?",
}

_CODES = {code.value[0]: code for code in grpc.StatusCode}

# The Rooms service rejects malformed ids without a field or a description of their form.
_FORMS = (
    (
        re.compile("room[ _]id", re.IGNORECASE),
        "A room id is a number of 15 to 20 digits, such as 99498709010945484.",
    ),
    (
        re.compile("raw_id|identifier", re.IGNORECASE),
        "The raw id of a participant has the form 8:acs:<resource>_<user>.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailure:
    """The status of a failed call; details that it lacks are empty or None.

    `field_violations` are pairs of field and description, `resource` is a type and a name,
    `retry_after` is in seconds.
    """

    code: grpc.StatusCode
    message: str
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    field_violations: Sequence[tuple[str, str]] = ()
    resource: tuple[str, str] | None = None
    request_id: str = ""
    service_request_id: str = ""
    retry_after: float | None = None

    @property
    def exit_code(self) -> int:
        """Exit code of the process: 64 plus the gRPC code, as in grpcurl."""
        number: int = self.code.value[0]
        return 64 + number

    def next_step(self, address: str) -> str:
        """Return a hint for the user that called `address`; empty if there is none."""
        if self.reason:
            hint = NEXT_BY_REASON.get(self.reason, "")
            return self._with_forms(hint) if hint is _CORRECT else hint
        return _NEXT_BY_CODE.get(self.code, "").format(address=address)

    def _with_forms(self, hint: str) -> str:
        rejected = " ".join([self.message, *(name for name, _ in self.field_violations)])
        return " ".join([hint, *(form for subject, form in _FORMS if subject.search(rejected))])

    def as_text(self, address: str) -> str:
        """Return the failure as aligned lines."""
        title = click.style(f"Error: {self.code.name}", fg="red", bold=True)
        return "\n".join([title, *(f"  {line}" for line in aligned(list(self._lines(address))))])

    def item_lines(self) -> Iterator[tuple[str, str]]:
        """Yield names and values for the failure of one item of a call."""
        yield "error", self.code.name
        yield from self._lines("")

    def _lines(self, address: str) -> Iterator[tuple[str, str]]:
        if self.reason:
            yield "reason", self.reason
        yield "message", self.message
        for path, description in self.field_violations:
            yield ("field", f"{path}: {description}") if path else ("request", description)
        if self.resource:
            yield "resource", " ".join(self.resource)
        if self.metadata:
            yield "metadata", " ".join(f"{k}={v}" for k, v in sorted(self.metadata.items()))
        if self.request_id:
            yield "request id", self.request_id
        if self.service_request_id:
            yield "service request id", self.service_request_id
        if self.retry_after is not None:
            yield "retry after", f"{self.retry_after:g} s"
        if next_step := self.next_step(address):
            yield "next", next_step

    def as_json(self, address: str) -> str:
        """Return the failure as a JSON object on one line, without the empty members."""
        resource_type, resource_name = self.resource or ("", "")
        fields = {
            "code": self.code.name,
            "reason": self.reason,
            "message": self.message,
            "fieldViolations": [
                {"field": path, "description": description}
                for path, description in self.field_violations
            ],
            "resourceType": resource_type,
            "resourceName": resource_name,
            "metadata": dict(sorted(self.metadata.items())),
            "requestId": self.request_id,
            "serviceRequestId": self.service_request_id,
            "retryAfterSeconds": self.retry_after,
            "next": self.next_step(address),
        }
        known = {name: value for name, value in fields.items() if value not in ("", None, [], {})}
        return json.dumps(known)


def read_failure(error: grpc.RpcError) -> CallFailure:
    """Read the `google.rpc.Status` in the trailers of `error`; malformed details are ignored."""
    code, message = error.code(), error.details() or ""
    try:
        return _from_status(code, message, _status(error))
    except DecodeError:
        return CallFailure(code=code, message=message)


def read_item_error(error: ItemError) -> CallFailure:
    """Read the error of one item of a call."""
    retries = error.HasField("retry_delay")
    return CallFailure(
        code=_CODES.get(error.code, grpc.StatusCode.UNKNOWN),
        message=error.message,
        reason=f"ERROR_REASON_{enum_name(error_reason_pb2.ErrorReason.DESCRIPTOR, error.reason)}",
        retry_after=error.retry_delay.ToTimedelta().total_seconds() if retries else None,
    )


def _status(error: grpc.RpcError) -> status_pb2.Status:
    # The type stubs lack that metadata iterates as pairs.
    metadata = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    for key, value in metadata:
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            return status_pb2.Status.FromString(value)
    return status_pb2.Status()


def _from_status(code: grpc.StatusCode, message: str, status: status_pb2.Status) -> CallFailure:
    info = error_details_pb2.ErrorInfo()
    request = error_details_pb2.RequestInfo()
    bad = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    resource = error_details_pb2.ResourceInfo()
    found = {
        known.DESCRIPTOR.full_name
        for detail in status.details
        for known in (info, request, bad, retry, resource)
        if detail.Unpack(known)
    }
    return CallFailure(
        code=code,
        message=message,
        reason=info.reason,
        metadata=dict(info.metadata),
        field_violations=[(each.field, each.description) for each in bad.field_violations],
        resource=(resource.resource_type, resource.resource_name)
        if resource.DESCRIPTOR.full_name in found
        else None,
        request_id=request.request_id,
        service_request_id=request.serving_data,
        retry_after=retry.retry_delay.ToTimedelta().total_seconds()
        if retry.DESCRIPTOR.full_name in found
        else None,
    )
