from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import pytest
from acs.rooms.v1 import rooms_pb2_grpc
from acs.rooms.v1.errors_pb2 import ErrorReason
from acs.rooms.v1.participants_pb2 import (
    Participant,
)
from acs.rooms.v1.rooms_pb2 import (
    CreateRoomRequest,
    GetRoomRequest,
    GetRoomResponse,
    ListRoomsRequest,
    ListRoomsResponse,
)
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, ResourceInfo, RetryInfo
from grpc import StatusCode
from hypothesis import given, settings
from hypothesis import strategies as st
from running import (
    ONE_OF_EACH,
    Failed,
    Running,
    collect,
    failure_of,
    gateway_before,
    read_failure,
    send,
    until,
    upstream_of,
    user,
)

from gateway.app import SERVICES
from gateway.call import Call, Context
from gateway.credentials import AccessKey, AccessKeys
from gateway.emulator import Emulator
from gateway.emulator.faults import Fault
from gateway.errors import (
    GatewayError,
    RequestInvalid,
    ServiceDetail,
    ServiceRefused,
    Violation,
)
from gateway.interceptors import CallInterceptor
from gateway.rest import RoomsApi
from gateway.rest.versions import API_VERSIONS
from gateway.rooms import RoomsServicer
from gateway.status import BY_ERROR, DOMAIN, MAX_BYTES, MAX_VIOLATIONS, reason_text, to_status
from gateway.transport import RetryPolicy, Transport
from gateway.transport.http import HttpClient

if TYPE_CHECKING:
    from acs.rooms.v1.rooms_pb2_grpc import RoomsServiceAsyncStub as RoomsStub

ID = "99400000000000000"
CANARY = "canary-7f3a-secret"


@pytest.fixture
async def once(emulator: Emulator) -> AsyncIterator[Running]:
    """Run a gateway that never repeats a REST request."""
    async with gateway_before(emulator, max_attempts=1) as running:
        yield running


@dataclass(frozen=True)
class Row:
    """One row of the error table: an HTTP status and what becomes of it."""

    http: int
    code: StatusCode
    reason: str
    retry: float | None = None
    """Seconds in RetryInfo; None: there must be none."""
    headers: dict[str, str] | None = None

    def __str__(self) -> str:
        return f"{self.http}{'+' if self.headers else ''}"


