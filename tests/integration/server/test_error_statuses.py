"""Statuses of errors: every error has one, within the size limit, with a published reason."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from acs.rooms.v1.error_reason_pb2 import ErrorReason
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from hypothesis import given
from hypothesis import strategies as st
from support.gateways import (
    JOIN_REQUESTS,
    ONE_OF_EACH,
    UNKNOWN_ROOM,
    Failed,
    Running,
    failure_of,
    send,
)
from support.samples import REJECTED

from rooms_emulator.faults.model import Fault
from rooms_gateway.call import Call
from rooms_gateway.errors import (
    GatewayError,
    InvalidRequestError,
    UnattributedResponseError,
    UpstreamErrorDetail,
    UpstreamRejectedError,
    Violation,
)
from rooms_gateway.server.calls.outcomes import BY_ERROR, BY_UPSTREAM_CODE
from rooms_gateway.server.calls.status import DOMAIN, MAX_BYTES, MAX_VIOLATIONS, to_status


def errors() -> list[type[GatewayError]]:
    """Return every class of the error tree except its root."""
    found = []
    todo = [GatewayError]
    while todo:
        children = todo.pop().__subclasses__()
        found += children
        todo += children
    return found


def test_every_error_has_an_outcome() -> None:
    """UpstreamRejectedError has one for each HTTP status; the others have one each."""
    assert set(BY_ERROR) == set(errors()) - {UpstreamRejectedError}


def make(error: type[GatewayError], text: str = "No.") -> GatewayError:
    if error is UnattributedResponseError:
        return UnattributedResponseError(404)
    return InvalidRequestError(Violation("", text)) if error is InvalidRequestError else error(text)


def test_every_published_reason_is_used() -> None:
    call = Call("id", 0.0, idempotent=True)
    failures: Iterable[BaseException] = [
        *(make(error) for error in BY_ERROR),
        *(UpstreamRejectedError(status) for status in range(300, 600)),
        *(UpstreamRejectedError(400, code=code) for code in BY_UPSTREAM_CODE),
        ValueError("a defect"),
    ]
    given = {
        to_status(error, call, GetRoomRequest(room_id=UNKNOWN_ROOM), "v").reason
        for error in failures
    }
    published = {ErrorReason.Name(value) for value in ErrorReason.values()}
    assert given == published - {"ERROR_REASON_UNSPECIFIED"}


TEXT = st.one_of(
    st.text(max_size=50),
    st.text(alphabet=st.characters(), max_size=50),  # lone surrogates too
    st.builds(
        lambda text, times: text * times, st.text(min_size=1, max_size=3), st.integers(1, 2000)
    ),
    st.just("\U0001f600" * 5000),
)
VIOLATIONS = st.lists(st.builds(Violation, TEXT, TEXT), min_size=1, max_size=30)
ERRORS = st.one_of(
    st.builds(lambda found: InvalidRequestError(*found), VIOLATIONS),
    st.builds(make, st.sampled_from(sorted(BY_ERROR, key=str)), TEXT),
    st.builds(
        UpstreamRejectedError,
        st.integers(300, 599) | st.sampled_from([400, 404, 409, 429, 503]),
        code=TEXT,
        message=TEXT,
        details=st.lists(st.builds(UpstreamErrorDetail, TEXT, TEXT), max_size=30).map(tuple),
        retry_after=st.none() | st.floats(min_value=0),
    ),
    st.builds(RuntimeError, TEXT),
)
CALLS = st.fixed_dictionaries(
    {
        "request_id": TEXT,
        "deadline": st.just(0.0),
        "idempotent": st.booleans(),
        "attempts": st.integers(0, 10**9),
        "upstream_request_id": TEXT,
    }
).map(lambda fields: Call(**fields))  # type: ignore[arg-type] # of various types


@pytest.mark.proves("S33")
@given(ERRORS, CALLS, st.sampled_from((*ONE_OF_EACH, *JOIN_REQUESTS)))
def test_encoded_status_stays_within_4_kib(
    error: BaseException, call: Call, request: Message
) -> None:
    failure = to_status(error, call, request, "2025-03-13")
    assert len(failure.status.SerializeToString()) <= MAX_BYTES
    assert failure.status.code == failure.code.value[0]
    assert failure.status.code
    failed = Failed(failure.code, "", failure.reason, {}, failure.status)
    found = failed.detail(BadRequest)
    assert found is None or len(found.field_violations) <= MAX_VIOLATIONS
    assert failure.status.message.isprintable()


async def test_error_info_has_the_domain_of_the_gateway(once: Running) -> None:
    once.emulator.faults.add(Fault(status=404))
    failed = await failure_of(send(once, GetRoomRequest(room_id=UNKNOWN_ROOM)))
    info = failed.detail(ErrorInfo)
    assert info is not None
    assert info.domain == DOMAIN == "rooms-gateway.github.io"


async def test_largest_upstream_error_is_received(
    once: Running,
) -> None:
    text = "\u20ac%\n" * 5000
    detail = {"code": "c", "message": text[:900], "target": "ValidUntil"}
    body = json.dumps({"error": {"code": text, "message": text, "details": [detail] * 99}})
    once.emulator.faults.add(Fault(status=400, body=body, headers={"MS-CV": "x" * 128}))
    metadata = (("x-request-id", "y" * 128),)
    failed = await failure_of(once.rooms.CreateRoom(CreateRoomRequest(), metadata=metadata))
    assert (failed.code, failed.reason) == REJECTED
    assert 0 < int(failed.metadata["omittedViolations"]) < 99
    assert 2500 < failed.status.ByteSize() <= MAX_BYTES
