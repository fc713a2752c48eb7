from __future__ import annotations

import json

import grpc
import pytest
from acs.rooms.v1 import rooms_pb2
from acs.rooms.v1.error_reason_pb2 import ErrorReason
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status
from support.fake_gateway import FailedCall, call

from rooms_gateway.cli.client.failures import NEXT_BY_REASON


def failed(code: grpc.StatusCode, message: str, *details: Message) -> FailedCall:
    packed = []
    for detail in details:
        packed.append(Any())
        packed[-1].Pack(detail)
    status = Status(code=code.value[0], message=message, details=packed)
    return FailedCall(code, message, (("grpc-status-details-bin", status.SerializeToString()),))


FULL = failed(
    grpc.StatusCode.INVALID_ARGUMENT,
    "the request has 2 errors",
    ErrorInfo(
        reason="ERROR_REASON_REQUEST_INVALID",
        domain="rooms-gateway",
        metadata={"httpStatus": "400", "attempts": "1"},
    ),
    RequestInfo(request_id="ours", serving_data="theirs"),
    BadRequest(
        field_violations=[
            BadRequest.FieldViolation(field="room_id", description="too long"),
            BadRequest.FieldViolation(field="valid_until", description="in the past"),
            BadRequest.FieldViolation(description="both at once"),
        ]
    ),
    RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000)),
    ResourceInfo(resource_type="room", resource_name="7"),
)


def test_failure_prints_all_details_and_a_hint() -> None:
    result, _ = call("rooms", "get", "7", rpc="GetRoom", responses=(), failure=FULL)
    assert (result.exit_code, result.stdout) == (67, "")
    assert (
        result.stderr
        == """\
Error: INVALID_ARGUMENT
  reason              ERROR_REASON_REQUEST_INVALID
  message             the request has 2 errors
  field               room_id: too long
  field               valid_until: in the past
  request             both at once
  resource            room 7
  metadata            attempts=1 httpStatus=400
  request id          ours
  service request id  theirs
  retry after         2.5 s
  next                Correct the request. A room id is a number of 15 to 20 digits, such as\
 99498709010945484.
"""
    )


def test_failure_as_json_is_one_object_on_stderr() -> None:
    result, _ = call("rooms", "get", "7", "--json", rpc="GetRoom", responses=(), failure=FULL)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (67, "", 1)
    assert json.loads(result.stderr) == {
        "code": "INVALID_ARGUMENT",
        "reason": "ERROR_REASON_REQUEST_INVALID",
        "message": "the request has 2 errors",
        "fieldViolations": [
            {"field": "room_id", "description": "too long"},
            {"field": "valid_until", "description": "in the past"},
            {"field": "", "description": "both at once"},
        ],
        "resourceType": "room",
        "resourceName": "7",
        "metadata": {"httpStatus": "400", "attempts": "1"},
        "requestId": "ours",
        "serviceRequestId": "theirs",
        "retryAfterSeconds": 2.5,
        "next": "Correct the request. A room id is a number of 15 to 20 digits, such as"
        " 99498709010945484.",
    }


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0]])
def test_exit_code_is_64_plus_grpc_code(code: grpc.StatusCode) -> None:
    result, _ = call("rooms", "get", "7", rpc="GetRoom", responses=(), failure=FailedCall(code))
    assert result.exit_code == 64 + code.value[0]
    assert f"Error: {code.name}" in result.stderr


@pytest.mark.parametrize(
    "trailers",
    [
        (),
        (("grpc-status-details-bin", b"\xff\xff"),),
        (("grpc-status-details-bin", Status(details=[Any(value=b"\xff")]).SerializeToString()),),
        (("other", "x"),),
    ],
)
def test_malformed_details_are_ignored(
    trailers: tuple[tuple[str, str | bytes], ...],
) -> None:
    bare = FailedCall(grpc.StatusCode.INTERNAL, "Exception\x1b[1m", trailers)
    result, _ = call("rooms", "get", "7", rpc="GetRoom", responses=(), failure=bare)
    assert result.stderr == "Error: INTERNAL\n  message  Exception\\x1b[1m\n"


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("Invalid room ID length.", "A room id is a number of 15 to 20 digits, such as"),
        ("Invalid format for communication identifier.", "has the form 8:acs:<resource>_<user>."),
        ("The time range end is in the past.", "Correct the request.\n"),
    ],
)
def test_rejected_ids_are_hinted_with_their_form(message: str, hint: str) -> None:
    """The Rooms service rejects them without a field and without a description of the form."""
    rejected = failed(
        grpc.StatusCode.INVALID_ARGUMENT,
        message,
        ErrorInfo(reason="ERROR_REASON_UPSTREAM_REJECTED_REQUEST"),
    )
    result, _ = call("rooms", "get", "7", rpc="GetRoom", responses=(), failure=rejected)
    assert hint in result.stderr


def test_list_that_fails_prints_pages_and_token() -> None:
    page = rooms_pb2.ListRoomsResponse(rooms=[rooms_pb2.Room(id="7")], next_page_token="t1")
    lost = failed(
        grpc.StatusCode.UNAVAILABLE, "gone", ErrorInfo(reason="ERROR_REASON_UPSTREAM_UNAVAILABLE")
    )
    result, _ = call("rooms", "list", rpc="ListRooms", responses=(page,), failure=lost)
    assert result.exit_code == 78
    assert result.stdout.splitlines()[1].split()[0] == "7"
    assert result.stderr.startswith("Next page: --page-token t1\nError: UNAVAILABLE\n")


def test_every_reason_has_a_hint() -> None:
    published = set(ErrorReason.keys())
    assert set(NEXT_BY_REASON) == published - {"ERROR_REASON_UNSPECIFIED"}
