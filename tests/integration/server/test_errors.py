"""Rejections by the Rooms service, and the statuses that callers receive."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from acs.rooms.v1.participants_pb2 import Participant
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, RequestInfo, ResourceInfo, RetryInfo
from grpc import StatusCode
from support.gateways import (
    ONE_OF_EACH,
    UNKNOWN_ROOM,
    Failed,
    Running,
    failure_of,
    gateway_for,
    send,
)
from support.samples import REJECTED, THROTTLED, UNAVAILABLE, UNREADABLE, user

from rooms_emulator import Emulator
from rooms_emulator.faults.model import Fault


@dataclass(frozen=True)
class Row:
    """One row of the error table: an HTTP status and its gRPC status."""

    http: int
    code: StatusCode
    reason: str
    retry: float | None = None
    """Delay in RetryInfo, in seconds; `None` for a status without RetryInfo."""
    headers: dict[str, str] | None = None

    def __str__(self) -> str:
        return f"{self.http}{'+' if self.headers else ''}"


AFTER_7 = {"Retry-After": "7"}

TABLE = [
    Row(301, *UNREADABLE, headers={"Location": "/rooms"}),
    Row(304, *UNREADABLE),
    Row(307, *UNREADABLE, headers={"Location": "/rooms"}),
    Row(400, *REJECTED),
    Row(401, StatusCode.UNAVAILABLE, "ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED"),
    Row(403, StatusCode.PERMISSION_DENIED, "ERROR_REASON_UPSTREAM_PERMISSION_DENIED"),
    Row(405, *REJECTED),
    Row(408, *UNAVAILABLE, retry=1),
    Row(412, StatusCode.FAILED_PRECONDITION, "ERROR_REASON_PRECONDITION_FAILED"),
    Row(413, *REJECTED),
    Row(418, *REJECTED),
    Row(500, StatusCode.INTERNAL, "ERROR_REASON_UPSTREAM_FAILED"),
    Row(501, StatusCode.INTERNAL, "ERROR_REASON_UPSTREAM_FAILED"),
    Row(502, *UNAVAILABLE, retry=1),
    Row(503, *UNAVAILABLE, retry=1),
    Row(503, *UNAVAILABLE, retry=7, headers=AFTER_7),
    Row(504, *UNAVAILABLE, retry=1),
    Row(599, StatusCode.INTERNAL, "ERROR_REASON_UPSTREAM_FAILED"),
]


@pytest.mark.parametrize("row", TABLE, ids=str)
async def test_http_status_maps_to_code_and_reason(once: Running, row: Row) -> None:
    for request in ONE_OF_EACH:
        name = type(request).__name__
        once.emulator.faults.clear()
        once.emulator.faults.add(Fault(status=row.http, headers=row.headers or {}))
        failed = await failure_of(send(once, request))
        assert (failed.code, failed.reason) == (row.code, row.reason), name
        check_details(failed, row, request)
        assert failed.detail(ResourceInfo) is None


@pytest.mark.parametrize(
    "row", [Row(429, *THROTTLED, retry=1), Row(429, *THROTTLED, retry=7, headers=AFTER_7)], ids=str
)
async def test_429_is_resource_exhausted(emulator: Emulator, row: Row) -> None:
    """Each on another gateway, because one pauses after a rejection."""
    for request in ONE_OF_EACH:
        emulator.faults.add(Fault(status=429, headers=row.headers or {}))
        async with gateway_for(emulator, max_pacing_wait=0) as running:
            failed = await failure_of(send(running, request))
        assert (failed.code, failed.reason) == THROTTLED, type(request).__name__
        check_details(failed, row, request)


async def test_404_means_room_or_user_not_found(
    once: Running,
) -> None:
    """A 404 for a request that names neither is an invalid response."""
    for request in ONE_OF_EACH:
        name = type(request).__name__
        once.emulator.faults.add(Fault(status=404))
        failed = await failure_of(send(once, request))
        resource = failed.detail(ResourceInfo)
        if "user" in request.DESCRIPTOR.fields_by_name:
            row = Row(404, StatusCode.NOT_FOUND, "ERROR_REASON_USER_NOT_FOUND")
            assert resource is not None
            assert resource.resource_name == ""
        elif "room_id" not in request.DESCRIPTOR.fields_by_name:
            row = Row(404, *UNREADABLE)
            assert resource is None
        else:
            row = Row(404, StatusCode.NOT_FOUND, "ERROR_REASON_ROOM_NOT_FOUND")
            assert resource is not None
            assert resource.resource_name == UNKNOWN_ROOM
        assert (failed.code, failed.reason) == (row.code, row.reason), name
        check_details(failed, row, request)


async def test_409_is_already_exists_or_aborted(
    once: Running,
) -> None:
    """A 409 is `ALREADY_EXISTS` for a create and `ABORTED` for the other calls."""
    for request in ONE_OF_EACH:
        name = type(request).__name__
        code = StatusCode.ALREADY_EXISTS if name == "CreateRoomRequest" else StatusCode.ABORTED
        row = Row(409, code, "ERROR_REASON_CONFLICT")
        once.emulator.faults.add(Fault(status=409))
        failed = await failure_of(send(once, request))
        assert (failed.code, failed.reason) == (row.code, row.reason), name
        check_details(failed, row, request)


def check_details(failed: Failed, row: Row, request: Message) -> None:
    """Check the details that every failure with an HTTP status has."""
    identity = request.DESCRIPTOR.file.package == "acs.identity.v1"
    version = "2023-10-01" if identity else "2025-03-13"
    expected = {"httpStatus": str(row.http), "apiVersion": version, "attempts": "1"}
    if row.http >= 400:
        assert failed.metadata.pop("upstreamErrorCode")
    assert failed.metadata == expected
    info = failed.detail(RequestInfo)
    assert info is not None
    assert info.request_id
    assert info.serving_data
    retry = failed.detail(RetryInfo)
    assert (retry and retry.retry_delay.ToSeconds()) == row.retry
    assert failed.detail(BadRequest) is None
    assert failed.status.code == failed.code.value[0]
    assert failed.status.message == failed.message


async def test_upstream_error_keeps_code_and_message(once: Running) -> None:
    body = '{"error":{"code":"Denied","message":"Denied by the resource provider."}}'
    once.emulator.faults.add(Fault(status=403, body=body, headers={"MS-CV": "abc/+.0"}))
    failed = await failure_of(send(once, GetRoomRequest(room_id=UNKNOWN_ROOM)))
    assert failed.message == "Denied by the resource provider."
    assert failed.metadata["upstreamErrorCode"] == "Denied"
    request = failed.detail(RequestInfo)
    assert request is not None
    assert request.serving_data == "abc/+.0"


@pytest.mark.parametrize(
    "body", ["", "<html>", "[]", "{}", '{"error":null}', '{"error":{"code":1}}']
)
async def test_error_without_code_is_not_attributed(once: Running, body: str) -> None:
    once.emulator.faults.add(Fault(status=403, body=body, headers={"x-ms-error-code": ""}))
    failed = await failure_of(send(once, GetRoomRequest(room_id=UNKNOWN_ROOM)))
    assert (failed.code, failed.reason) == (
        StatusCode.INTERNAL,
        "ERROR_REASON_UPSTREAM_RESPONSE_INVALID",
    )
    assert failed.metadata["httpStatus"] == "403"
    assert "upstreamErrorCode" not in failed.metadata


@pytest.mark.parametrize(
    ("targets", "fields"),
    [
        (["ValidUntil", "ValidFrom"], ["valid_until", "valid_from"]),
        (["validUntil", "PstnDialOutEnabled"], ["valid_until", "pstn_dial_out_enabled"]),
        (["Participants", ""], ["participants", ""]),
        ([f"$.participants.{user(1)}.role"], ["participants[1].role"]),
        ([f"$.participants.{user(0)}"], ["participants[0].raw_id"]),
        ([f"$.participants['{user(1)}'].role"], ["participants[1].role"]),
        (["$.participants.8:acs:another-user.role", "novelty"], ["", ""]),
    ],
)
async def test_error_targets_become_field_violations(
    once: Running, targets: list[str], fields: list[str]
) -> None:
    details = ",".join(
        f'{{"code":"BadArgument","message":"Wrong {n}.","target":"{target}"}}'
        for n, target in enumerate(targets)
    )
    body = f'{{"error":{{"code":"BadRequest","message":"No.","details":[{details}]}}}}'
    once.emulator.faults.add(Fault(status=400, body=body))
    participants = [Participant(raw_id=user(0)), Participant(raw_id=user(1))]
    failed = await failure_of(send(once, CreateRoomRequest(participants=participants)))
    assert (failed.code, failed.reason) == REJECTED
    found = failed.detail(BadRequest)
    assert found is not None
    assert [item.field for item in found.field_violations] == fields
    assert [item.description for item in found.field_violations] == [
        f"Wrong {n}." for n in range(len(targets))
    ]


async def test_excessive_retry_after_fits_a_duration(
    once: Running,
) -> None:
    for text in ("9" * 400, "9" * 20, "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"):
        once.emulator.faults.add(Fault(status=429, headers={"Retry-After": text}))
        failed = await failure_of(send(once, GetRoomRequest(room_id=UNKNOWN_ROOM)))
        assert (failed.code, failed.reason) == THROTTLED
        retry = failed.detail(RetryInfo)
        assert retry is not None
        assert 0 < retry.retry_delay.ToSeconds() <= 315_576_000_000


async def test_unreachable_upstream_is_unavailable(emulator: Emulator) -> None:
    async with gateway_for(emulator, max_attempts=2) as running:
        await emulator.stop()
        failed = await failure_of(send(running, GetRoomRequest(room_id=UNKNOWN_ROOM)))
        assert (failed.code, failed.reason) == UNAVAILABLE
        assert failed.metadata == {"apiVersion": "2025-03-13", "attempts": "2"}
        assert failed.detail(RetryInfo) is not None


@pytest.mark.parametrize(
    "fault",
    [Fault(drop="before", count=None), Fault(truncate=5, count=None)],
    ids=["dropped", "truncated"],
)
async def test_incomplete_response_is_unavailable(once: Running, fault: Fault) -> None:
    once.emulator.faults.add(fault)
    failed = await failure_of(send(once, CreateRoomRequest()))
    assert (failed.code, failed.reason) == UNAVAILABLE
    assert "httpStatus" not in failed.metadata
