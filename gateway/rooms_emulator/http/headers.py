"""Headers that the service sends with every response."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from random import Random

from rooms_emulator import timestamps
from rooms_emulator.clock import Clock
from rooms_emulator.timestamps import TICKS_PER_SECOND

JSON = "application/json; charset=utf-8"

_STRICT_TRANSPORT = {"Strict-Transport-Security": "max-age=31536000;includeSubDomains"}


class ResponseHeaders:
    """Generates the common headers of responses: time, request ids and fixed values.

    With `https` there is no `Strict-Transport-Security`, which browsers would then obey: they
    would require https on every port of localhost.
    """

    def __init__(self, clock: Clock, random: Random, *, https: bool = False) -> None:
        self._clock = clock
        self._random = random
        self._transport = {} if https else _STRICT_TRANSPORT
        self._second = -1
        self._date = self._compact_date = ""

    def generate(self) -> dict[str, str]:
        """Return the headers of one response."""
        now = self._clock.now()
        if now // TICKS_PER_SECOND != self._second:
            self._second = now // TICKS_PER_SECOND
            self._date = timestamps.render_http_date(now)
            date = timestamps.render(self._second * TICKS_PER_SECOND)[:19]
            self._compact_date = date.replace("-", "").replace(":", "")
        request_id = self._random.randbytes(16)
        return {
            "Date": self._date,
            "MS-CV": f"{b64encode(request_id)[:22].decode('ascii')}.0",
            "Request-Context": "appId=",
            **self._transport,
            "x-azure-ref": f"{self._compact_date}Z-{request_id.hex()}",
            "X-Cache": "CONFIG_NOCACHE",
            # Not sent by the service: it distinguishes the emulator from it.
            "Server": "rooms-gateway-emulator",
        }


def merge(headers: dict[str, str], changes: Mapping[str, str]) -> Mapping[str, str]:
    """Return `headers` with `changes` applied; names are compared without case."""
    if not changes:
        return headers
    changed = {name.lower() for name in changes}
    return {name: headers[name] for name in headers if name.lower() not in changed} | dict(changes)
