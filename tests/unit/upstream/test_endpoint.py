from __future__ import annotations

import base64
import contextlib
from types import NoneType

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from yarl import URL

from rooms_gateway.upstream.endpoint import Endpoint, parse_access_key, parse_connection_string

KEY = base64.b64encode(b"a key that must not be shown anywhere").decode()


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "authority"),
    [
        ("https://contoso.example", "https", "contoso.example", 443, "contoso.example"),
        ("https://contoso.example/", "https", "contoso.example", 443, "contoso.example"),
        ("HTTPS://Contoso.Example:443", "https", "contoso.example", 443, "contoso.example"),
        ("https://room_s-1.example", "https", "room_s-1.example", 443, "room_s-1.example"),
        ("https://contoso.example.", "https", "contoso.example.", 443, "contoso.example."),
        ("https://contoso.example:8443/", "https", "contoso.example", 8443, "contoso.example:8443"),
        ("https://10.0.0.1", "https", "10.0.0.1", 443, "10.0.0.1"),
        ("https://contoso.example:80", "https", "contoso.example", 80, "contoso.example:80"),
        ("http://127.0.0.1:8125/", "http", "127.0.0.1", 8125, "127.0.0.1:8125"),
        ("http://localhost", "http", "localhost", 80, "localhost"),
        ("http://[::1]:8125", "http", "::1", 8125, "[::1]:8125"),
    ],
)  # fmt: skip
def test_endpoints_are_parsed(text: str, scheme: str, host: str, port: int, authority: str) -> None:
    endpoint = Endpoint.parse(text)
    assert (endpoint.scheme, endpoint.host, endpoint.port) == (scheme, host, port)
    assert endpoint.authority == authority
    assert endpoint.origin == f"{scheme}://{authority}"


@pytest.mark.proves("S39")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must be a URL"),
        ("contoso.communication.azure.com", "must be a URL"),
        ("//contoso.communication.azure.com", "must be a URL"),
        ("ftp://contoso.example", "must be a URL"),
        ("unix:/run/rooms", "must be a URL"),
        ("https://", "must be a URL"),
        ("https://:443", "must be a URL"),
        ("https://contoso.example/rooms", "must not have a path"),
        ("https://contoso.example//", "must not have a path"),
        ("https://contoso.example/?a=b", "must not have a query"),
        ("https://contoso.example/#top", "must not have a query or a fragment"),
        ("https://user@contoso.example", "user name or password"),
        ("https://user:word@contoso.example", "user name or password"),
        ("https://contoso.example:99999", "is not a URL"),
        ("https://contoso.example:port", "is not a URL"),
        ("https://[::1", "is not a URL"),
        ("https://contoso .example", "characters that are not allowed in a URL"),
        ("https://contoso.example\n", "characters that are not allowed in a URL"),
        ("https://cöntoso.example", "characters that are not allowed in a URL"),
        ("https://contoso..communication.azure.com", "invalid host or port"),
        ("https://.contoso.example", "invalid host or port"),
        (f"https://{'x' * 64}.example", "invalid host or port"),
        (f"https://{'x.' * 127}example", "invalid host or port"),
        ("https://-contoso.example", "invalid host or port"),
        ("https://con,toso.example", "invalid host or port"),
        ('https://con"toso.example', "invalid host or port"),
        ("https://con\\toso.example", "invalid host or port"),
        ("https://con%74oso.example", "invalid host or port"),
        ("https://[v1.x]", "invalid host or port"),
        ("https://[::1%eth0]", "invalid host or port"),
        ("https://contoso.example:0", "invalid host or port"),
        ("http://contoso.communication.azure.com", "must be on loopback"),
        ("http://10.0.0.1:8125", "must be on loopback"),
        ("http://0.0.0.0:8125", "must be on loopback"),
        ("http://localhost.evil.example", "must be on loopback"),
        ("http://127.0.0.1.evil.example", "must be on loopback"),
    ],
)
def test_an_invalid_endpoint_is_rejected(text: str, reason: str) -> None:
    """The error is one line."""
    with pytest.raises(ValueError, match=reason) as raised:
        Endpoint.parse(text)
    assert "\n" not in str(raised.value)


