"""Error responses that the Rooms service has not sent, and the forms of those that it has."""

from __future__ import annotations

import itertools
import json
from contextlib import AsyncExitStack
from http import HTTPStatus

import grpc
import pytest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, DeleteRoomRequest, GetRoomRequest
from google.rpc.error_details_pb2 import RequestInfo, ResourceInfo, RetryInfo
from support.every_operation import get
from support.fast_gateway import quick_gateway
from support.gateways import ONE_OF_EACH, failure_of, gateway_for, send
from support.samples import THROTTLED, UNAVAILABLE, UNREADABLE
from support.upstreams import Script, answer, hang_up, scripted

from rooms_emulator import Emulator
from rooms_gateway.upstream.credentials.access_keys import AccessKeys

HTML = "Content-Type: text/html"
JSON = "Content-Type: application/json"
PROBLEM = "Content-Type: application/problem+json"

FOREIGN: dict[str, tuple[bytes, str]] = {
    "HTML": (b"<html>Not available</html>", HTML),
    "HTML declared as JSON": (b"<html>Not available</html>", JSON),
    "nothing": (b"", JSON),
    "text": (b"no healthy upstream", "Content-Type: text/plain"),
    "other JSON": (b'{"code":"NotFound","message":"no route"}', JSON),
    "JSON of a framework": (b'{"status":404,"error":"Not Found","path":"/rooms"}', JSON),
    "an envelope with a number": (b'{"error":{"code":404,"message":"Not Found"}}', JSON),
    "an envelope without a code": (b'{"error":{"code":"","message":"Not Found"}}', JSON),
    "a list": (b'[{"error":{"code":"NotFound"}}]', JSON),
    "problem details without a code": (b'{"title":"Not Found"}', PROBLEM),
    "ids of Front Door": (b"<html>", "X-Azure-Ref: 1\r\nMS-CV: a.0\r\nx-ms-request-id: b"),
    "an empty code": (b"", "x-ms-error-code: "),
}
"""Bodies and headers of error responses that the Rooms service has not sent."""

STATEMENTS = (400, 401, 402, 403, 404, 405, 406, 409, 410, 411, 412, 413, 414, 415, 418, 431, 451)
"""Statuses about the room, the request or the credential, if the Rooms service sends them."""


def foreign(status: int, kind: str = "HTML") -> Script:
    body, header = FOREIGN[kind]
    return answer(body, f"{status} Any", header)


@pytest.mark.parametrize("kind", FOREIGN)
async def test_error_of_a_proxy_is_no_statement(kind: str) -> None:
    """It is neither about a room, nor a permission, nor the request, nor our credential."""
    cases = [(status, request) for status in STATEMENTS for request in ONE_OF_EACH]
    async with (
        scripted(*(foreign(status, kind) for status, _ in cases)) as server,
        quick_gateway(server.upstream) as quick,
    ):
        for status, request in cases:
            case = f"{status} to {type(request).__name__}"
            failed = await failure_of(send(quick, request))
            assert (failed.code, failed.reason) == UNREADABLE, case
            assert failed.metadata["httpStatus"] == str(status), case
            assert failed.metadata["attempts"] == "1", case
            assert "upstreamErrorCode" not in failed.metadata, case
            assert "proxy" in failed.message, case
            assert failed.detail(ResourceInfo) is None, case
            assert failed.detail(RetryInfo) is None, case
        assert len(server.requests) == len(cases)


FROM_ANYONE = {
    408: UNAVAILABLE,
    429: THROTTLED,
    500: (grpc.StatusCode.INTERNAL, "ERROR_REASON_UPSTREAM_FAILED"),
    501: (grpc.StatusCode.INTERNAL, "ERROR_REASON_UPSTREAM_FAILED"),
    502: UNAVAILABLE,
    503: UNAVAILABLE,
    504: UNAVAILABLE,
    520: (grpc.StatusCode.INTERNAL, "ERROR_REASON_UPSTREAM_FAILED"),
}
"""Statuses that mean the same from a proxy."""


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("status", FROM_ANYONE)
async def test_outage_needs_no_error_code(kind: str, status: int) -> None:
    async with scripted(foreign(status, kind)) as server, AsyncExitStack() as gateways:
        quick = None
        for request in ONE_OF_EACH:
            # Another gateway for each 429, because one pauses after a rejection.
            if quick is None or status == HTTPStatus.TOO_MANY_REQUESTS:
                quick = await gateways.enter_async_context(
                    quick_gateway(server.upstream, max_attempts=1, max_pacing_wait=0)
                )
            case = f"{status} to {type(request).__name__}"
            failed = await failure_of(send(quick, request))
            assert (failed.code, failed.reason) == FROM_ANYONE[status], case
            assert failed.metadata["httpStatus"] == str(status), case
            assert "upstreamErrorCode" not in failed.metadata, case
            assert "<html>" not in failed.message, case