UNREADABLE = (StatusCode.INTERNAL, "SERVICE_ANSWER_UNREADABLE")
UNAVAILABLE = (StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")
REJECTED = (StatusCode.INVALID_ARGUMENT, "SERVICE_REJECTED_REQUEST")
AFTER_7 = {"Retry-After": "7"}

TABLE = [
    Row(301, *UNREADABLE, headers={"Location": "/rooms"}),
    Row(304, *UNREADABLE),
    Row(307, *UNREADABLE, headers={"Location": "/rooms"}),
    Row(400, *REJECTED),
    Row(401, StatusCode.UNAVAILABLE, "GATEWAY_CREDENTIAL_REJECTED"),
    Row(403, StatusCode.PERMISSION_DENIED, "SERVICE_FORBADE"),
    Row(405, *REJECTED),
    Row(408, *UNAVAILABLE, retry=1),
    Row(412, StatusCode.FAILED_PRECONDITION, "PRECONDITION_FAILED"),
    Row(413, *REJECTED),
    Row(418, *REJECTED),
    Row(429, StatusCode.RESOURCE_EXHAUSTED, "THROTTLED", retry=1),
    Row(429, StatusCode.RESOURCE_EXHAUSTED, "THROTTLED", retry=7, headers=AFTER_7),
    Row(500, StatusCode.INTERNAL, "SERVICE_FAILED"),
    Row(501, StatusCode.INTERNAL, "SERVICE_FAILED"),
    Row(502, *UNAVAILABLE, retry=1),
    Row(503, *UNAVAILABLE, retry=1),
    Row(503, *UNAVAILABLE, retry=7, headers=AFTER_7),
    Row(504, *UNAVAILABLE, retry=1),
    Row(599, StatusCode.INTERNAL, "SERVICE_FAILED"),
]


@pytest.mark.parametrize("row", TABLE, ids=str)
async def test_an_http_status_becomes_the_same_code_and_reason_in_every_call(
    once: Running, row: Row
) -> None:
    for request in ONE_OF_EACH:
        name = type(request).__name__
        once.emulator.faults.clear()
        once.emulator.faults.add(Fault(status=row.http, headers=row.headers or {}))
        failed = await failure_of(send(once, request))
        assert (failed.code, failed.reason) == (row.code, row.reason), name
        check_details(failed, row)
        assert failed.detail(ResourceInfo) is None


async def test_an_http_404_means_that_there_is_no_room_where_the_request_names_one(
    once: Running,
) -> None:
    for request in ONE_OF_EACH:
        name = type(request).__name__
        once.emulator.faults.add(Fault(status=404))
        failed = await failure_of(send(once, request))
        resource = failed.detail(ResourceInfo)
        if name in {"CreateRoomRequest", "ListRoomsRequest"}:
            row = Row(404, *UNREADABLE)
            assert resource is None
        else:
            row = Row(404, StatusCode.NOT_FOUND, "ROOM_NOT_FOUND")
            assert resource is not None
            assert resource.resource_name == ID
        assert (failed.code, failed.reason) == (row.code, row.reason), name
        check_details(failed, row)


async def test_an_http_409_is_already_exists_for_a_create_and_aborted_for_the_others(
    once: Running,
) -> None:
    for request in ONE_OF_EACH:
        name = type(request).__name__
        code = StatusCode.ALREADY_EXISTS if name == "CreateRoomRequest" else StatusCode.ABORTED
        row = Row(409, code, "CONFLICT")
        once.emulator.faults.add(Fault(status=409))
        failed = await failure_of(send(once, request))
        assert (failed.code, failed.reason) == (row.code, row.reason), name
        check_details(failed, row)


def check_details(failed: Failed, row: Row) -> None:
    """Check what every failure with an HTTP status carries."""
    expected = {"httpStatus": str(row.http), "apiVersion": "2025-03-13", "attempts": "1"}
    if row.http >= 400:
        assert failed.metadata.pop("serviceErrorCode")
    assert failed.metadata == expected
    request = failed.detail(RequestInfo)
    assert request is not None
    assert request.request_id
    assert request.serving_data
    retry = failed.detail(RetryInfo)
    assert (retry and retry.retry_delay.ToSeconds()) == row.retry
    assert failed.detail(BadRequest) is None
    assert failed.status.code == failed.code.value[0]
    assert failed.status.message == failed.message


async def test_a_refusal_of_the_service_carries_its_code_and_its_words(once: Running) -> None:
    body = '{"error":{"code":"Denied","message":"Denied by the resource provider."}}'
    once.emulator.faults.add(Fault(status=403, body=body, headers={"MS-CV": "abc/+.0"}))
    failed = await failure_of(send(once, GetRoomRequest(room_id=ID)))
    assert failed.message == "Denied by the resource provider."
    assert failed.metadata["serviceErrorCode"] == "Denied"
    request = failed.detail(RequestInfo)
    assert request is not None
    assert request.serving_data == "abc/+.0"


@pytest.mark.parametrize(
    "body", ["", "<html>", "[]", "{}", '{"error":null}', '{"error":{"code":1}}']
)
async def test_a_refusal_without_the_usual_body_keeps_its_status(once: Running, body: str) -> None:
    once.emulator.faults.add(Fault(status=403, body=body))
    failed = await failure_of(send(once, GetRoomRequest(room_id=ID)))
    assert (failed.code, failed.reason) == (StatusCode.PERMISSION_DENIED, "SERVICE_FORBADE")
    assert failed.metadata["httpStatus"] == "403"
    assert "serviceErrorCode" not in failed.metadata


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{}",
        "<html>",
        '{"id":null}',
        '{"id":1}',
        '{"value":null}',
        '{"value":[1]}',
    ],
)
async def test_a_success_that_is_not_what_it_should_be_is_unreadable(
    once: Running, body: str
) -> None:
    for request in ONE_OF_EACH:
        name = type(request).__name__
        if name != "DeleteRoomRequest" and "Participants" not in name:
            once.emulator.faults.add(Fault(status=200, body=body))
            failed = await failure_of(send(once, request))
            assert (failed.code, failed.reason) == UNREADABLE, name