PIECES = st.sampled_from(
    ["http://", "https://", "//", "localhost", "127.0.0.1", "[::1]", "[", "]", "::1", "a.example",
     ":", "443", "0", "65536", "/", "?", "#", "@", "\\", "%", "%41", "%eth0", "_", "-", ".", "..",
     ",", ";", "<", ">", '"', "'", "`", "{", "}", "|", "^", "*", "(", "v1.x", " ", "\t", "é"]
)  # fmt: skip


@given(st.text(max_size=40) | st.lists(PIECES, max_size=8).map("".join))
@example("https://[v1.x]")
@example('https://a"b')
@example("https://a%zz")
def test_endpoints_mean_the_same_to_yarl(text: str) -> None:
    """Any text is rejected or parsed as another URL library parses it."""
    try:
        endpoint = Endpoint.parse(text)
    except ValueError:
        return
    assert Endpoint.parse(endpoint.origin) == endpoint
    url = URL(endpoint.origin + "/rooms?a=b", encoded=True)
    assert (url.scheme, url.port, url.raw_path_qs) == (endpoint.scheme, endpoint.port, "/rooms?a=b")
    assert (url.raw_host or "").lower() == endpoint.host
    assert not set(endpoint.authority) & set(" \t\r\n/\\?#@")


# Connection strings.


@pytest.mark.parametrize(
    "text",
    [
        f"endpoint=https://contoso.example/;accesskey={KEY}",
        f"accesskey={KEY};endpoint=https://contoso.example",
        f"Endpoint=https://contoso.example/;AccessKey={KEY};",
        f"  ENDPOINT = https://contoso.example/ ; accesskey = {KEY} \n",
        f"novelty=1;endpoint=https://contoso.example/;;accesskey={KEY};flag",
    ],
)
def test_connection_strings_parse_like_the_sdk(text: str) -> None:
    """As Microsoft's Python client parses them."""
    endpoint, key = parse_connection_string(text)
    assert endpoint == Endpoint("https", "contoso.example", 443)
    assert key == base64.b64decode(KEY)


PASTED = f"endpoint=https://contoso.example/;accesskey={KEY}"


