from __future__ import annotations

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from rooms_gateway.errors import InvalidUpstreamResponseError
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.paging import MAX_QUERY_LENGTH, is_query, safe_next_query

CLOUD = Endpoint.parse("https://contoso.communication.azure.com/")
LOCAL = Endpoint.parse("http://127.0.0.1:8125")
IPV6 = Endpoint.parse("http://[::1]:8125")
PATH = "/rooms"


@pytest.mark.parametrize(
    ("link", "endpoint", "query"),
    [
        ("https://contoso.communication.azure.com/rooms?a=b", CLOUD, "a=b"),
        ("https://contoso.communication.azure.com:443/rooms?a=b", CLOUD, "a=b"),
        ("HTTPS://Contoso.Communication.Azure.com/rooms?a=b", CLOUD, "a=b"),
        (
            "http://127.0.0.1:8125/rooms?nextLink=W3s&api-version=v",
            LOCAL,
            "nextLink=W3s&api-version=v",
        ),
        ("http://[::1]:8125/rooms?a=%2F%2f", IPV6, "a=%2F%2f"),
        ("http://127.0.0.1:8125/rooms?a=/?:@;b", LOCAL, "a=/?:@;b"),
        ("/rooms?a=b", CLOUD, "a=b"),
    ],
)
def test_the_query_of_a_link_is_unchanged(link: str, endpoint: Endpoint, query: str) -> None:
    assert safe_next_query(link, endpoint, PATH) == query


@pytest.mark.parametrize(
    ("link", "endpoint"),
    [
        ("https://contoso.communication.azure.com:8443/rooms?a=b", CLOUD),
        ("https://contoso.communication.azure.com:0/rooms?a=b", CLOUD),
        ("https://contoso.communication.azure.com.evil.example/rooms?a=b", CLOUD),
        ("https://contoso.communication.azure.com./rooms?a=b", CLOUD),
        ("https://fabrikam.communication.azure.com/rooms?a=b", CLOUD),
        ("https://contoso.communication.azure.com@evil.example/rooms?a=b", CLOUD),
        ("http://contoso.communication.azure.com/rooms?a=b", CLOUD),
        ("http://contoso.communication.azure.com:443/rooms?a=b", CLOUD),
        ("https://127.0.0.1:8125/rooms?a=b", LOCAL),
        ("http://[::1]:8126/rooms?a=b", IPV6),
        ("http://[::2]:8125/rooms?a=b", IPV6),
        # Unicode characters with an ASCII letter as lower case, and non-ASCII digits.
        ("https://contoso.communication.azure.com/rooms?a=b".replace("k", "\u212a"), LOCAL),
        ("http://127.0.0.1:8125/rooms?a=b".replace("1", "\uff11"), LOCAL),
    ],
)
def test_a_link_to_another_origin_is_rejected(link: str, endpoint: Endpoint) -> None:
    with pytest.raises(InvalidUpstreamResponseError):
        safe_next_query(link, endpoint, PATH)


PIECES = st.sampled_from(
    [
        "http://", "https://", "//", "/", "\\", "@", ":", "8125", "443", "0", "127.0.0.1", "[::1]",
        "contoso.communication.azure.com", "evil.example", "user:key@", "/rooms", "/keys", "..",
        "%2e%2e", "?", "#", "&", "=", "a", "nextLink=", "api-version=2025-03-13", "%", "%0d%0a",
        "\r\n", "\t", " ", "\0", "é", "\u2028", "\ufeff",
    ]
)  # fmt: skip
LINKS = st.one_of(
    st.text(max_size=60),
    st.lists(PIECES, max_size=10).map("".join),
    st.builds(
        "{}/rooms?{}".format,
        st.sampled_from([CLOUD.origin, LOCAL.origin, IPV6.origin]),
        st.text(max_size=30),
    ),
)


@pytest.mark.proves("S36")
@given(LINKS, st.sampled_from([CLOUD, LOCAL, IPV6]))
@example("http://127.0.0.1:8125/rooms?a#b", LOCAL)
@example("http://127.0.0.1:8125/rooms?a\r\nb", LOCAL)
def test_any_link_is_rejected_or_a_safe_query(link: str, endpoint: Endpoint) -> None:
    """The query can be sent unchanged."""
    try:
        query = safe_next_query(link, endpoint, PATH)
    except InvalidUpstreamResponseError as error:
        # The error text for callers contains no part of the link.
        message = str(error)
    else:
        assert is_query(query)
        assert link.endswith(f"{PATH}?{query}")
        sent = URL(f"{endpoint.origin}{PATH}?{query}", encoded=True)
        assert str(sent.origin()) == endpoint.origin
        assert sent.raw_path_qs == f"{PATH}?{query}"
        return
    assert message in {
        "the Rooms service sent a nextLink that is not a URL",
        "the Rooms service sent a nextLink to another host or path",
        "the Rooms service sent a nextLink with an empty or invalid query",
    }


@given(st.text(alphabet=string.printable + "é", max_size=50))
def test_queries_have_only_rfc_3986_characters(text: str) -> None:
    if is_query(text):
        assert text.isascii()
        assert not set(text) & set(" \t\r\n\"'<>\\^`{|}#[]")
        assert str(URL(f"http://h/p?{text}", encoded=True)) == f"http://h/p?{text}"


def test_queries_have_a_bounded_length() -> None:
    assert is_query("x" * MAX_QUERY_LENGTH)
    assert not is_query("x" * (MAX_QUERY_LENGTH + 1))
    assert not is_query("")
