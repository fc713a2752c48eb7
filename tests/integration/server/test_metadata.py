"""Metadata of a call: none of it reaches the upstream."""

from __future__ import annotations

import pytest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from support.fast_gateway import quick_gateway
from support.upstreams import answer, scripted

MARK = "planted"

NAMES = (
    *("accept", "accept-encoding", "authorization", "connection", "content-length", "content-type"),
    *("cookie", "expect", "forwarded", "host", "origin", "proxy-authorization", "range", "referer"),
    *("repeatability-first-sent", "repeatability-request-id", "transfer-encoding", "upgrade"),
    *("via", "x-forwarded-for", "x-forwarded-host", "x-http-method-override", "x-original-url"),
    *("x-ms-client-request-id", "x-ms-content-sha256", "x-ms-date", "x-planted", "planted-bin"),
)


@pytest.mark.proves("S41")
@pytest.mark.parametrize("name", NAMES)
async def test_call_metadata_is_not_sent_upstream(
    name: str,
) -> None:
    async with (
        scripted(answer(b'{"id":"1"}')) as service,
        quick_gateway(service.upstream) as quick,
    ):
        value = MARK.encode() if name.endswith("-bin") else MARK
        create = quick.rooms.CreateRoom
        await create(CreateRoomRequest())
        await create(CreateRoomRequest(), metadata=((name, value),))
        bare, marked = service.requests
        assert MARK.encode() not in marked
        assert _names(marked) == _names(bare)


def _names(request: bytes) -> list[bytes]:
    lines = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return [lines[0], *sorted(line.partition(b":")[0] for line in lines[1:])]
