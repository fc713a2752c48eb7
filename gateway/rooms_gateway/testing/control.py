"""Client of an emulator's control API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

_TIMEOUT = 10.0


class ControlError(Exception):
    """The emulator rejected a control request, with this message, or cannot be reached."""


class Control:
    """Calls the control API at an endpoint, with the control key if it requires one.

    Blocks for about a millisecond per call.
    """

    def __init__(self, endpoint: str, key: str | None = None) -> None:
        self._endpoint = endpoint
        self._headers: Mapping[str, str] = {"Content-Type": "application/json"}
        if key is not None:
            self._headers = {**self._headers, "Authorization": f"Bearer {key}"}
        # Proxies in the environment do not reach loopback.
        self._opener = build_opener(ProxyHandler({}))

    def call(self, method: str, name: str, content: object = None) -> Any:
        """Send a control request; return the JSON of the response, None if it is empty.

        Raises ControlError if the emulator rejects the request or cannot be reached.
        """
        body = None if content is None else json.dumps(content).encode()
        url = f"{self._endpoint}/_emulator/{name}"
        request = Request(url, body, self._headers, method=method)  # noqa: S310 - the emulator's own URL
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as response:
                text = response.read()
        except HTTPError as error:
            with error:
                text = error.read()
            raise ControlError(json.loads(text)["error"]["message"]) from None
        except (URLError, OSError) as error:
            raise ControlError(f"the emulator cannot be reached: {error}") from None
        return json.loads(text) if text else None
