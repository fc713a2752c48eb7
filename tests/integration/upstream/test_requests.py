from __future__ import annotations

import math

import pytest
from support.gateways import ONE_OF_EACH, failure_of, gateway_for, send, upstream_of

from rooms_emulator import Emulator
from rooms_emulator.faults.model import Fault
from rooms_gateway.call import Call
from rooms_gateway.errors import UpstreamRejectedError
from rooms_gateway.upstream.credentials import make_credential
from rooms_gateway.upstream.rooms_api import RoomsApi
from rooms_gateway.upstream.transport.http import HttpClient
from rooms_gateway.upstream.transport.sender import Sender
from rooms_gateway.upstream.versions import API_VERSIONS


@pytest.mark.proves("S30")
@pytest.mark.parametrize(
    ("room_id", "written"),
    [
        ("../keys", "..%2Fkeys"),
        ("%2e%2e", "%252e%252e"),
        ("a?b#c", "a%3Fb%23c"),
        ("a b\r\n", "a%20b%0D%0A"),
        ("é", "%C3%A9"),
    ],
)
async def test_any_room_id_is_one_segment_of_the_path(
    emulator: Emulator, room_id: str, written: str
) -> None:
    """Also an id that the validation of requests rejects."""
    upstream = upstream_of(emulator)
    http = HttpClient(upstream.endpoint, user_agent="t", max_connections=1, max_response_bytes=1000)
    call = Call("id", math.inf, idempotent=True)
    async with http:
        transport = Sender(
            http, upstream.endpoint, make_credential(upstream.credential, upstream.endpoint)
        )
        api = RoomsApi(transport, upstream.endpoint, API_VERSIONS["2025-03-13"])
        with pytest.raises(UpstreamRejectedError, match="Invalid room ID"):
            await api.get_room(room_id, call)
        with pytest.raises(UpstreamRejectedError):
            await anext(api.list_participants(room_id, None, 0, call))
    assert [entry.target for entry in emulator.journal] == [
        f"/rooms/{written}?api-version=2025-03-13",
        f"/rooms/{written}/participants?api-version=2025-03-13",
    ]


async def test_requests_have_only_the_expected_headers(
    emulator: Emulator,
) -> None:
    async with gateway_for(emulator) as running:
        for request in ONE_OF_EACH:
            emulator.faults.add(Fault(status=403, headers={"Set-Cookie": "a=b; Path=/"}))
            await failure_of(send(running, request))
    required = {
        "accept": "application/json",
        "accept-encoding": "identity",
        "host": emulator.endpoint.removeprefix("http://"),
    }
    allowed = {
        *required,
        "authorization",
        "content-length",
        "content-type",
        "repeatability-first-sent",
        "repeatability-request-id",
        "user-agent",
        "x-ms-content-sha256",
        "x-ms-date",
    }
    for entry in emulator.journal:
        headers = {name.lower(): value for name, value in entry.headers.items()}
        assert headers.items() >= required.items()
        assert headers["user-agent"].startswith("rooms-gateway/")
        assert set(headers) <= allowed
        assert ("repeatability-request-id" in headers) == (entry.operation == "CreateRoom")
        assert ("content-type" in headers) == bool(entry.body)
