"""A failed call, read from its status details and put into words."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

import click
import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from rooms_gateway.cli.client.output import aligned

_CORRECT = "Correct the request; --help shows the forms."
_LATER = "Repeat the command a little later."
_LEGACY = "Use `rooms-gateway participants upsert`, which adds and changes alike."
_LOOK = "Read the current state and decide again."
_TELL = "Tell whoever runs the gateway, with the request id."

# The reasons of acs.rooms.v1.ErrorReason, without their prefix, as ErrorInfo carries them.
NEXT_BY_REASON: Mapping[str, str] = MappingProxyType(
    {
        "REQUEST_INVALID": _CORRECT,
        "PAGE_TOKEN_INVALID": "Start the list again without --page-token.",
        "SERVICE_REJECTED_REQUEST": _CORRECT,
        "CALLER_UNAUTHENTICATED": (
            "Show a token with --token-file, or a certificate with --tls-cert and --tls-key."
        ),
        "CALLER_FORBIDDEN": "Ask whoever runs the gateway to allow it.",
        "GATEWAY_CREDENTIAL_REJECTED": "Whoever runs the gateway must check its key and clock.",
        "SERVICE_FORBADE": "Whoever runs the gateway must check what its credential may do.",
        "ROOM_NOT_FOUND": "Check the id: `rooms-gateway rooms list` shows the rooms there are.",
        "CONFLICT": _LOOK,
        "PRECONDITION_FAILED": _LOOK,
        "THROTTLED": "Wait that long, then repeat the command.",
        "SERVICE_UNAVAILABLE": _LATER,
        "SERVICE_FAILED": _LATER,
        "DEADLINE_EXCEEDED": (
            "Allow more time with --timeout. A change may have happened: look before you repeat it."
        ),
        "API_VERSION_UNSUPPORTED": "Leave it out, or run the gateway with a newer api-version.",
        "SERVICE_ANSWER_UNREADABLE": _TELL,
        "GATEWAY_OVERLOADED": _LATER,
        "GATEWAY_BUG": _TELL,
        "READER_TOO_SLOW": "Go on with the last page token, and read faster.",
        "ROSTER_TOO_LARGE": "Read it with `rooms-gateway participants list`.",
        "ALREADY_PARTICIPANT": _LEGACY,
        "NOT_A_PARTICIPANT": _LEGACY,
        "JOIN_POLICY_UNSUPPORTED": "Put everybody who may join on the roster.",
    }
)

# Without a reason the failure is gRPC's own: no handler of a gateway has written it.
_NEXT_BY_CODE = {
    grpc.StatusCode.UNAVAILABLE: (
        "Is a gateway running on {address}? `rooms-gateway serve --emulator` starts one. "
        "If it speaks TLS, give --tls-ca."
    ),
    grpc.StatusCode.DEADLINE_EXCEEDED: (
        "Is it a gateway that listens on {address}? Allow more time with --timeout."
    ),
    grpc.StatusCode.UNIMPLEMENTED: "Is it a gateway of this version that listens on {address}?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailure:
    """A failed call; what the answer does not say is empty or None.

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
        """The exit code for the process: 64 plus the gRPC code, which is grpcurl's rule too."""
        number: int = self.code.value[0]
        return 64 + number

    def next_step(self, address: str) -> str:
        """Say what whoever called `address` can do now; empty if there is nothing to say."""
        if self.reason:
            return NEXT_BY_REASON.get(self.reason, "")
        return _NEXT_BY_CODE.get(self.code, "").format(address=address)

    def as_text(self, address: str) -> str:
        """Put the failure into a few aligned lines."""
        title = click.style(f"Error: {self.code.name}", fg="red", bold=True)
        return "\n".join([title, *(f"  {line}" for line in aligned(list(self._lines(address))))])

    def _lines(self, address: str) -> Iterator[tuple[str, str]]:
        if self.reason:
            yield "reason", self.reason
        yield "message", self.message
        for where, description in self.field_violations:
            yield ("field", f"{where}: {description}") if where else ("request", description)
        if self.resource:
            yield "resource", " ".join(self.resource)
        if self.metadata:
            yield "metadata", " ".join(f"{k}={v}" for k, v in sorted(self.metadata.items()))
        if self.request_id:
            yield "request id", self.request_id
        if self.service_request_id:
            yield "service's id", self.service_request_id
        if self.retry_after is not None:
            yield "retry after", f"{self.retry_after:g} s"
        if next_step := self.next_step(address):
            yield "next", next_step

    def as_json(self, address: str) -> str:
        """Put the failure into one JSON object on one line; what is unknown is left out."""
        resource_type, resource_name = self.resource or ("", "")
        fields = {
            "code": self.code.name,
            "reason": self.reason,
            "message": self.message,
            "fieldViolations": [
                {"field": where, "description": description}
                for where, description in self.field_violations
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
    """Read the google.rpc.Status that `error` carries; damaged details are as good as none."""
    code, message = error.code(), error.details() or ""
    try:
        return _from_status(code, message, _status(error))
    except DecodeError:
        return CallFailure(code=code, message=message)


def _status(error: grpc.RpcError) -> status_pb2.Status:
    # Pairs at run time, whatever the type stubs say.
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