@pytest.mark.parametrize("text", ["", "yesterday", "2025-02-30T00:00:00Z", "2025-03-06 "])
async def test_a_time_that_is_none_makes_the_answer_unreadable(once: Running, text: str) -> None:
    body = f'{{"id":"1","validFrom":"{text}"}}'
    once.emulator.faults.add(Fault(status=200, body=body))
    failed = await failure_of(send(once, GetRoomRequest(room_id=ID)))
    assert (failed.code, failed.reason) == UNREADABLE


async def test_an_answer_that_is_encoded_although_we_asked_for_it_plain_is_unreadable(
    once: Running,
) -> None:
    once.emulator.faults.add(Fault(headers={"Content-Encoding": "gzip"}))
    failed = await failure_of(send(once, CreateRoomRequest()))
    assert (failed.code, failed.reason) == UNREADABLE


async def test_a_redirect_is_not_followed_anywhere(once: Running) -> None:
    async with Emulator() as other:
        location = {"Location": f"{other.endpoint}/rooms/{ID}?api-version=2025-03-13"}
        for status in (301, 302, 303, 307, 308):
            once.emulator.faults.add(Fault(status=status, headers=location))
            failed = await failure_of(send(once, GetRoomRequest(room_id=ID)))
            assert (failed.code, failed.reason) == UNREADABLE
        assert len(other.journal) == 0
    assert once.requests() == 5


@pytest.mark.parametrize(
    ("targets", "fields"),
    [
        (["ValidUntil", "ValidFrom"], ["valid_until", "valid_from"]),
        (["validUntil", "PstnDialOutEnabled"], ["valid_until", "pstn_dial_out_enabled"]),
        (["Participants", ""], ["participants", ""]),
        ([f"$.participants.{user(1)}.role"], ["participants[1].role"]),
        ([f"$.participants.{user(0)}"], ["participants[0].raw_id"]),
        ([f"$.participants['{user(1)}'].role"], ["participants[1].role"]),
        (["$.participants.8:acs:somebody-else.role", "novelty"], ["", ""]),
    ],
)
async def test_what_the_service_blames_is_named_as_our_fields(
    once: Running, targets: list[str], fields: list[str]
) -> None:
    details = ",".join(
        f'{{"code":"BadArgument","message":"Wrong {n}.","target":"{target}"}}'
        for n, target in enumerate(targets)
    )
    body = f'{{"error":{{"code":"BadRequest","message":"No.","details":[{details}]}}}}'
    once.emulator.faults.add(Fault(status=400, body=body))
    people = [Participant(raw_id=user(0)), Participant(raw_id=user(1))]
    failed = await failure_of(send(once, CreateRoomRequest(participants=people)))
    assert (failed.code, failed.reason) == REJECTED
    found = failed.detail(BadRequest)
    assert found is not None
    assert [item.field for item in found.field_violations] == fields
    assert [item.description for item in found.field_violations] == [
        f"Wrong {n}." for n in range(len(targets))
    ]


async def test_a_retry_after_beyond_all_reason_is_still_told_within_what_a_duration_holds(
    once: Running,
) -> None:
    for text in ("9" * 400, "9" * 20, "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"):
        once.emulator.faults.add(Fault(status=429, headers={"Retry-After": text}))
        failed = await failure_of(send(once, GetRoomRequest(room_id=ID)))
        assert (failed.code, failed.reason) == (StatusCode.RESOURCE_EXHAUSTED, "THROTTLED")
        retry = failed.detail(RetryInfo)
        assert retry is not None
        assert 0 < retry.retry_delay.ToSeconds() <= 315_576_000_000


async def test_a_service_that_is_not_there_is_unavailable(emulator: Emulator) -> None:
    async with gateway_before(emulator, max_attempts=2) as running:
        await emulator.stop()
        failed = await failure_of(send(running, GetRoomRequest(room_id=ID)))
        assert (failed.code, failed.reason) == UNAVAILABLE
        assert failed.metadata == {"apiVersion": "2025-03-13", "attempts": "2"}
        assert failed.detail(RetryInfo) is not None


