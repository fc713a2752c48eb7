"""Verification of requests signed with an access key: an HMAC-SHA256 over the request.

Source: "Sign an HTTP request" of Azure Communication Services, and the requests of its clients.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from itertools import product
from urllib.parse import parse_qsl, unquote, urlencode

from rooms_emulator import problems, timestamps
from rooms_emulator.clock import Clock
from rooms_emulator.http.messages import RawRequest
from rooms_emulator.timestamps import TICKS_PER_SECOND

DEVELOPMENT_KEY = b64encode(
    b"rooms-gateway emulator: this development key is NOT a secret."
).decode()
"""Default access key, base64. It is public, so that configurations can contain it."""

# Microsoft documents both names of the date; browsers cannot set `Date`.
_AUTHORIZATION = re.compile(
    r"HMAC-SHA256 SignedHeaders=(x-ms-date|date);host;x-ms-content-sha256"
    r"&Signature=([A-Za-z0-9+/]{43}=)",
    re.ASCII,
)


class AccessKey:
    """Verifies requests signed with an access key.

    `key` is base64. `date_margin` is the largest accepted difference between the signed date and
    `clock`, in seconds. `legacy` also accepts the signatures that clients of api-version
    2022-02-01 make over plain HTTP. Raises ValueError if the key is empty or not base64.
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

    def verify(self, request: RawRequest) -> None:
        """Check the signature.

        Raises ServiceError with status 401 if the signature, the date or the hash of the body is
        missing, malformed or wrong.
        """
        headers = request.headers
        authorization = _AUTHORIZATION.fullmatch(headers.get("Authorization", ""))
        if authorization is None:
            raise problems.denied()
        date_header, signature = authorization.groups()
        date = headers.get(date_header, "")
        content_hash = headers.get("x-ms-content-sha256", "")
        if not date or not content_hash:
            raise problems.denied()
        if not _equal(content_hash, _base64(hashlib.sha256(request.body).digest())):
            raise problems.denied(problems.WRONG_HASH)
        self._check_date(date)
        for target, host in product(
            accepted_targets(request.target, legacy=self._legacy), request.hosts
        ):
            text = f"{request.method}\n{target}\n{date};{host};{content_hash}"
            message = text.encode(errors="surrogateescape")
            if _equal(signature, _base64(hmac.digest(self._key, message, "sha256"))):
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
    """Yield the forms of the request target that clients sign.

    These are the target as on the request line, percent-decoded (the Python client), and with the
    query parsed and form-encoded again (the JavaScript client). With `legacy` also without the
    first slash: the Python client of 2022 cuts off the length of `https://`, for `http://` too.
    """
    yield target
    if legacy:
        yield target.removeprefix("/")
    if (decoded := unquote(target)) != target:
        yield decoded
    path, mark, query = target.partition("?")
    if mark:
        # Like URLSearchParams.toString, which keeps "*" and encodes "~".
        pairs = parse_qsl(query, keep_blank_values=True)
        form = f"{path}?{urlencode(pairs, safe='*').replace('~', '%7E')}"
        if form != target:
            yield form


def _base64(digest: bytes) -> str:
    return b64encode(digest).decode("ascii")


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogateescape"), expected.encode())
