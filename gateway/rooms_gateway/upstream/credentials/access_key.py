"""Signature with an access key: HMAC-SHA256 over method, target, date, host and body hash.

Source: "Sign an HTTP request with C#/Python" in the documentation of Azure Communication
Services; scheme HMAC-SHA256 with SignedHeaders=x-ms-date;host;x-ms-content-sha256.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache, partial
from typing import ClassVar

_base64 = partial(binascii.b2a_base64, newline=False)

_EMPTY_BODY_HASH = _base64(hashlib.sha256(b"").digest()).decode()


@lru_cache(maxsize=8)
def _date(second: int) -> str:
    """Return an HTTP date, cached per second."""
    # formatdate, because strftime translates the names of days and months.
    return formatdate(second, usegmt=True)


@dataclass(frozen=True, slots=True, repr=False)
class AccessKey:
    """Signs with one access key."""

    key: bytes
    """Decoded."""
    dated: ClassVar[bool] = True
    """True: the signature covers the date, and the upstream compares that with its clock."""
    _keyed: hmac.HMAC = field(init=False, compare=False)
    """Copied for each signature, so that the key is hashed once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_keyed", hmac.new(self.key, digestmod="sha256"))

    def __repr__(self) -> str:
        return "AccessKey(***)"

    def sign(self, method: str, target: str, host: str, body: bytes, now: float) -> dict[str, str]:
        """Return `x-ms-date`, `x-ms-content-sha256` and `Authorization`."""
        date = _date(int(now))
        content_hash = _base64(hashlib.sha256(body).digest()).decode() if body else _EMPTY_BODY_HASH
        message = f"{method}\n{target}\n{date};{host};{content_hash}"
        keyed = self._keyed.copy()
        keyed.update(message.encode())
        signature = _base64(keyed.digest()).decode()
        return {
            "x-ms-date": date,
            "x-ms-content-sha256": content_hash,
            "Authorization": (
                "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256"
                f"&Signature={signature}"
            ),
        }
