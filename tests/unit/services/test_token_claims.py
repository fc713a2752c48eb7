"""Claims of access tokens: read as far as possible, from any text."""

from __future__ import annotations

import string

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from support.unsigned_tokens import base64url, unsigned_token

from rooms_gateway.services.convert.token_claims import Claims, read_claims

RESOURCE = "b60f5cc1-83a7-485a-a45c-7288de014884"
SAMPLE: dict[str, object] = {
    "skypeid": f"acs:{RESOURCE}_00000014-14a2-493b-8a72-5a3a0d000081",
    "scp": 1792,
    "csi": "1665387269",
    "exp": 1665390869,
    "acsScope": "chat,voip",
    "resourceId": RESOURCE,
    "resourceLocation": "unitedstates",
    "iat": 1665387269,
}
"""The claims of a token in Microsoft's documentation, with other ids."""

MALFORMED = {
    "empty": "",
    "text": "token",
    "dots without base64": "a.b.c",
    "only dots": "..",
    "two parts": unsigned_token(SAMPLE).rpartition(".")[0],
    "four parts": f"{unsigned_token(SAMPLE)}.x",
    "cut off at the start": unsigned_token(SAMPLE)[3:],
    "with the name of a scheme": f"Bearer {unsigned_token(SAMPLE)}",
    "a claim set that is cut off": unsigned_token(b'{"skypeid": "acs:a_b"'),
    "an array": unsigned_token(b"[1]"),
    "not UTF-8": unsigned_token(b"\xff\xfe"),
    "two objects": unsigned_token(b"{}{}"),
    "no claim of Communication Services": unsigned_token({"exp": 1665390869, "aud": "x"}),
    "64 KiB of dots": "." * 65_536,
    "64 KiB of brackets": unsigned_token(b'{"skypeid": ' + b"[" * 48_000),
    "64 KiB of letters": f"{'A' * 32_768}.{'A' * 32_766}.",
    "not ASCII": "é" * 32_768,
    "lone surrogates": "\ud800.\ud800.\ud800",
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(["skypeid", "exp", "iat", "acsScope", "resourceId", "scp"])


def read(claims: dict[str, object]) -> Claims:
    found = read_claims(unsigned_token(claims))
    assert found is not None
    return found


def test_claims_of_a_sample_token() -> None:
    found = read(SAMPLE)
    assert (found.raw_id, found.resource_id) == (f"8:{SAMPLE['skypeid']}", RESOURCE)
    assert found.public.expires_at == Timestamp(seconds=1665390869)
    assert found.public.issued_at == Timestamp(seconds=1665387269)
    assert list(found.public.scope_names) == ["chat", "voip"]


@pytest.mark.parametrize("token", MALFORMED.values(), ids=MALFORMED)
def test_malformed_tokens_have_no_claims(token: str) -> None:
    assert read_claims(token) is None


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (b"1665390869", 1665390869),
        (b"1665390869.987", 1665390869),
        (b"1.665390869e9", 1665390869),
        (b"0", 0),
        (b"-1", -1),
        (b"-0.5", -1),
        (b"-62135596800", -62_135_596_800),
        (b"253402300799", 253_402_300_799),
        (b"253402300800", None),
        (b"-62135596801", None),
        (b"1e300", None),
        (b"1e999", None),
        (b"9" * 5000, None),
        (b"123456789012345678901234567890", None),
        (b'"1665390869"', None),
        (b"true", None),
        (b"null", None),
        (b"[1665390869]", None),
    ],
)
def test_only_times_in_range_are_read(written: bytes, seconds: int | None) -> None:
    """A time is cut off to seconds; any other value is ignored, and the other claims are read."""
    found = read_claims(unsigned_token(b'{"resourceId": "x", "exp": %s}' % written))
    assert found is not None
    assert found.resource_id == "x"
    expiry = found.public.expires_at if found.public.HasField("expires_at") else None
    assert expiry == (None if seconds is None else Timestamp(seconds=seconds))


@pytest.mark.parametrize(
    ("written", "scopes"),
    [
        ("voip", ["voip"]),
        ("chat,voip.join", ["chat", "voip.join"]),
        ("chat, voip", ["chat", "voip"]),
        ("", []),
        (",", []),
        (None, []),
        (["voip"], []),
        (7, []),
    ],
)
def test_scopes_are_read_from_text(written: object, scopes: list[str]) -> None:
    found = read({"skypeid": "acs:a_b", "acsScope": written})
    assert list(found.public.scope_names) == scopes


@pytest.mark.parametrize("name", ["skypeid", "exp", "iat", "acsScope", "resourceId"])
@pytest.mark.parametrize("value", [None, 1, "", [], {}, True])
def test_a_bad_claim_does_not_hide_the_others(name: str, value: object) -> None:
    expected = read({key: each for key, each in SAMPLE.items() if key != name})
    found = read({**SAMPLE, name: value})
    if name in ("exp", "iat"):
        # 1 is a time.
        found.public.ClearField("expires_at")
        found.public.ClearField("issued_at")
        expected.public.ClearField("expires_at")
        expected.public.ClearField("issued_at")
    assert found == expected


@given(st.text(max_size=300) | st.text(alphabet=f"{string.ascii_letters}{string.digits}-_.=+/"))
def test_any_text_can_be_read(token: str) -> None:
    read_claims(token)


@given(st.binary(max_size=300), st.binary(max_size=20))
def test_any_bytes_in_a_token_can_be_read(payload: bytes, header: bytes) -> None:
    read_claims(unsigned_token(payload))
    read_claims(f"{base64url(header)}.{base64url(payload)}.")


@given(st.dictionaries(NAMES | st.text(), JSON))
def test_any_claims_can_be_sent_in_a_response(claims: dict[str, object]) -> None:
    found = read_claims(unsigned_token(claims))
    if found is not None:
        assert found.public.FromString(found.public.SerializeToString()) == found.public
        for field in ("expires_at", "issued_at"):
            getattr(found.public, field).ToJsonString()