@pytest.mark.parametrize(
    "form",
    [
        '"{}"',
        "'{}'",
        "“{}”",
        "\u2018{}\u2019",
        '  "{}"\r\n',
        '" {} "',
        '"{};"',
        '"{}";',
        "\ufeff{}\r\n",
        '\ufeff"{}"',
        "{};;\n",
    ],
)
def test_marks_around_a_connection_string_are_removed(form: str) -> None:
    assert parse_connection_string(form.format(PASTED)) == parse_connection_string(PASTED)


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ('"{}', "begins with a quotation mark: remove"),
        ("{}'", "ends with a quotation mark: remove"),
        ("\"{}'", "begins with a quotation mark: remove"),
        ("`{}`", "begins with a quotation mark: remove"),
        ("\"'{}'\"", "begins with a quotation mark: remove"),
        ('""', "no endpoint and no accesskey"),
        ('"', "begins with a quotation mark: remove"),
        ("X={}", "begins with the name of a variable: keep only the text from endpoint= on"),
        ('export COMMUNICATION_CONNECTION_STRING="{}"', "begins with the name of a variable"),
        ("set X = '{}'", "begins with the name of a variable"),
        ('$env:X="{}"', "begins with the name of a variable"),
        ("{0};{0}", "has endpoint twice: keep one of the two strings in it"),
        ("{0}\n{0}", "has accesskey twice: keep one of the two strings in it"),
        (f"{{}};AccessKey={KEY}", "has accesskey twice: keep one"),
        (f"endpoint={KEY};accesskey=https://contoso.example", "exchange the values of endpoint"),
        ("https://contoso.example", "begins with a URL: put endpoint= before it"),
        (f"https://contoso.example;accesskey={KEY}", "begins with a URL: put endpoint= before it"),
    ],
)
def test_what_cannot_be_removed_has_a_remedy(form: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        parse_connection_string(form.format(PASTED))
    assert KEY[:8] not in str(raised.value)
    assert "contoso" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no endpoint and no accesskey"),
        (";;", "no endpoint and no accesskey"),
        (KEY, "no endpoint and no accesskey"),
        ("endpoint=https://contoso.example", "no accesskey"),
        ("endpoint=https://contoso.example;accesskey=", "no accesskey"),
        (f"accesskey={KEY}", "no endpoint"),
        (f"endpoint={KEY};accesskey={KEY}", "must be a URL"),
        (f"endpoint=https://contoso.example;accesskey={KEY}!", "not base64"),
        (f"endpoint=https://contoso.example;accesskey={KEY[:-1]}x", "not base64"),
        (f"endpoint=https://contoso.example;accesskey={KEY[:-3]}", "not base64"),
        (f"endpoint=https://contoso.example;accesskey={KEY[:10]} {KEY[10:]}", "not base64"),
        ("endpoint=https://contoso.example;accesskey=é", "not base64"),
        ("endpoint=https://contoso.example;accesskey====", "not base64"),
        (f"endpoint=https://contoso.example/{KEY};accesskey={KEY}", "must not have a path"),
        (f"endpoint=http://contoso.example;accesskey={KEY}", "must be on loopback"),
    ],
)
def test_an_invalid_connection_string_is_redacted(text: str, reason: str) -> None:
    """The error does not contain the key."""
    with pytest.raises(ValueError, match=reason) as raised:
        parse_connection_string(text)
    assert KEY[:8] not in str(raised.value)
    assert raised.value.__cause__ is None


SEGMENTS = st.lists(
    st.sampled_from(["endpoint", "accesskey", "=", ";", "https://contoso.example", "/x", " ", "\n"])
    | st.text(max_size=5),
    max_size=10,
).map("".join)


def error_of(text: str) -> Exception | None:
    """Return the error for `text` as a connection string; None if it is valid."""
    try:
        parse_connection_string(text)
    except Exception as error:  # noqa: BLE001 - the test checks the type
        return error
    return None


# With a prefix that no error text contains; its eight letters keep base64 valid.
KEYS = (
    st.text(st.characters(codec="utf-8", exclude_characters=" ;="), max_size=60)
    | st.binary(min_size=12, max_size=60).map(lambda raw: base64.b64encode(raw).decode())
).map("canaries{}".format)


@pytest.mark.proves("S56")
@given(before=SEGMENTS, key=KEYS, after=SEGMENTS)
def test_connection_string_errors_are_redacted(before: str, key: str, after: str) -> None:
    for text in (
        f"{before};accesskey={key};{after}",
        f"endpoint=https://{key}/;accesskey={key}{after}",
        f"{before}{key}{after}",
    ):
        error = error_of(text)
        assert type(error) in {ValueError, NoneType}
        assert key not in f"{error} {error!r}"


@given(st.binary(min_size=1, max_size=100))
def test_keys_may_have_surrounding_whitespace(raw: bytes) -> None:
    text = base64.b64encode(raw).decode()
    assert parse_access_key(text) == parse_access_key(f" {text}\r\n") == raw


@given(st.text(max_size=50))
def test_keys_must_be_base64(text: str) -> None:
    with contextlib.suppress(ValueError):
        key = parse_access_key(text)
        assume(text.strip().isascii())
        assert base64.b64encode(key).decode().rstrip("=")[:-1] == text.strip().rstrip("=")[:-1]
