"""Parsers of untrusted text: each accepts it or raises its one declared error.

Each parser has seeds: valid texts, and texts that are known or likely to cause errors. The examples
are the seeds, variations of them, and arbitrary texts.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.unsigned_tokens import unsigned_token

from rooms_emulator import Emulator, FaultPlan
from rooms_gateway.addresses import check_address, parse_socket_mode
from rooms_gateway.cli.client.inputs import (
    parse_address,
    parse_duration,
    parse_guest,
    parse_instant,
    parse_participant,
)
from rooms_gateway.cli.serve.options import SETTINGS
from rooms_gateway.cli.serve.settings_file import parse as parse_settings
from rooms_gateway.errors import InvalidPageTokenError, InvalidUpstreamResponseError
from rooms_gateway.server.auth.jwt import read_keys
from rooms_gateway.server.auth.policy_file import PolicyError, read_policy
from rooms_gateway.server.auth.static_tokens import read_tokens
from rooms_gateway.services.convert.identifiers import from_raw_id, to_raw_id
from rooms_gateway.services.convert.page_tokens import decode, encode
from rooms_gateway.services.convert.timestamps import from_rest
from rooms_gateway.services.convert.token_claims import read_claims
from rooms_gateway.settings import SettingsError
from rooms_gateway.upstream.credentials.key_file import parse_access_keys
from rooms_gateway.upstream.endpoint import Endpoint, parse_connection_string
from rooms_gateway.upstream.paging import safe_next_query
from rooms_gateway.upstream.transport.retry import http_date, retry_after

ENDPOINT = Endpoint.parse("https://contoso.communication.azure.com")


@dataclass(frozen=True, slots=True)
class Parser:
    """A parser, its error, and its seeds."""

    parse: Callable[[str], object]
    error: type[Exception] | None
    """Exception for malformed text; `None` if the parser accepts every text."""
    seeds: tuple[str, ...]


def check_identifier(text: str) -> None:
    # Neither protobuf nor the JSON decoder accepts a lone surrogate.
    whole = text.encode(errors="replace").decode()
    assert to_raw_id(from_raw_id(whole)) == whole


def in_file(read: Callable[[Path], object]) -> Callable[[str], object]:
    """Return a parser that calls `read` with a private file of the text."""

    def parse(text: str) -> object:
        with TemporaryDirectory() as folder:
            path = Path(folder, "file")
            path.touch(0o600)
            path.write_bytes(text.encode(errors="surrogatepass"))
            return read(path)

    return parse


PARSERS = {
    "timestamps of the REST API": Parser(
        from_rest,
        InvalidUpstreamResponseError,
        (
            "2025-03-06T00:20:03.4401806+00:00",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59.9999999-23:59",
            "2025-02-30T00:00:00Z",
            "2025-03-06T24:00:00Z",
            "٢٠٢٥-03-06T00:20:03Z",
        ),
    ),
    "nextLink": Parser(
        lambda text: safe_next_query(text, ENDPOINT, "/rooms"),
        InvalidUpstreamResponseError,
        (
            "https://contoso.communication.azure.com/rooms?nextLink=a&api-version=2025-03-13",
            "https://contoso.communication.azure.com@evil.invalid/rooms?nextLink=a",
            "//evil.invalid/rooms?nextLink=a",
            "https://[::1/rooms?nextLink=a",
            "https://contoso.communication.azure.com:99999/rooms?nextLink=a",
            "https://contoso.communication.azure.com:/rooms?nextLink=%",
            "https://contoso.communication.azure.com/rooms?\r\nHost: evil",
        ),
    ),
    "page tokens": Parser(
        lambda text: decode(text, "ListRooms"),
        InvalidPageTokenError,
        (encode("nextLink=a", "ListRooms") or "", "AA==", "é", "A" * 9000, "\0"),
    ),
    "connection strings": Parser(
        parse_connection_string,
        ValueError,
        (
            "endpoint=https://contoso.communication.azure.com/;accesskey=c2VjcmV0",
            "EndPoint=https://h/;AccessKey==;;",
            "endpoint=https://[::1]:8125;accesskey=c2VjcmV0",
            "endpoint=https://a\\@b/;accesskey=c2VjcmV0",
            "accesskey=c2VjcmV0",
        ),
    ),
    "endpoints": Parser(
        Endpoint.parse,
        ValueError,
        (
            "https://contoso.communication.azure.com",
            "http://127.0.0.1:8125/",
            "https://h:0",
            "https://[::ffff:1.2.3.4%25eth0]:1",
            "https://xn--a.example",
            "https://h:٣",
        ),
    ),
    "access key files": Parser(
        parse_access_keys,
        ValueError,
        ("c2VjcmV0\n", "c2VjcmV0\r\nb3RoZXI=\n", "\ufeffc2VjcmV0", "="),
    ),
    "settings files": Parser(
        lambda text: parse_settings(text.encode(errors="surrogatepass"), SETTINGS, private=True),
        SettingsError,
        (
            'listen = ["127.0.0.1:0"]\nmax-attempts = 5\n',
            "drain-grace = nan",
            "a" * 5000 + " = 1",
            "x = " + "[" * 3000,
            f"max-attempts = {'9' * 5000}",
        ),
    ),
    "policy files": Parser(
        in_file(read_policy),
        PolicyError,
        (
            '[callers.calendar]\nrole = "reader"\nuri = ["spiffe://contoso/calendar"]\n',
            '[callers.a]\nmethods = ["acs.rooms.v1.RoomsService/GetRoom"]\nsocket = true\n',
            '[callers.a]\nrole = "reader"\nsubject = "x"\n[jwt]\nissuer = "https://[::1/"\n',
            'tokens-file = "\\u0000"\n[callers.a]\nrole = "admin"\n',
            '[jwt]\nissuer = "a"\naudience = []\nkeys-url = "http://a@b:99999/"\n',
            "[callers]\na = " + "[" * 3000,
            f"callers.a.role = {'9' * 5000}",
        ),
    ),
    "token files": Parser(
        in_file(read_tokens),
        None,
        (
            "calendar " + "0" * 64,
            "calendar sha256:" + "0" * 64,
            "# comment\n\n",
            "a sha256:٣",
            "a\x85b c",
        ),
    ),
    "key sets": Parser(
        lambda text: read_keys(text.encode(errors="surrogatepass")),
        ValueError,
        (
            (
                '{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1",'
                '"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
            ),
            '{"keys":[{"kty":"EC","crv":"P-256","x":"","y":"AA"}]}',
            '{"keys":[{"kty":"RSA","n":"AA","e":"AA"},{"kty":[],"alg":{}}]}',
            '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}',
            '{"keys":' + "[" * 3000,
        ),
    ),
    "quotas": Parser(
        lambda text: Emulator(quotas=[text]),
        ValueError,
        ("CreateRoom=100/1s", "all=1000000/24h,window,counted,retry-after=x-ms", "reads=-0/1ms,"),
    ),
    "fault files": Parser(
        in_file(FaultPlan.from_file),
        ValueError,
        (
            'seed = 7\n[[faults]]\npreset = "mixed-5xx"\noperation = "GetRoom"\n',
            '[[faults]]\nbodyBytes = "!"\n',
            '[[faults]]\nheaders = { "A\\r\\nB" = "c" }\n',
            "[[faults]]\nprobability = nan\n",
            "[[faults]]\nstatus = []\n",
            f"seed = {'9' * 5000}",
        ),
    ),
    "identifiers": Parser(
        check_identifier,
        None,
        (
            "8:acs:b60f5cc1-83a7-485a-a45c-7288de014884_00000026-7637-da8c-08d5-363a0d005464",
            "4:+14255550123",
            "28:orgid:b60f5cc1-83a7-485a-a45c-7288de014884",
            "8:teamsvisitor:x",
            "8:acs:a_b_c",
            ":::",
        ),
    ),
    "access tokens": Parser(
        read_claims,
        None,
        (
            unsigned_token({"skypeid": "acs:a_b", "exp": 1, "acsScope": "voip"}),
            unsigned_token({"skypeid": [], "exp": 10**400, "iat": -1e300, "acsScope": {}}),
            "e30.e30.",
            "..",
            "é.é.é",
            f"e30.{base64.urlsafe_b64encode(b'[' * 3000).decode()}.x",
        ),
    ),
    "Retry-After": Parser(
        lambda text: retry_after({"Retry-After": text}, time.time()),
        None,
        (
            "1",
            "1\x1f",
            "9" * 400,
            "²",
            "-1",
            "Thu, 06 Mar 2025 00:20:03 GMT",
            "Thu, 06 Mar 99999 00:20:03",
        ),
    ),
    "HTTP dates": Parser(
        http_date,
        None,
        ("Thu, 06 Mar 2025 00:20:03 GMT", "Thu, 31 Dec 9999 23:59:59 -2359", "Mon, 0 Jan 0 0:0:0"),
    ),
    "listen addresses": Parser(
        lambda text: check_address(text, allow_plaintext=True),
        ValueError,
        ("127.0.0.1:0", "[::1]:50051", "unix:/run/rooms.sock", "unix:", ":1", "h:99999", "h:\0"),
    ),
    "socket modes": Parser(parse_socket_mode, ValueError, ("660", "0o660", "7777", "-1", "٦٦٠")),
    "times on the command line": Parser(
        lambda text: parse_instant(text, 0.0),
        ValueError,
        ("2030-01-31T09:00:00Z", "+1d12h", "-999999999w", "2030-02-30", "now"),
    ),
    "participants on the command line": Parser(
        parse_participant, ValueError, ("8:acs:x_y=presenter", "=", "a=b=consumer")
    ),
    "guests on the command line": Parser(
        parse_guest, ValueError, ("new=presenter#Alice", "custom:a@b.example", "8:acs:x_y#", "#=")
    ),
    "durations on the command line": Parser(
        parse_duration, ValueError, ("1h30m", "90m", "+2h", "999999999w999999999w")
    ),
    "gRPC targets on the command line": Parser(
        parse_address, ValueError, ("127.0.0.1:50051", "unix:/x", "http://h:1", "h")
    ),
}


@st.composite
def variations(draw: st.DrawFn, seeds: tuple[str, ...]) -> str:
    """Draw a seed with a piece of it replaced, doubled or removed."""
    seed = draw(st.sampled_from(seeds))
    start = draw(st.integers(0, len(seed)))
    end = draw(st.integers(start, min(len(seed), start + 8)))
    piece = draw(
        st.text(max_size=3)
        | st.sampled_from(["\0", "\r\n", "%", "\ud800", "٣", "[", "//", "@", seed[start:end] * 2])
    )
    return seed[:start] + piece + seed[end:]


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
def test_parsers_raise_only_their_error(parser: Parser) -> None:
    def check(text: str) -> None:
        try:
            parser.parse(text)
        except Exception as error:
            if parser.error is None or type(error) is not parser.error:
                raise

    for seed in parser.seeds:
        check(seed)
    given(variations(parser.seeds) | st.text())(check)()


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
def test_parsers_accept_their_first_seed(parser: Parser) -> None:
    parser.parse(parser.seeds[0])
