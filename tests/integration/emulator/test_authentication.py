"""Signatures with an access key."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import pytest
from aiohttp import ClientSession
from hypothesis import assume, given
from hypothesis import strategies as st
from support.signature_vectors import BODIES, KEY, REQUESTS, TEXTS
from support.signed_requests import (
    Client,
    Signer,
    authorization,
    hash_of,
    signature,
    string_to_sign,
)

from rooms_emulator import DEVELOPMENT_KEY, Emulator, timestamps
from rooms_emulator.auth.access_key import AccessKey, accepted_targets
from rooms_emulator.clock import Clock
from rooms_emulator.http.messages import RawRequest
from rooms_emulator.problems import ServiceError

DATE = "Thu, 06 Mar 2025 00:20:03 GMT"
HOST = "127.0.0.1:8080"
EMPTY = dict(BODIES)[b""]
DENIED = "Denied by the resource provider."
WRONG_HASH = "Request 'x-ms-content-sha256' differs from generated content hash."
WRONG_DATE = (
    "The time difference between the originating client and the server is greater than the "
    "allowed margin of 5 minutes."
)


def verifier(key: str = KEY, date: str = DATE) -> AccessKey:
    """Return a verifier whose clock is at this date."""
    nanoseconds = timestamps.parse_http_date(date) * 100
    return AccessKey(key, Clock(lambda: nanoseconds), 300)


def headers(signed: str, content_hash: str, date: str = DATE, host: str = HOST) -> dict[str, str]:
    return {
        "Authorization": authorization(signed),
        "x-ms-date": date,
        "x-ms-content-sha256": content_hash,
        "Host": host,
    }


@pytest.mark.parametrize(("body", "content_hash"), BODIES)
def test_hashes_of_recorded_bodies(body: bytes, content_hash: str) -> None:
    assert hash_of(body) == content_hash


@pytest.mark.parametrize(("text", "signed"), TEXTS)
def test_signatures_of_microsofts_test_texts(text: str, signed: str) -> None:
    assert signature("pw==", text) == signed


@pytest.mark.parametrize(("method", "target", "body", "signed"), REQUESTS)
def test_signature_vectors_are_accepted(method: str, target: str, body: bytes, signed: str) -> None:
    verifier().verify(RawRequest(method, target, headers(signed, hash_of(body)), body))


DATE_HEADERS = ("x-ms-date", "date")
"""Microsoft documents both; browsers can set the first only."""

texts = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), max_size=40)
methods = st.sampled_from(["GET", "POST", "PATCH", "DELETE"])
targets = texts.map(lambda text: f"/{text}")
dates = st.integers(-299, 299).map(
    lambda seconds: timestamps.render_http_date(
        timestamps.parse_http_date(DATE) + seconds * timestamps.TICKS_PER_SECOND
    )
)


@given(
    method=methods,
    target=targets,
    body=st.binary(max_size=40),
    form=st.integers(0, 2),
)
def test_each_signed_form_of_a_target_is_accepted(
    method: str, target: str, body: bytes, form: int
) -> None:
    forms = list(accepted_targets(target))
    signed_target = forms[min(form, len(forms) - 1)]
    text = string_to_sign(method, signed_target, DATE, HOST, hash_of(body))
    lines = headers(signature(KEY, text), hash_of(body))
    verifier().verify(RawRequest(method, target, lines, body))


@pytest.mark.parametrize(
    ("target", "forms"),
    [
        ("/rooms?api-version=2025-03-13", ["/rooms?api-version=2025-03-13"]),
        ("/rooms/a%20b?x=1", ["/rooms/a%20b?x=1", "/rooms/a b?x=1"]),
        ("/rooms?x=a%20b", ["/rooms?x=a%20b", "/rooms?x=a b", "/rooms?x=a+b"]),
        ("/rooms?x=~*", ["/rooms?x=~*", "/rooms?x=%7E*"]),
    ],
)
def test_accepted_targets(target: str, forms: list[str]) -> None:
    """A target is accepted raw, percent-decoded, and with a form-encoded query."""
    assert list(accepted_targets(target)) == forms


@st.composite
def signed_requests(draw: st.DrawFn) -> RawRequest:
    method, target, body = draw(methods), draw(targets), draw(st.binary(max_size=40))
    signer = Signer(draw(texts), KEY, draw(dates), draw(st.sampled_from(DATE_HEADERS)))
    return RawRequest(
        method, target, signer.headers(method, target, body) | {"Host": signer.host}, body
    )


@given(signed_requests(), signed_requests())
def test_a_signature_covers_every_part(request: RawRequest, other: RawRequest) -> None:
    """A change of method, target, body, date, host, hash or key invalidates a signature."""
    verifier().verify(request)
    # The service cannot distinguish two targets with a common form.
    assume(set(accepted_targets(request.target)).isdisjoint(accepted_targets(other.target)))
    changes = [
        request._replace(method=other.method),
        request._replace(target=other.target),
        request._replace(body=other.body),
        *(
            request._replace(headers={**request.headers, name: other.headers[name]})
            for name in ("x-ms-content-sha256", "Host", "Authorization")
        ),
        *(
            request._replace(headers={**request.headers, name: date})
            for name in DATE_HEADERS
            for date in (other.headers.get(name),)
            if date is not None and name in request.headers
        ),
    ]
    for changed in changes:
        if changed != request:
            with pytest.raises(ServiceError) as rejected:
                verifier().verify(changed)
            assert rejected.value.status == 401
    with pytest.raises(ServiceError):
        verifier("c3RyYW5nZXI=").verify(request)


@pytest.mark.parametrize(
    "change",
    [
        {"Authorization": ""},
        {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
        {"Authorization": authorization("")},
        {"Authorization": authorization("x" * 44)},
        {"Authorization": authorization(f"{EMPTY}=")},
        {"Authorization": authorization(EMPTY).replace("HMAC-SHA256", "HMAC-SHA1")},
        {"Authorization": authorization(EMPTY).replace(";host", "")},
        {"x-ms-date": ""},
        {"x-ms-date": "yesterday"},
        {"x-ms-date": "2025-03-06T00:20:03Z"},
        {"x-ms-date": "Thu, 06 Mar 2025 00:20:03"},
        {"x-ms-content-sha256": ""},
    ],
)
async def test_malformed_credentials_are_denied(client: Client, change: Mapping[str, str]) -> None:
    response = await client.call("GET", "/rooms", headers=change)
    assert (response.status, response.headers["x-ms-error-code"]) == (401, "Denied")
    assert response.json == {"error": {"code": "Denied", "message": DENIED}}


@pytest.mark.parametrize("signed", DATE_HEADERS)
async def test_the_signed_date_counts(client: Client, signed: str) -> None:
    """The other header is ignored, and does not replace a missing one."""
    client.signer.date_header = signed
    (other,) = {*DATE_HEADERS} - {signed}
    for value in ("", "yesterday", DATE):
        assert (await client.call("GET", "/rooms", headers={other: value})).status == 200
    client.signer.date = DATE
    response = await client.call("GET", "/rooms")
    assert (response.status, response.error["message"]) == (401, WRONG_DATE)
    lines = {"Authorization": authorization(EMPTY, other)}
    response = await client.call("GET", "/rooms", headers=lines)
    assert (response.status, response.error["message"]) == (401, DENIED)


async def test_a_wrong_content_hash_is_denied(client: Client) -> None:
    response = await client.call("POST", "/rooms", {}, headers={"x-ms-content-sha256": EMPTY})
    assert (response.status, response.error["message"]) == (401, WRONG_HASH)


@pytest.mark.parametrize("seconds", [-301, 301])
async def test_a_date_5_minutes_off_is_denied(
    emulator: Emulator, client: Client, seconds: int
) -> None:
    emulator.clock.freeze()
    now = emulator.clock.now()
    client.signer.date = timestamps.render_http_date(now + seconds * timestamps.TICKS_PER_SECOND)
    response = await client.call("GET", "/rooms")
    assert (response.status, response.error["message"]) == (401, WRONG_DATE)


async def test_date_margin(client: Client) -> None:
    async with Emulator(date_margin=30) as strict:
        strict.clock.advance(60)
        client = Client(client._session, strict.endpoint)
        response = await client.call("GET", "/rooms")
        assert response.status == 401
        assert "0.5 minutes" in response.error["message"]


async def test_the_date_of_a_401_corrects_a_clock(emulator: Emulator, client: Client) -> None:
    """A client can compute its clock's offset from `Date`."""
    emulator.clock.advance(3600)
    response = await client.call("GET", "/rooms")
    assert response.status == 401
    client.signer.date = response.headers["Date"]
    assert (await client.call("GET", "/rooms")).status == 200


