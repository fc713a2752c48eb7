"""Error responses that the Rooms service has not sent, and the forms of those that it has."""

from __future__ import annotations

import json

import grpc
import pytest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, DeleteRoomRequest, GetRoomRequest
from google.rpc.error_details_pb2 import RequestInfo
from support.every_operation import Operation, by_operation, get
from support.fast_gateway import quick_gateway
from support.gateways import failure_of, gateway_for
from support.samples import UNREADABLE
from support.upstreams import answer, hang_up, scripted

from rooms_emulator import Emulator
from rooms_gateway.upstream.credentials.access_keys import AccessKeys

HTML = "Content-Type: text/html"
PROBLEM = "Content-Type: application/problem+json"

PAGES = {
    "HTML": answer(b"<html>Not available</html>", "404 Not Found", HTML),
    "nothing": answer(b"", "404 Not Found"),
    "other JSON": answer(b'{"code":"NotFound","message":"no route"}', "404 Not Found"),
    "problem details without a code": answer(b'{"title":"Not Found"}', "404 Not Found", PROBLEM),
    "an id of Front Door": answer(b"<html>", "404 Not Found", "X-Azure-Ref: 1", "MS-CV: a.0"),
    "forbidden": answer(b"<html>Blocked</html>", "403 Forbidden", HTML),
    "bad request": answer(b"<html>Bad</html>", "400 Bad Request", HTML),
    "unauthorized": answer(b"", "401 Unauthorized", "WWW-Authenticate: Basic"),
    "not allowed": answer(b"", "405 Method Not Allowed"),
    "conflict": answer(b"{}", "409 Conflict"),
    "too large": answer(b"<html>", "413 Payload Too Large", HTML),
}


@pytest.mark.parametrize("page", PAGES)
@by_operation
async def test_error_of_a_proxy_is_no_statement(operation: Operation, page: str) -> None:
    """It is neither about a room, nor a permission, nor the request, nor our credential."""
    async with scripted(PAGES[page]) as server, quick_gateway(server.upstream) as quick:
        failed = await failure_of(operation.call(quick, "1"))
    assert (failed.code, failed.reason) == UNREADABLE
    assert failed.metadata["httpStatus"][0] == "4"
    assert failed.metadata["attempts"] == "1"
    assert "proxy" in failed.message


@pytest.mark.parametrize("page", ["HTML", "unauthorized"])
async def test_error_of_a_proxy_accepts_no_key(emulator: Emulator, page: str) -> None:
    """The key after a rejected one is preferred once the Rooms service accepts it, not before."""
    denied = answer(envelope(code="Denied"), "401 Unauthorized")
    for last, preferred in ((PAGES[page], 0), (answer(b'{"id":"1"}'), 1)):
        keys = AccessKeys([b"first", b"second"])
        first = keys.signer
        async with (
            scripted(denied, last) as server,
            gateway_for(emulator, server.upstream, keys) as running,
        ):
            await running.rooms.GetRoom(GetRoomRequest(room_id="1")).code()
            assert len(server.requests) == 2
        assert (keys.signer != first) == preferred


@pytest.mark.parametrize("page", ["HTML", "nothing", "other JSON"])
@pytest.mark.parametrize("allow_missing", [False, True])
async def test_lost_delete_is_not_confirmed_by_a_proxy(page: str, allow_missing: bool) -> None:
    delete = DeleteRoomRequest(room_id="1", allow_missing=allow_missing)
    async with scripted(hang_up, PAGES[page]) as server, quick_gateway(server.upstream) as quick:
        failed = await failure_of(quick.rooms.DeleteRoom(delete))
    assert (failed.code, failed.reason) == UNREADABLE
    assert failed.metadata["attempts"] == "2"


@by_operation
async def test_page_with_status_200_is_no_success(operation: Operation) -> None:
    page = answer(b"<html>Sign in</html>", "200 OK", HTML)
    async with scripted(page) as server, quick_gateway(server.upstream) as quick:
        failed = await failure_of(operation.call(quick, "1"))
    assert (failed.code, failed.reason) == UNREADABLE


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
    ],
)
async def test_error_members_are_read_one_by_one(response: object, code: str, message: str) -> None:
    """A malformed or missing member leaves the others."""
    async with scripted(response) as server, quick_gateway(server.upstream) as quick:  # type: ignore[arg-type] # a script
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
        answer(b'{"title":"Unsupported API version"}', "400 Bad Request", PROBLEM),
        answer(b'{"code":"UnsupportedApiVersion"}', "404 Not Found", PROBLEM),
    ],
)
async def test_unsupported_version_in_every_form(response: object) -> None:
    async with scripted(response) as server, quick_gateway(server.upstream) as quick:  # type: ignore[arg-type] # a script
        failed = await failure_of(get(quick, "1"))
    assert (failed.code, failed.reason) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "ERROR_REASON_API_VERSION_UNSUPPORTED",
    )


async def test_api_management_keeps_its_message_and_wait() -> None:
    body = b'{"statusCode":429,"message":"Rate limit is exceeded. Try again in 56 seconds."}'
    response = answer(body, "429 Too Many Requests", "Retry-After: 56")
    async with scripted(response) as server, quick_gateway(server.upstream) as quick:
        failed = await failure_of(get(quick, "1"))
    assert failed.reason == "ERROR_REASON_THROTTLED"
    assert failed.message.startswith("Rate limit is exceeded.")


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
