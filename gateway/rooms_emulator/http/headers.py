"""The headers that every answer of the service has."""

from base64 import b64encode
from collections.abc import Mapping
from random import Random
from typing import Final

from rooms_emulator import timestamps
from rooms_emulator.clock import Clock
from rooms_emulator.rooms import versions
from rooms_emulator.timestamps import TICKS_PER_SECOND

JSON: Final = "application/json; charset=utf-8"
SUPPORTED_VERSIONS: Final = {"api-supported-versions": versions.SUPPORTED}


class ResponseHeaders:
    """Makes the headers that say when, and under which number, a request was answered."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._second = -1
        self._date = self._compact_date = ""

    def headers(self) -> dict[str, str]:
        """Make the headers of one answer."""
        now = self._clock.now()
        if now // TICKS_PER_SECOND != self._second:
            self._second = now // TICKS_PER_SECOND
            self._date = timestamps.render_http_date(now)
            date = timestamps.render(self._second * TICKS_PER_SECOND)[:19]
            self._compact_date = date.replace("-", "").replace(":", "")
        number = self._random.randbytes(16)
        return {
            "Date": self._date,
            "MS-CV": f"{b64encode(number)[:22].decode('ascii')}.0",
            "Request-Context": "appId=",
            "Strict-Transport-Security": "max-age=31536000;includeSubDomains",
            "x-azure-ref": f"{self._compact_date}Z-{number.hex()}",
            "X-Cache": "CONFIG_NOCACHE",
            # Not the service's: it tells an emulator from the real thing.
            "Server": "rooms-gateway-emulator",
        }


def merge(lines: dict[str, str], changes: Mapping[str, str]) -> Mapping[str, str]:
    """Put headers in the place of those that have the same name in any case."""
    if not changes:
        return lines
    changed = {name.lower() for name in changes}
    return {name: lines[name] for name in lines if name.lower() not in changed} | dict(changes)