async def test_other_access_keys_are_denied(client: Client) -> None:
    client.signer.key = KEY
    assert (await client.call("GET", "/rooms")).status == 401
    async with Emulator(access_key=KEY) as other, ClientSession() as session:
        other_client = Client(session, other.endpoint)
        assert (await other_client.call("GET", "/rooms")).status == 401
        other_client.signer.key = KEY
        assert (await other_client.call("GET", "/rooms")).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nowhere"), ("PUT", "/rooms"), ("POST", "/rooms"), ("GET", "/rooms/1")],
)
async def test_credentials_are_checked_first(client: Client, method: str, path: str) -> None:
    client.signer.key = KEY
    response = await client.call(method, path, b"{", version=None)
    assert response.status == 401


async def test_reserved_characters_in_a_signed_path(
    client: Client,
) -> None:
    """JavaScript signs them encoded, Python decoded."""
    target = f"/rooms/{quote('a b/%é?x=1', safe='')}?api-version=2025-03-13"
    decoded = "/rooms/a b/%é?x=1?api-version=2025-03-13"
    for signed in (target, decoded):
        lines = client.signer.headers("GET", signed)
        response = await client.send("GET", target, b"", lines)
        assert (response.status, response.error["message"]) == (400, "Invalid room ID length.")


@pytest.mark.parametrize("key", ["", "n0t-b@se", "xyz", "é" * 4])
def test_an_invalid_access_key_is_not_echoed(key: str) -> None:
    with pytest.raises(ValueError, match="the access key is") as rejected:
        Emulator(access_key=key)
    assert not key or key not in str(rejected.value)


@pytest.mark.proves("S68")
def test_development_key_is_not_a_secret() -> None:
    """Decoded, the key states that it is not a secret."""
    assert DEVELOPMENT_KEY == (
        "cm9vbXMtZ2F0ZXdheSBlbXVsYXRvcjogdGhpcyBkZXZlbG9wbWVudCBrZXkgaXMgTk9UIGEgc2VjcmV0Lg=="
    )