@pytest.mark.parametrize(
    "fault",
    [Fault(drop="before", count=None), Fault(truncate=5, count=None)],
    ids=["dropped", "truncated"],
)
async def test_an_answer_that_breaks_off_is_unavailable(once: Running, fault: Fault) -> None:
    once.emulator.faults.add(fault)
    failed = await failure_of(send(once, CreateRoomRequest()))
    assert (failed.code, failed.reason) == UNAVAILABLE
    assert "httpStatus" not in failed.metadata


async def test_a_call_without_a_deadline_ends_at_the_gateways_own(emulator: Emulator) -> None:
    emulator.faults.add(Fault(latency=5))
    async with gateway_before(emulator, default_timeout=0.05) as running:
        failed = await failure_of(send(running, GetRoomRequest(room_id=ID)))
    assert (failed.code, failed.reason) == (StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert failed.metadata["attempts"] == "1"


async def test_more_calls_than_the_gateway_takes_on_are_told_to_come_again(
    emulator: Emulator,
) -> None:
    emulator.faults.add(Fault(operation="CreateRoom", latency=0.3))
    async with gateway_before(emulator, max_concurrent_calls=1) as running:
        first = asyncio.ensure_future(send(running, CreateRoomRequest()))
        await until(lambda: running.requests() == 1)
        failed = await failure_of(send(running, CreateRoomRequest()))
        assert (failed.code, failed.reason) == (
            StatusCode.RESOURCE_EXHAUSTED,
            "GATEWAY_OVERLOADED",
        )
        assert failed.detail(RetryInfo) is not None
        await first
        await send(running, CreateRoomRequest())
    assert sum(entry.operation == "CreateRoom" for entry in emulator.journal) == 2


# The tables themselves.


def errors() -> list[type[GatewayError]]:
    """Return every class of the error tree but its root."""
    found = []
    todo = [GatewayError]
    while todo:
        children = todo.pop().__subclasses__()
        found += children
        todo += children
    return found


def test_every_error_of_the_tree_has_a_verdict() -> None:
    """ServiceRefused has one for each HTTP status; the others have one each."""
    assert set(BY_ERROR) == set(errors()) - {ServiceRefused}


def make(error: type[GatewayError], text: str = "No.") -> GatewayError:
    return RequestInvalid(Violation("", text)) if error is RequestInvalid else error(text)


def test_every_published_reason_but_unspecified_is_given_to_some_failure() -> None:
    call = Call("id", 0.0, repeatable=True)
    failures: Iterable[BaseException] = [
        *(make(error) for error in BY_ERROR),
        *(ServiceRefused(status) for status in range(300, 600)),
        ValueError("a bug"),
    ]
    given = {to_status(error, call, GetRoomRequest(room_id=ID), "v").reason for error in failures}
    published = {reason_text(value) for value in ErrorReason.values()}
    assert given == published - {"UNSPECIFIED"}


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
    st.builds(lambda found: RequestInvalid(*found), VIOLATIONS),
    st.builds(make, st.sampled_from(sorted(BY_ERROR, key=str)), TEXT),
    st.builds(
        ServiceRefused,
        st.integers(300, 599) | st.sampled_from([400, 404, 409, 429, 503]),
        code=TEXT,
        message=TEXT,
        details=st.lists(st.builds(ServiceDetail, TEXT, TEXT), max_size=30).map(tuple),
        retry_after=st.none() | st.floats(min_value=0),
    ),
    st.builds(RuntimeError, TEXT),
)
CALLS = st.builds(
    Call,
    request_id=TEXT,
    deadline=st.just(0.0),
    repeatable=st.booleans(),
    attempts=st.integers(0, 10**9),
    service_request_id=TEXT,
)


@given(ERRORS, CALLS, st.sampled_from(ONE_OF_EACH))
@settings(max_examples=500, deadline=None)
def test_an_encoded_status_stays_under_4_kib_and_keeps_its_reason(
    error: BaseException, call: Call, request: Message
) -> None:
    failure = to_status(error, call, request, "2025-03-13")
    assert len(failure.status.SerializeToString()) <= MAX_BYTES
    assert failure.status.code == failure.code.value[0] != 0
    failed = Failed(failure.code, "", failure.reason, {}, failure.status)
    found = failed.detail(BadRequest)
    assert found is None or len(found.field_violations) <= MAX_VIOLATIONS
    assert failure.status.message.isprintable()


