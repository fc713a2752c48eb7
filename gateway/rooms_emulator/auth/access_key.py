"""Who may call: the access key, proven by an HMAC-SHA256 over the request.

Source: "Sign an HTTP request" of Azure Communication Services, and what its clients send.
"""

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode

from rooms_emulator import problems, timestamps
from rooms_emulator.clock import Clock
from rooms_emulator.timestamps import TICKS_PER_SECOND

# Public on purpose, so that configurations for the emulator can be written down and shared. It
# opens nothing but an emulator.
DEVELOPMENT_KEY: Final = b64encode(
    b"rooms-gateway emulator: this development key is NOT a secret."
).decode()

_AUTHORIZATION: Final = re.compile(
    r"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=([A-Za-z0-9+/]{43}=)",
    re.ASCII,
)


class Signed(NamedTuple):
    """What a signature covers: the request as it came, nothing decoded or put in order."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class AccessKey:
    """Verifies requests that are signed with an access key.

    Args:
        key: the access key, base64.
        clock: tells the time, for the check of ``x-ms-date``.
        date_margin: how far ``x-ms-date`` may be from it, in seconds.
        legacy: whether to take what the clients of 2022-02-01 sign over plain http.

    Raises:
        ValueError: the key is not base64, or empty.

    """

    def __init__(self, key: str, clock: Clock, date_margin: float, *, legacy: bool = False) -> None:
        try:
            self._key = b64decode(key, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("the access key is not base64") from None
        if not self._key:
            raise ValueError("the access key is empty")
        self._clock = clock
        self._date_margin = date_margin
        self._legacy = legacy

    def verify(self, request: Signed) -> None:
        """Check the signature.

        Raises:
            ServiceError: status 401; the signature, the date or the hash of the body is missing,
                malformed or wrong.

        """
        headers = request.headers
        authorization = _AUTHORIZATION.fullmatch(headers.get("Authorization", ""))
        date = headers.get("x-ms-date", "")
        content_hash = headers.get("x-ms-content-sha256", "")
        if authorization is None or not date or not content_hash:
            raise problems.denied()
        if not _equal(content_hash, _base64(hashlib.sha256(request.body).digest())):
            raise problems.denied(problems.WRONG_HASH)
        self._check_date(date)
        rest = f"{date};{headers.get('Host', '')};{content_hash}"
        for target in accepted_targets(request.target, legacy=self._legacy):
            message = f"{request.method}\n{target}\n{rest}".encode(errors="surrogateescape")
            if _equal(authorization[1], _base64(hmac.digest(self._key, message, "sha256"))):
                return
        raise problems.denied()

    def _check_date(self, date: str) -> None:
        try:
            sent = timestamps.parse_http_date(date)
        except ValueError:
            raise problems.denied() from None
        if abs(self._clock.now() - sent) > self._date_margin * TICKS_PER_SECOND:
            raise problems.denied(problems.WRONG_DATE.format(f"{self._date_margin / 60:g}"))


def accepted_targets(target: str, *, legacy: bool = False) -> Iterator[str]:
    """Give the forms of the request target that clients sign.

    As it is on the request line; percent-decoded (Python's client); with the query parsed and
    written again in form encoding (JavaScript's client). With ``legacy`` also without its first
    slash: Python's client of 2022 counts on the length of ``https://`` when it cuts its URLs.
    """
    yield target
    if legacy:
        yield target.removeprefix("/")
    if (decoded := unquote(target)) != target:
        yield decoded
    path, mark, query = target.partition("?")
    if mark:
        # As URLSearchParams.toString writes: it keeps "*" and encodes "~".
        pairs = parse_qsl(query, keep_blank_values=True)
        form = f"{path}?{urlencode(pairs, safe='*').replace('~', '%7E')}"
        if form != target:
            yield form


def _base64(digest: bytes) -> str:
    return b64encode(digest).decode("ascii")


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogateescape"), expected.encode())
