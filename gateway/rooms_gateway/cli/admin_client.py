"""The commands' side of the admin listener: plain HTTP, with nothing that is slow to import."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager

import click

from rooms_gateway.addresses import split_host_port

MAX_ANSWER = 200
"""Bytes of an answer that are looked at: ours are a few words."""


class AdminUnreachableError(Exception):
    """Nobody answers, or nobody who speaks HTTP. Its text says why."""


class AdminAddress(click.ParamType[tuple[str, int], str]):
    """host:port, split."""

    name = "address"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Split; fail if it cannot be."""
        try:
            return split_host_port(value)
        except ValueError:
            return self.fail(f"{value!r} is not host:port", param, ctx)


class AdminResponse:
    """One connection to an admin listener, after an answer."""

    def __init__(self, status: int, text: str, connection: http.client.HTTPConnection) -> None:
        self.status = status
        self.text = text
        self._connection = connection

    def closed_within(self, seconds: float) -> bool:
        """Say whether the other side closes the connection in that time."""
        sock = self._connection.sock
        # Without a socket it has closed it with the answer.
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
def asked(
    address: tuple[str, int], method: str, path: str, seconds: float
) -> Iterator[AdminResponse]:
    """Ask, and keep the connection open inside. Raises AdminUnreachableError.

    No proxy from the environment is used, and no redirect followed.
    """
    connection = http.client.HTTPConnection(*address, timeout=max(seconds, 0.001))
    try:
        try:
            connection.request(method, path)
            response = connection.getresponse()
            text = response.read(MAX_ANSWER).decode("utf-8", "replace").strip()
        except OSError as error:
            raise AdminUnreachableError(error.strerror or "timed out") from None
        except (http.client.HTTPException, UnicodeError):
            raise AdminUnreachableError("what answers there is no admin listener") from None
        yield AdminResponse(
            response.status, text if text.isprintable() else ascii(text), connection
        )
    finally:
        connection.close()