@pytest.mark.parametrize("status", [401, 404])
async def test_error_of_a_proxy_accepts_no_key(emulator: Emulator, status: int) -> None:
    """The key after a rejected one is preferred once the Rooms service accepts it, not before."""
    denied = answer(envelope(code="Denied"), "401 Unauthorized")
    for last, preferred in ((foreign(status), 0), (answer(b'{"id":"1"}'), 1)):
        keys = AccessKeys([b"first", b"second"])
        first = keys.signer
        async with (
            scripted(denied, last) as server,
            gateway_for(emulator, server.upstream, keys) as running,
        ):
            await running.rooms.GetRoom(GetRoomRequest(room_id="1")).code()
            assert len(server.requests) == 2
        assert (keys.signer != first) == preferred


AMBIGUOUS = {
    "no response": hang_up,
    "500": foreign(500),
    "502": foreign(502),
    "503 without a body": foreign(503, "nothing"),
    "504": foreign(504),
    "408": foreign(408),
}
"""Responses after which the room may be deleted."""


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("allow_missing", [False, True])
async def test_lost_delete_is_not_confirmed_by_a_proxy(kind: str, *, allow_missing: bool) -> None:
    cases = [(first, status) for first in AMBIGUOUS for status in (400, 403, 404, 410)]
    scripts = [(AMBIGUOUS[first], foreign(status, kind)) for first, status in cases]
    delete = DeleteRoomRequest(room_id="1", allow_missing=allow_missing)
    async with (
        scripted(*itertools.chain(*scripts)) as server,
        quick_gateway(server.upstream) as quick,
    ):
        for first, status in cases:
            failed = await failure_of(quick.rooms.DeleteRoom(delete))
            assert (failed.code, failed.reason) == UNREADABLE, f"{first}, {status}"
            assert failed.metadata["httpStatus"] == str(status), f"{first}, {status}"
            assert failed.metadata["attempts"] == "2", f"{first}, {status}"


@pytest.mark.parametrize("first", AMBIGUOUS)
async def test_lost_delete_is_confirmed_by_the_service(first: str) -> None:
    missing = answer(envelope(code="NotFound"), "404 Not Found")
    async with (
        scripted(AMBIGUOUS[first], missing) as server,
        quick_gateway(server.upstream) as quick,
    ):
        await quick.rooms.DeleteRoom(DeleteRoomRequest(room_id="1"))
        assert len(server.requests) == 2


@pytest.mark.parametrize("kind", ["HTML", "HTML declared as JSON", "nothing", "text", "a list"])
@pytest.mark.parametrize("status", ["200 OK", "202 Accepted"])
async def test_success_of_a_proxy_is_no_success(status: str, kind: str) -> None:
    body, header = FOREIGN[kind]
    async with (
        scripted(answer(body, status, header)) as server,
        quick_gateway(server.upstream) as quick,
    ):
        for request in ONE_OF_EACH:
            failed = await failure_of(send(quick, request))
            assert (failed.code, failed.reason) == UNREADABLE, type(request).__name__


def envelope(**members: object) -> bytes:
    return json.dumps({"error": members}).encode()


