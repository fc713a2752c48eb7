"""HTTP client for the admin listener, with standard modules that import quickly."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager

import click

from rooms_gateway.addresses import split_host_port

MAX_RESPONSE_BYTES = 200
"""Bytes of a response that are read; those of the admin listener are a few words."""


class GatewayUnreachableError(Exception):
    """The address does not accept a connection, or does not respond in HTTP in time."""


class AdminAddress(click.ParamType[tuple[str, int], str]):
    """`host:port`, converted to a pair."""

    name = "address"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Convert to a pair; fail if the value is malformed."""
        try:
            return split_host_port(value)
        except ValueError:
            return self.fail(f"{value!r} is not host:port", param, ctx)


class AdminResponse:
    """A response of the admin listener, and the connection that it came on."""

    def __init__(self, status: int, text: str, connection: http.client.HTTPConnection) -> None:
        self.status = status
        self.text = text
        self._connection = connection

    def closed_within(self, seconds: float) -> bool:
        """Return whether the gateway closes the connection within `seconds`."""
        sock = self._connection.sock
        # http.client drops the socket if the response said `Connection: close`.
        if sock is None:
            return True
        sock.settimeout(max(seconds, 0.001))
        try:
            return not sock.recv(1)
        except TimeoutError:
            return False
        except OSError:
            return True


@contextmanager
def admin_request(
    address: tuple[str, int], method: str, path: str, timeout: float
) -> Iterator[AdminResponse]:
    """Send a request, and keep its connection open until the context ends.

    Ignores proxies in the environment and redirects. `timeout` is in seconds. Raises
    GatewayUnreachableError if there is no response.
    """
    connection = http.client.HTTPConnection(*address, timeout=max(timeout, 0.001))
    try:
        try:
            connection.request(method, path)
            response = connection.getresponse()
            text = response.read(MAX_RESPONSE_BYTES).decode("utf-8", "replace").strip()
        except OSError as error:
            raise GatewayUnreachableError(error.strerror or "timed out") from None
        except (http.client.HTTPException, UnicodeError):
            raise GatewayUnreachableError("not an admin listener") from None
        yield AdminResponse(
            response.status, text if text.isprintable() else ascii(text), connection
        )
    finally:
        connection.close()
