"""The control path of an emulator, from another process."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

_SECONDS = 10.0


class ControlError(Exception):
    """The emulator refused an order, in its own words, or is gone."""


class Control:
    """Calls the control path at an endpoint. Blocks for a millisecond or so."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        # A proxy from the environment leads elsewhere.
        self._opener = build_opener(ProxyHandler({}))

    def call(self, method: str, name: str, content: object = None) -> Any:
        """Send one order, and return the JSON of the answer; `None` if it has none.

        Raises:
            ControlError: the emulator refused it, or cannot be reached.

        """
        body = None if content is None else json.dumps(content).encode()
        request = Request(f"{self._endpoint}/_emulator/{name}", body, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                text = answer.read()
        except HTTPError as error:
            with error:
                text = error.read()
            raise ControlError(json.loads(text)["error"]["message"]) from None
        except (URLError, OSError) as error:
            raise ControlError(f"the emulator cannot be reached: {error}") from None
        return json.loads(text) if text else None