@pytest.mark.parametrize(
    ("response", "code", "message"),
    [
        (answer(b"", "404 Not Found", "x-ms-error-code: NotFound"), "NotFound", ""),
        (answer(envelope(code="NotFound", message=7), "404 Not Found"), "NotFound", ""),
        (answer(envelope(code="NotFound", details="x"), "404 Not Found"), "NotFound", ""),
        (
            answer(envelope(message="gone"), "404 Not Found", "x-ms-error-code: NotFound"),
            "NotFound",
            "gone",
        ),
        (
            answer(b'{"code":"NotFound","detail":"gone"}', "404 Not Found", PROBLEM),
            "NotFound",
            "gone",
        ),
        (
            answer(b'{"code":"NotFound","title":"gone"}', "404 Not Found", PROBLEM),
            "NotFound",
            "gone",
        ),
        (
            answer(
                b'{"statusCode":404,"message":"gone"}', "404 Not Found", "x-ms-error-code: NotFound"
            ),
            "NotFound",
            "gone",
        ),
        (
            answer(b"<html>gone</html>", "404 Not Found", "x-ms-error-code: NotFound"),
            "NotFound",
            "",
        ),
    ],
)
async def test_error_members_are_read_one_by_one(response: Script, code: str, message: str) -> None:
    """A malformed or missing member leaves the others."""
    async with scripted(response) as server, quick_gateway(server.upstream) as quick:
        failed = await failure_of(get(quick, "1"))
    assert failed.reason == "ERROR_REASON_ROOM_NOT_FOUND"
    assert failed.metadata["upstreamErrorCode"] == code
    assert message in failed.message


async def test_field_errors_of_problem_details_name_fields() -> None:
    body = {"title": "Invalid", "code": "BadRequest", "errors": {"ValidUntil": ["too late"]}}
    response = answer(json.dumps(body).encode(), "400 Bad Request", PROBLEM)
    async with scripted(response) as server, quick_gateway(server.upstream) as quick:
        failed = await failure_of(quick.rooms.CreateRoom(CreateRoomRequest()))
    assert failed.reason == "ERROR_REASON_UPSTREAM_REJECTED_REQUEST"
    assert failed.violations == {"valid_until": "too late"}


@pytest.mark.parametrize(
    "response",
    [
        answer(b"", "400 Bad Request", "x-ms-error-code: UnsupportedApiVersion"),
        answer(envelope(code="UnsupportedApiVersion"), "400 Bad Request"),
        answer(
            envelope(code="BadRequest"),
            "400 Bad Request",
            "x-ms-error-code: UnsupportedApiVersion",
        ),
        answer(b'{"title":"Unsupported API version"}', "400 Bad Request", PROBLEM),
        answer(
            b'{"title":"Unsupported API version","status":400,"detail":"2099 is not supported",'
            b'"code":"UnsupportedApiVersion"}',
            "400 Bad Request",
            PROBLEM,
        ),
        answer(b'{"code":"UnsupportedApiVersion"}', "404 Not Found", PROBLEM),
    ],
)
async def test_unsupported_version_in_every_form(response: Script) -> None:
    async with scripted(response) as server, quick_gateway(server.upstream) as quick:
        for request in ONE_OF_EACH:
            failed = await failure_of(send(quick, request))
            assert (failed.code, failed.reason) == (
                grpc.StatusCode.UNIMPLEMENTED,
                "ERROR_REASON_API_VERSION_UNSUPPORTED",
            ), type(request).__name__
            identity = request.DESCRIPTOR.file.package == "acs.identity.v1"
            assert ("2023-10-01" if identity else "2025-03-13") in failed.message


async def test_api_management_keeps_its_message_and_wait() -> None:
    body = b'{"statusCode":429,"message":"Rate limit is exceeded. Try again in 56 seconds."}'
    response = answer(body, "429 Too Many Requests", "Retry-After: 56")
    for request in ONE_OF_EACH:
        async with scripted(response) as server, quick_gateway(server.upstream) as quick:
            failed = await failure_of(send(quick, request))
            assert (failed.code, failed.reason) == THROTTLED, type(request).__name__
            assert failed.message.startswith("Rate limit is exceeded.")
            retry = failed.detail(RetryInfo)
            assert retry is not None
            assert retry.retry_delay.ToSeconds() == 56


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (("MS-CV: a.0", "X-Azure-Ref: front"), "a.0"),
        (("X-Azure-Ref: front",), "front"),
        (("x-request-id: proxy",), "proxy"),
        ((), ""),
    ],
)
async def test_status_has_the_id_of_the_response(headers: tuple[str, ...], expected: str) -> None:
    response = answer(b"<html>", "404 Not Found", *headers)
    async with scripted(response) as server, quick_gateway(server.upstream) as quick:
        failed = await failure_of(get(quick, "1"))
    request = failed.detail(RequestInfo)
    assert request is not None
    assert request.serving_data == expected
