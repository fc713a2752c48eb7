from __future__ import annotations

import json

import grpc
import pytest
from acs.rooms.debug.v1.dry_run_pb2 import DryRun
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gateways import (
    JOIN_REQUESTS,
    ONE_OF_EACH,
    failure_of,
    gateway_for,
    gateway_for_examples,
    read_failure,
    send,
)
from support.samples import user

from rooms_emulator import Emulator
from rooms_emulator.faults.model import Fault
from rooms_gateway.server.calls.status import MAX_BYTES

JSON_TEXT = st.text(max_size=20) | st.sampled_from(
    ["2025-03-06T00:20:03.4401806+00:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+00:01"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | JSON_TEXT,
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=5,
)
ROOM = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON_TEXT | JSON,
        "createdAt": JSON_TEXT | JSON,
        "validFrom": JSON_TEXT | JSON,
        "validUntil": JSON_TEXT,
        "pstnDialOutEnabled": st.booleans() | JSON,
    },
)
PARTICIPANT = st.fixed_dictionaries(
    {"rawId": JSON_TEXT | JSON}, optional={"role": JSON_TEXT | JSON}
)
PAGE = st.fixed_dictionaries(
    {"value": st.lists(ROOM | PARTICIPANT, max_size=3) | JSON},
    optional={"nextLink": JSON_TEXT | JSON},
)
ERROR = st.fixed_dictionaries(
    {
        "error": st.fixed_dictionaries(
            {},
            optional={
                "code": JSON_TEXT | JSON,
                "message": JSON_TEXT | JSON,
                "details": st.lists(
                    st.fixed_dictionaries(
                        {},
                        optional={
                            "message": JSON_TEXT | JSON,
                            "target": JSON_TEXT | st.just(f"$.participants.{user(0)}.role") | JSON,
                        },
                    ),
                    max_size=25,
                )
                | JSON,
            },
        )
        | JSON
    }
)


def encoded(value: object, *, damage: bytes, at: int, ascii_only: bool) -> bytes:
    """Encode JSON, maybe with lone surrogates or raw UTF-8, and insert `damage` into it."""
    text = json.dumps(value, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    cut = at % (len(text) + 1)
    return text[:cut] + damage + text[cut:]


BODIES = st.one_of(
    st.binary(max_size=100),
    st.just(b"[" * 100_000),
    st.just(b'{"value":' + b"[" * 5_000),
    st.builds(
        encoded,
        ROOM | PAGE | ERROR | JSON,
        damage=st.just(b"") | st.binary(max_size=3) | st.sampled_from([b"\\ud800", b"\\u0000"]),
        at=st.integers(0, 1000),
        ascii_only=st.booleans(),
    ),
)
HEADERS = st.dictionaries(
    st.sampled_from(["MS-CV", "Retry-After", "Date", "Content-Type", "Content-Encoding", "ETag"]),
    st.text(
        st.characters(min_codepoint=32, max_codepoint=0x2FF, blacklist_characters="\x7f"),
        max_size=30,
    )
    | st.sampled_from(
        [
            "Fri, 31 Dec 9999 23:59:59 GMT",
            "Fri, 31 Dec 9999 23:59:59 -2359",
            "Thu, 01 Jan 1970 00:00:00 GMT",
            "Mon, 01 Jan 2024 00:00:00 +99999999999999999",
            "9" * 400,
        ]
    ),
    max_size=3,
)


@pytest.mark.proves("S49")
@pytest.mark.parametrize(
    ("statuses", "last"),
    [
        ([200, 200, 200, 201, 204, 206, 302, 400, 400, 401, 404, 500], CreateRoomRequest()),
        # Nothing is sent for the last call, because the gateway may pause after a 429.
        ([429], CreateRoomRequest(dry_run=DryRun())),
    ],
    ids=["any", "throttled"],
)
def test_any_response_has_a_typed_outcome(statuses: list[int], last: Message) -> None:
    """No status, header or body of a response causes a defect of the gateway."""
    with gateway_for_examples(max_attempts=1, max_pacing_wait=0) as (runner, running):

        @given(
            st.sampled_from((*ONE_OF_EACH, *JOIN_REQUESTS)),
            st.sampled_from(statuses),
            BODIES,
            HEADERS,
        )
        @settings(max_examples=200, deadline=None)
        def is_mapped(request: Message, status: int, body: bytes, headers: dict[str, str]) -> None:
            running.emulator.reset()
            fault = Fault(status=status, body_bytes=body, headers=headers, count=1)
            running.emulator.faults.add(fault)
            try:
                runner.run(send(running, request))
            except grpc.aio.AioRpcError as error:
                failed = read_failure(error)
                assert failed.reason not in {"", "ERROR_REASON_GATEWAY_INTERNAL"}
                assert failed.status.ByteSize() <= MAX_BYTES

        is_mapped()
        # And it keeps serving.
        running.emulator.reset()
        runner.run(send(running, last))


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Fri, 01 Jan 1000 00:00:00 +2359",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00 +99999999999999999",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    ],
)
async def test_an_absurd_date_affects_no_later_call(emulator: Emulator, date: str) -> None:
    """After a 401 the gateway may sign by the date of the response; an absurd one is ignored."""
    async with gateway_for(emulator) as running:
        emulator.faults.add(Fault(status=401, headers={"Date": date}))
        failed = await failure_of(send(running, CreateRoomRequest()))
        assert failed.reason == "ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED"
        await send(running, CreateRoomRequest())