async def test_the_domain_of_every_reason_is_the_gateways(once: Running) -> None:
    once.emulator.faults.add(Fault(status=404))
    failed = await failure_of(send(once, GetRoomRequest(room_id=ID)))
    info = failed.detail(ErrorInfo)
    assert info is not None
    assert info.domain == DOMAIN == "rooms-gateway"


# The longest status that there can be, over a real channel.


async def test_the_largest_failure_that_the_service_can_cause_reaches_the_caller_whole(
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


# Defects of the gateway.


@asynccontextmanager
async def serving(add_handlers: Callable[[grpc.aio.Server], None]) -> AsyncIterator[RoomsStub]:
    """Serve handlers of our services, as they are, behind the gateway's interceptor."""
    calls = CallInterceptor(
        SERVICES, api_version="2025-03-13", default_timeout=5.0, max_concurrent_calls=10
    )
    server = grpc.aio.server(interceptors=[calls])
    add_handlers(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield rooms_pb2_grpc.RoomsServiceStub(channel)
    await server.stop(None)


def failing_with(fail: Callable[[], Awaitable[None]]) -> Callable[[grpc.aio.Server], None]:
    """Make handlers of RoomsService that fail as ours never should."""

    async def unary(_request: Message, _context: Context) -> Message:
        await fail()
        raise AssertionError

    async def stream(_request: Message, _context: Context) -> AsyncIterator[Message]:
        yield ListRoomsResponse(next_page_token="x")
        await fail()

    handlers = {
        "GetRoom": grpc.unary_unary_rpc_method_handler(
            unary, GetRoomRequest.FromString, GetRoomResponse.SerializeToString
        ),
        "ListRooms": grpc.unary_stream_rpc_method_handler(
            stream, ListRoomsRequest.FromString, ListRoomsResponse.SerializeToString
        ),
    }
    handler = grpc.method_handlers_generic_handler("acs.rooms.v1.RoomsService", handlers)
    return lambda server: server.add_generic_rpc_handlers((handler,))


def check_bug(error: grpc.aio.AioRpcError) -> Failed:
    """Check that nothing of what went wrong is told but that it did."""
    failed = read_failure(error)
    assert (failed.code, failed.reason) == (StatusCode.INTERNAL, "GATEWAY_BUG")
    assert failed.message == "the gateway failed; its log has the details under this request's id"
    told = repr((error, error.details(), error.debug_error_string(), error.trailing_metadata()))
    for text in (CANARY, "Traceback", "RuntimeError", "KeyError", "Cancelled", ".py"):
        assert text not in told
        assert text.encode() not in failed.status.SerializeToString()
    return failed


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(CANARY),
        KeyError(CANARY),
        AssertionError(CANARY),
        asyncio.CancelledError(CANARY),
        TimeoutError(CANARY),
        grpc.aio.UsageError(CANARY),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_a_handler_should_never_raise_becomes_a_fixed_text_with_an_id(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise error

    calls: list[Callable[[RoomsStub], Awaitable[object]]] = [
        lambda rooms: rooms.GetRoom(GetRoomRequest(room_id=ID), timeout=5),
        lambda rooms: collect(rooms.ListRooms(ListRoomsRequest(), timeout=5)),
    ]
    async with serving(failing_with(fail)) as rooms:
        for call in calls:
            caplog.clear()
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call(rooms)
            failed = check_bug(raised.value)
            request = failed.detail(RequestInfo)
            assert request is not None
            traced = [record for record in caplog.records if record.exc_info]
            assert [request.request_id in record.getMessage() for record in traced] == [True]
            assert CANARY in caplog.text


async def test_a_call_that_awaits_something_cancelled_ends_with_a_status() -> None:
    async def fail() -> None:
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        never.cancel()
        await never

    async with serving(failing_with(fail)) as rooms:
        for call in (
            rooms.GetRoom(GetRoomRequest(room_id=ID), timeout=5),
            collect(rooms.ListRooms(ListRoomsRequest(), timeout=5)),
        ):
            failed = await failure_of(call)
            assert (failed.code, failed.reason) == (StatusCode.INTERNAL, "GATEWAY_BUG")


class BrokenKeys(AccessKeys):
    """A credential that cannot sign, and says too much about it."""

    @property
    def signer(self) -> AccessKey:
        raise RuntimeError(CANARY)


async def test_a_credential_that_fails_tells_the_caller_nothing_of_itself(
    emulator: Emulator,
) -> None:
    endpoint = upstream_of(emulator).endpoint
    http = HttpClient(endpoint, user_agent="t", max_connections=1, max_answer_bytes=1000)
    async with http:
        transport = Transport(http, endpoint, BrokenKeys([b"key"]), policy=RetryPolicy())
        api = RoomsApi(transport, endpoint, API_VERSIONS["2025-03-13"])

        def add(server: grpc.aio.Server) -> None:
            rooms_pb2_grpc.add_RoomsServiceServicer_to_server(RoomsServicer(api), server)

        async with serving(add) as rooms:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await rooms.CreateRoom(CreateRoomRequest(), timeout=5)
            check_bug(raised.value)
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await collect(rooms.ListRooms(ListRoomsRequest(), timeout=5))
            check_bug(raised.value)
    assert len(emulator.journal) == 0


# Request ids.


async def request_info(running: Running, *request_ids: str) -> RequestInfo:
    metadata = tuple(("x-request-id", value) for value in request_ids)
    failed = await failure_of(running.rooms.GetRoom(GetRoomRequest(room_id=ID), metadata=metadata))
    found = failed.detail(RequestInfo)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "value", ["a", "x" * 128, "Root=1-67891233-abcdef012345678912345678", "a~b:c/d+e@f"]
)
async def test_a_request_id_of_the_callers_is_told_back(running: Running, value: str) -> None:
    assert (await request_info(running, value)).request_id == value


@pytest.mark.parametrize("value", ["", "x" * 129, "a b", 'a"b', "a%0d%0ab", "a;b", "a,b", "<a>"])
async def test_a_request_id_unfit_for_logs_is_replaced_by_one_of_ours(
    running: Running, value: str
) -> None:
    told = (await request_info(running, value)).request_id
    assert told != value
    assert len(told) == 36
    assert (await request_info(running, value)).request_id != told


async def test_of_several_request_ids_the_first_that_is_fit_is_taken(running: Running) -> None:
    assert (await request_info(running, "a b", "first", "second")).request_id == "first"


async def test_a_request_id_with_a_line_break_never_reaches_the_log(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """Grpc's own clients refuse to send one, so the request is written by hand."""
    caplog.set_level(logging.INFO, "gateway.calls")
    host, _, port = running.gateway.addresses[0].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        by_hand(
            "/acs.rooms.v1.RoomsService/GetRoom",
            GetRoomRequest(room_id=ID),
            {"x-request-id": f"a\r\nforged {CANARY}"},
        )
    )
    await until(lambda: "code=NOT_FOUND" in caplog.text)
    writer.close()
    await writer.wait_closed()
    assert not reader.exception()
    assert CANARY not in caplog.text
    assert running.requests("GetRoom") == 1


def by_hand(path: str, request: Message, headers: dict[str, str]) -> bytes:
    """Write a unary call as HTTP/2 (RFC 9113), its headers as plain literals (RFC 7541, 6.2.2)."""
    named = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        **headers,
    }
    block = b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in named.items()
    )
    message = request.SerializeToString()
    data = b"\0" + len(message).to_bytes(4, "big") + message

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
        return head + stream.to_bytes(4, "big") + payload

    settings_frame = frame(4, 0, 0, b"")
    return (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + settings_frame
        + frame(1, 4, 1, block)
        + frame(0, 1, 1, data)
    )


async def test_a_service_id_that_is_none_is_neither_logged_nor_told(
    once: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.calls")
    for value in (f"x code=OK {CANARY}", "é" + CANARY, CANARY * 100):
        once.emulator.faults.add(Fault(status=403, headers={"MS-CV": value}))
        failed = await failure_of(send(once, GetRoomRequest(room_id=ID)))
        assert CANARY.encode() not in failed.status.SerializeToString()
    assert CANARY not in caplog.text
