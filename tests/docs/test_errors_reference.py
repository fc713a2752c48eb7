"""The comments of ErrorReason against the codes that the gateway returns."""

from __future__ import annotations

from collections import defaultdict

import pytest
import reference_errors
from acs.rooms.legacy.v1 import legacy_rooms_pb2
from acs.rooms.v1 import rooms_pb2
from acs.rooms.v1.error_reason_pb2 import ErrorReason
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message
from grpc import StatusCode
from support.paths import ROOT

from rooms_gateway.call import Call
from rooms_gateway.errors import UpstreamRejectedError
from rooms_gateway.server.calls import outcomes, status

DESCRIPTORS = FileDescriptorSet.FromString(
    (ROOT / "generated/python/acs" / "descriptors.binpb").read_bytes()
)
REASONS = {reason.name: reason for reason in reference_errors.reasons(DESCRIPTORS)}
METADATA = {"httpStatus", "upstreamErrorCode", "apiVersion", "attempts", "omittedViolations"}

REQUESTS: list[Message] = [
    rooms_pb2.CreateRoomRequest(),
    rooms_pb2.GetRoomRequest(room_id="1"),
    legacy_rooms_pb2.CreateRoomRequest(),
    legacy_rooms_pb2.AddParticipantsRequest(room_id="1"),
]


def codes_in_use() -> dict[str, set[str]]:
    """Collect the codes of each reason: all errors, a defect, and all statuses of the upstream."""
    codes = defaultdict(set)
    for code, reason in outcomes.BY_ERROR.values():
        codes[ErrorReason.Name(reason)].add(code.name)
    failures: list[Exception] = [
        UpstreamRejectedError(http_status) for http_status in range(300, 600)
    ]
    failures += [UpstreamRejectedError(400, code=code) for code in outcomes.BY_UPSTREAM_CODE]
    for error in (*failures, RuntimeError()):
        for request in REQUESTS:
            call = Call(request_id="1", deadline=0, idempotent=True)
            found = status.to_status(error, call, request, "2025-03-13")
            codes[found.reason].add(found.code.name)
    return dict(codes)


def test_comment_of_a_reason_has_its_codes() -> None:
    assert {name: set(reason.codes) for name, reason in REASONS.items()} == codes_in_use()


@pytest.mark.parametrize("name", REASONS)
def test_reason_has_known_codes_and_metadata(name: str) -> None:
    reason = REASONS[name]
    assert set(reason.codes) <= set(StatusCode.__members__)
    assert {"apiVersion", "attempts"} <= reason.example.keys() <= METADATA
    assert reason.cause.endswith(".")
    assert reason.do.endswith(".")


def test_comment_of_another_form_is_an_error() -> None:
    damaged = FileDescriptorSet.FromString(DESCRIPTORS.SerializeToString())
    for file in damaged.file:
        for location in file.source_code_info.location:
            location.leading_comments = location.leading_comments.replace("Do:", "Then:")
    with pytest.raises(ValueError, match="ERROR_REASON_REQUEST_INVALID does not have the form"):
        reference_errors.page(damaged)
