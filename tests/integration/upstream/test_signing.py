"""Signatures: vectors of Microsoft's clients, recordings, and requests on the wire."""

from __future__ import annotations

import base64
import calendar
import hashlib
import hmac
from collections.abc import Awaitable

import pytest
from acs.rooms.v1.participants_pb2 import ListParticipantsRequest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest, ListRoomsRequest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.gateways import failure_of, gateway_for, gateway_for_examples, send
from support.signature_vectors import BODIES, KEY, REQUESTS, TEXTS
from support.signed_requests import authorization, signature, string_to_sign

from rooms_emulator import DEVELOPMENT_KEY, Emulator, JournalEntry
from rooms_gateway.services.convert import page_tokens
from rooms_gateway.upstream.credentials import AccessKey
from rooms_gateway.upstream.endpoint import parse_access_key

MARCH = calendar.timegm((2025, 3, 6, 0, 20, 3))
SEPTEMBER = calendar.timegm((2023, 9, 29, 0, 40, 34))
JAVA_HOST = "rooms-ppe-eastus.unitedstates.ppe.communication.azure.net"


def sign(
    method: str, target: str, host: str, body: bytes = b"", now: float = MARCH
) -> dict[str, str]:
    return AccessKey(parse_access_key(KEY)).sign(method, target, host, body, now)


@pytest.mark.parametrize(("body", "digest"), BODIES)
def test_body_hashes_match_the_recordings(body: bytes, digest: str) -> None:
    assert sign("POST", "/rooms", "h", body)["x-ms-content-sha256"] == digest


@pytest.mark.parametrize(("method", "target", "body", "expected"), REQUESTS)
def test_signatures_match_the_vectors(method: str, target: str, body: bytes, expected: str) -> None:
    headers = sign(method, target, "127.0.0.1:8080", body)
    assert headers["x-ms-date"] == "Thu, 06 Mar 2025 00:20:03 GMT"
    assert headers["Authorization"] == (
        "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=" + expected
    )
    assert set(headers) == {"x-ms-date", "x-ms-content-sha256", "Authorization"}


def test_signatures_of_one_key_are_independent() -> None:
    key, first = AccessKey(parse_access_key(KEY)), sign("GET", "/1", "h")
    assert key.sign("GET", "/1", "h", b"", MARCH) == first
    assert key.sign("GET", "/2", "h", b"", MARCH) == sign("GET", "/2", "h") != first
    assert key.sign("GET", "/1", "h", b"", MARCH) == first
    assert key == AccessKey(parse_access_key(KEY)) != AccessKey(b"key")


def test_the_string_to_sign_matches_java() -> None:
    """Java's client signed this string for a request that the live service accepted."""
    recorded = (
        "POST\n/rooms?api-version=2023-10-30-preview\n"
        f"Fri, 29 Sep 2023 00:40:34 GMT;{JAVA_HOST};BNf/153Yrt1bOH7ij9GCtQC0a3FcNbd3C5frhrofIyA="
    )
    digest = hmac.digest(base64.b64decode(KEY), recorded.encode(), hashlib.sha256)
    headers = sign(
        "POST",
        "/rooms?api-version=2023-10-30-preview",
        JAVA_HOST,
        b'{"validFrom":"2023-09-29T00:39:38.394453700Z","pstnDialOutEnabled":false}',
        SEPTEMBER,
    )
    assert headers["Authorization"].endswith("=" + base64.b64encode(digest).decode())


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_keys_are_decoded_like_microsofts_clients(text: str, expected: str) -> None:
    digest = hmac.digest(parse_access_key("pw=="), text.encode(), hashlib.sha256)
    assert base64.b64encode(digest).decode() == expected


@pytest.mark.parametrize("seconds", [0.0, 0.999999, 59.5])
def test_dates_are_truncated_to_seconds(seconds: float) -> None:
    date = sign("GET", "/", "h", now=MARCH - 3 + seconds)["x-ms-date"]
    assert date == f"Thu, 06 Mar 2025 00:20:{int(seconds):02d} GMT"


def test_a_credential_repr_redacts_the_key() -> None:
    key = AccessKey(parse_access_key(KEY))
    assert "secret" not in repr(key)
    assert KEY not in f"{key!r} {key}"


# On the wire.

ROOM_ID = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
QUERY = st.from_regex(r"(?:[A-Za-z0-9\-._~!$&()*+,;=:@/?]|%[0-9A-Fa-f]{2}){1,60}", fullmatch=True)
NASTY = ["a+b", "a%2Fb%2fc", "..", "a=b;c=d", "?", "%7E~", "a=1&&b", "%00", "//evil/?@", "%25%32"]


def signed_as_sent(entry: JournalEntry) -> bool:
    """Verify the signature over the received request line."""
    text = string_to_sign(
        entry.method,
        entry.target,
        entry.headers["x-ms-date"],
        entry.headers["Host"],
        entry.headers["x-ms-content-sha256"],
    )
    return entry.headers["Authorization"] == authorization(signature(DEVELOPMENT_KEY, text))


@pytest.mark.proves("S42")
def test_the_sent_target_is_the_signed_target() -> None:
    """Whatever the room id and the page token."""
    with gateway_for_examples() as (runner, running):

        def check(call: Awaitable[object], target: str) -> None:
            running.emulator.journal.clear()
            runner.run(failure_of(call))
            (entry,) = running.emulator.journal
            assert entry.target == target
            assert entry.status != 401
            assert signed_as_sent(entry)

        @given(ROOM_ID)
        @settings(max_examples=75, deadline=None)
        def of_a_room(room_id: str) -> None:
            target = f"/rooms/{room_id}?api-version=2025-03-13"
            check(send(running, GetRoomRequest(room_id=room_id)), target)

        @given(ROOM_ID, QUERY | st.sampled_from(NASTY))
        @settings(max_examples=150, deadline=None)
        @example("994", "x" * 8000)
        def of_a_list(room_id: str, query: str) -> None:
            token = page_tokens.encode(query, running.resource, "ListParticipants", room_id)
            request = ListParticipantsRequest(room_id=room_id, page_token=token)
            check(send(running, request), f"/rooms/{room_id}/participants?{query}")

        of_a_room()
        of_a_list()
        for query in NASTY:
            token = page_tokens.encode(query, running.resource, "ListRooms")
            request = ListRoomsRequest(page_token=token)
            check(send(running, request), f"/rooms?{query}")


async def test_a_create_is_signed_over_its_body(emulator: Emulator) -> None:
    async with gateway_for(emulator) as running:
        await send(running, CreateRoomRequest(pstn_dial_out_enabled=True))
        entry = running.last()
    digest = base64.b64encode(hashlib.sha256(entry.body).digest()).decode()
    assert entry.headers["x-ms-content-sha256"] == digest
    assert signed_as_sent(entry)
