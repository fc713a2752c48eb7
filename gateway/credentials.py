"""Credentials for the REST API: each signs one request and returns the headers to send with it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from email.utils import formatdate
from typing import Protocol

_EMPTY_BODY_HASH = base64.b64encode(hashlib.sha256(b"").digest()).decode()


class Credential(Protocol):
    """Something that can prove to the service who asks."""

    def sign(self, method: str, target: str, host: str, body: bytes, now: float) -> dict[str, str]:
        """Return the headers that authenticate exactly this request.

        `target` is the path and query as on the request line, `host` the Host header, `now` the
        time in seconds since the epoch.
        """
        ...


class AccessKey:
    """An access key of the resource: HMAC-SHA256 over verb, target, date, host and body hash.

    Source: "Sign an HTTP request with C#/Python" in the documentation of Azure Communication
    Services; scheme HMAC-SHA256 with SignedHeaders=x-ms-date;host;x-ms-content-sha256.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "AccessKey(***)"

    def sign(self, method: str, target: str, host: str, body: bytes, now: float) -> dict[str, str]:
        """Return `x-ms-date`, `x-ms-content-sha256` and `Authorization`."""
        # formatdate, not strftime: the names of days and months must not follow the locale.
        date = formatdate(now, usegmt=True)
        content_hash = (
            base64.b64encode(hashlib.sha256(body).digest()).decode() if body else _EMPTY_BODY_HASH
        )
        message = f"{method}\n{target}\n{date};{host};{content_hash}"
        signature = base64.b64encode(hmac.digest(self._key, message.encode(), "sha256")).decode()
        return {
            "x-ms-date": date,
            "x-ms-content-sha256": content_hash,
            "Authorization": (
                "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256"
                f"&Signature={signature}"
            ),
        }
