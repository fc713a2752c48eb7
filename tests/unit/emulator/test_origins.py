"""Scheme, host and port of links: those that the client used."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms_emulator.http.origins import Origins
from rooms_emulator.problems import ServiceError

HOST = "emulator:8125"
DIRECT = f"http://{HOST}"


def origin(
    headers: Mapping[str, str], *, trusted: bool = True, scheme: str = "http", port: int = 8125
) -> str:
    return Origins(trust_forwarded=trusted).of(scheme, port, {"Host": HOST, **headers})


@pytest.mark.parametrize(
    "host",
    ["localhost:9000", "127.0.0.1:8125", "[::1]:8125", "my_emulator:443", "a.test:80"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_links_have_the_host_of_the_request(scheme: str, host: str) -> None:
    assert origin({"Host": host}, scheme=scheme) == f"{scheme}://{host}"


@pytest.mark.parametrize(
    ("scheme", "host", "port", "expected"),
    [
        ("https", "localhost", 8125, "https://localhost:8125"),
        ("https", "[::1]", 8125, "https://[::1]:8125"),
        ("https", "localhost", 443, "https://localhost"),
        ("https", "localhost", 80, "https://localhost:80"),
        ("http", "localhost", 80, "http://localhost"),
        ("http", "localhost", 443, "http://localhost:443"),
    ],
)
def test_a_host_without_port(scheme: str, host: str, port: int, expected: str) -> None:
    """Microsoft's client for Java omits the port: it is that of the connection."""
    assert origin({"Host": host}, scheme=scheme, port=port) == expected


@pytest.mark.parametrize(
    "host",
    ["", "a b", "a/b", "a:0", "a:65536", "a:", "a:b", "user@a", "[::1", "::1", "a\r\nb", "ä.test"],
)
def test_a_malformed_host_is_an_error(host: str) -> None:
    with pytest.raises(ServiceError):
        origin({"Host": host})


FORWARDED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "rooms.test:8443",
    "Forwarded": "for=192.0.2.1;proto=https;host=rooms.test",
}


@pytest.mark.parametrize("name", FORWARDED)
def test_headers_of_proxies_are_ignored_by_default(name: str) -> None:
    assert origin({name: FORWARDED[name]}, trusted=False) == DIRECT


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, DIRECT),
        ({"X-Forwarded-Proto": "https"}, f"https://{HOST}"),
        ({"X-Forwarded-Proto": "HTTPS"}, f"https://{HOST}"),
        ({"X-Forwarded-Host": "rooms.test:8443"}, "http://rooms.test:8443"),
        ({"X-Forwarded-Host": "[2001:db8::1]:8443"}, "http://[2001:db8::1]:8443"),
        # A separate port completes a host without one, unless it is that of the scheme.
        ({"X-Forwarded-Host": "rooms.test", "X-Forwarded-Port": "8443"}, "http://rooms.test:8443"),
        ({"X-Forwarded-Host": "[::1]", "X-Forwarded-Port": "8443"}, "http://[::1]:8443"),
        ({"X-Forwarded-Host": "rooms.test", "X-Forwarded-Port": "80"}, "http://rooms.test"),
        ({"X-Forwarded-Host": "a.test:1", "X-Forwarded-Port": "2"}, "http://a.test:1"),
        ({"X-Forwarded-Host": "a.test", "X-Forwarded-Port": "0"}, "http://a.test"),
        ({"X-Forwarded-Host": "a.test", "X-Forwarded-Port": "x"}, "http://a.test"),
        ({"X-Forwarded-Port": "8443"}, DIRECT),
        # The port of the connection is not that of the proxy.
        ({"Host": "a.test", "X-Forwarded-Proto": "https"}, "https://a.test"),
        ({"Host": "a.test", "X-Forwarded-Port": "8443"}, "http://a.test:8443"),
        ({"Host": "a.test"}, "http://a.test:8125"),
        # The first proxy received the request from the client.
        ({"X-Forwarded-Host": "rooms.test:1, inner:2"}, "http://rooms.test:1"),
        ({"X-Forwarded-Proto": "https, http"}, f"https://{HOST}"),
        ({"Forwarded": "proto=https;host=rooms.test"}, "https://rooms.test"),
        ({"Forwarded": 'proto=https;host="rooms.test:8443"'}, "https://rooms.test:8443"),
        ({"Forwarded": "Proto=https; Host=rooms.test:8443"}, "https://rooms.test:8443"),
        ({"Forwarded": 'host="a.test:1";proto=https, host="b.test:2"'}, "https://a.test:1"),
        ({"Forwarded": 'for="[::1]:9, x";proto=https, for=b'}, f"https://{HOST}"),
        ({"Forwarded": r'host="a\.test:1"'}, "http://a.test:1"),
        ({"Forwarded": "proto=https", "X-Forwarded-Host": "a.test:1"}, "https://a.test:1"),
        # Malformed values are ignored.
        ({"Forwarded": "nonsense"}, DIRECT),
        ({"Forwarded": 'host="a.test'}, DIRECT),
        ({"Forwarded": "proto=ftp;host=a/b"}, DIRECT),
        ({"X-Forwarded-Proto": "javascript", "X-Forwarded-Host": "a b"}, DIRECT),
    ],
)
def test_headers_of_a_trusted_proxy(headers: Mapping[str, str], expected: str) -> None:
    assert origin(headers) == expected


@given(
    st.dictionaries(
        st.sampled_from(["Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port"]),
        st.text('ahtps.:/;,="\\[]@ 0189\r\n', max_size=40),
    )
)
def test_any_headers_lead_to_an_origin(headers: Mapping[str, str]) -> None:
    """It is one that the emulator itself accepts as a public URL."""
    found = origin(headers)
    assert Origins(found).public == found


@pytest.mark.parametrize(
    "url", ["https://rooms.test:8443", "http://rooms.test/", "https://[::1]:1"]
)
def test_a_public_url_overrides_the_request(url: str) -> None:
    origins = Origins(url, trust_forwarded=True)
    assert origins.of("http", 8125, {"Host": HOST, **FORWARDED}) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        *("", "\n", "rooms.test", "ftp://a.test", "https://", "https://a.test/x"),
        *("https://u:p@a.test", "https://a.test:0", "https://a.test:65536", "https://a.test?x"),
        "https://a.test//",
    ],
)
def test_a_malformed_public_url_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match=r"is no public URL: use https://HOST:PORT"):
        Origins(url)
