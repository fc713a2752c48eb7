from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms_gateway.errors import InvalidPageTokenError
from rooms_gateway.services.convert.page_tokens import (
    decode,
    decode_within,
    encode,
    encode_within,
)
from rooms_gateway.upstream.paging import MAX_QUERY_LENGTH, is_query

URL_SAFE = set(string.ascii_letters + string.digits + "-_")
QUERIES = st.from_regex(r"(?:[A-Za-z0-9\-._~!$&()*+,;=:@/?]|%[0-9A-Fa-f]{2}){1,80}", fullmatch=True)
SCOPES = st.just(("ListRooms",)) | st.tuples(
    st.just("ListParticipants"), st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
)

MARKS = st.from_regex(r"-?[0-9]{1,12}\.[0-9]{1,9}\.[0-9a-f]{16}", fullmatch=True)


@given(QUERIES, SCOPES)
def test_queries_round_trip_through_tokens(query: str, scope: tuple[str, ...]) -> None:
    token = encode(query, *scope)
    assert decode(token, *scope) == query
    assert set(token) <= URL_SAFE


@given(QUERIES, SCOPES, SCOPES)
def test_a_token_is_valid_for_its_list_only(
    query: str, scope: tuple[str, ...], other: tuple[str, ...]
) -> None:
    token = encode(query, *scope)
    if scope == other:
        assert decode(token, *other) == query
    else:
        with pytest.raises(InvalidPageTokenError):
            decode(token, *other)


@given(st.none() | QUERIES, MARKS, SCOPES)
def test_marks_round_trip_through_tokens(
    query: str | None, mark: str, scope: tuple[str, ...]
) -> None:
    """Such a token is valid within its list only, and not where pages are whole."""
    token = encode_within(query, mark, *scope)
    assert decode_within(token, *scope) == (query, mark)
    assert set(token) <= URL_SAFE
    for invalid in (lambda: decode(token, *scope), lambda: decode_within(token, *scope, "other")):
        with pytest.raises(InvalidPageTokenError):
            invalid()


@given(st.none() | QUERIES, SCOPES)
def test_a_token_without_a_mark_resumes_after_its_page(
    query: str | None, scope: tuple[str, ...]
) -> None:
    assert decode_within(encode(query, *scope), *scope) == (query, "")


@pytest.mark.proves("S38")
@pytest.mark.parametrize(
    ("query", "mark"),
    [
        ("x", ""),
        ("x", "1.2"),
        ("x", f"1.2.{'g' * 16}"),
        ("x", f"\u0661.2.{'0' * 16}"),
        ("x", f"1.2.{'0' * 16}#"),
        ("x", f"1.2.{'0' * 16}\n"),
        ("a b", f"1.2.{'0' * 16}"),
        ("a\r\nHost: evil", f"1.2.{'0' * 16}"),
    ],
)
def test_a_forged_mark_is_rejected(query: str, mark: str) -> None:
    with pytest.raises(InvalidPageTokenError):
        decode_within(encode_within(query, mark, "ListRooms"), "ListRooms")


def test_an_empty_token_is_the_first_or_last_page() -> None:
    assert decode("", "ListRooms") is None
    assert encode(None, "ListRooms") == ""


def test_the_longest_token_is_valid_in_requests() -> None:
    """The validation of requests allows 16,384 characters."""
    token = encode("x" * MAX_QUERY_LENGTH, "ListRooms")
    assert len(token) <= 16384
    assert decode(token, "ListRooms") == "x" * MAX_QUERY_LENGTH


@pytest.mark.proves("S38")
def test_any_changed_character_is_rejected() -> None:
    token = encode("nextLink=W3s&api-version=2025-03-13", "ListRooms")
    for index in range(len(token)):
        for character in [*sorted(URL_SAFE), "=", "+", "/", " ", "\n", "é", "\0"]:
            if character != token[index]:
                with pytest.raises(InvalidPageTokenError):
                    decode(token[:index] + character + token[index + 1 :], "ListRooms")


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("=")))
def test_any_valid_token_is_canonical(text: str) -> None:
    """Any text is rejected, or encoding its query gives the same text."""
    try:
        query = decode(text, "ListRooms")
    except InvalidPageTokenError:
        return
    assert text == encode(query, "ListRooms")


@given(st.text(max_size=60).filter(lambda text: not is_query(text)))
def test_tokens_with_invalid_queries_are_rejected(text: str) -> None:
    """Tokens are not secret, so anyone can encode one; it can only hold a valid query."""
    with pytest.raises(InvalidPageTokenError):
        decode(encode(text, "ListRooms"), "ListRooms")


@pytest.mark.proves("S38")
@pytest.mark.parametrize(
    "text", ["a b", "a\r\nHost: evil", "a#b", "a\\b", '"', "é", "\0", "x" * (MAX_QUERY_LENGTH + 1)]
)
def test_a_forged_token_cannot_inject(text: str) -> None:
    with pytest.raises(InvalidPageTokenError):
        decode(encode(text, "ListRooms"), "ListRooms")
