"""Room ids in the paths of upstream requests."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import grpc
import pytest
from acs.rooms.v1.join_pb2 import AdmitParticipantsRequest, ExplainJoinRequest
from google.protobuf.message import Message
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.gateways import ROOM_REQUESTS, failure_of, gateway_for_examples, send
from support.samples import INVALID

ROOM_IDS = st.one_of(
    st.text(max_size=70),
    st.text(alphabet="./%\\?#&;:@ \r\n\0aZ09_-", max_size=20),
    st.from_regex(r"[A-Za-z0-9_-]{1,66}", fullmatch=True),
)

BOTH = (AdmitParticipantsRequest, ExplainJoinRequest)
"""Requests that read the room and its roster concurrently, until the first error."""


@pytest.mark.proves("S30")
def test_a_room_id_is_one_segment_or_rejected() -> None:
    """Any id is rejected unsent, or sent unchanged as `/rooms/<id>`."""
    with gateway_for_examples() as (runner, running):

        @given(ROOM_IDS, st.sampled_from(ROOM_REQUESTS))
        @settings(max_examples=150, deadline=None)
        @example("..", ROOM_REQUESTS[0])
        @example("%2e%2e", ROOM_REQUESTS[0])
        @example("../keys", ROOM_REQUESTS[-1])
        @example("994?api-version=x", ROOM_REQUESTS[0])
        @example("a\r\nHost: evil", ROOM_REQUESTS[0])
        def stays(room_id: str, make: Callable[[str], Message]) -> None:
            running.emulator.journal.clear()
            # The emulator has no room with this id, so the call fails either way.
            failed = runner.run(_failure(send(running, make(room_id))))
            targets = [entry.target for entry in running.emulator.journal]
            if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", room_id):
                room, roster = (
                    f"/rooms/{room_id}{below}?api-version=2025-03-13"
                    for below in ("", "/participants")
                )
                if type(make("x")) in BOTH:
                    assert {*targets} | {room, roster} == {room, roster}
                    assert targets
                else:
                    assert targets == [
                        roster if "Participants" in type(make("x")).__name__ else room
                    ]
            else:
                assert failed == INVALID
                assert targets == []

        stays()


async def _failure(call: Awaitable[object]) -> tuple[grpc.StatusCode, str]:
    failed = await failure_of(call)
    return failed.code, failed.reason
