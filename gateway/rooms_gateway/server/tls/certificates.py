"""The certificate of the listeners, reloaded when its files change."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

import grpc

from rooms_gateway.files import FollowedFile
from rooms_gateway.server.tls.files import TlsContent, TlsFiles, check_tls, read_tls

logger = logging.getLogger(__name__)


class _Checked(NamedTuple):
    """Contents that TLS works with."""

    content: TlsContent
    context: ssl.SSLContext
    expires: float


class Certificates:
    """The last usable certificate, key and client CA, inside of `async with`.

    Handshakes use the content in memory and read no file.
    """

    def __init__(
        self,
        files: TlsFiles,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Read the files. `now` is in seconds since the epoch. Raises TlsError with all errors."""
        self._files = files
        self._now = now
        self._file = FollowedFile(
            self._check(read_tls(files)),
            self._read,
            apply=self._log,
            report=self._report,
            sleep=sleep,
        )

    def __repr__(self) -> str:
        return f"Certificates({self._files!r}, expires={_utc(self.expires)})"

    @property
    def expires(self) -> float:
        """Expiry of the certificate, in seconds since the epoch."""
        return self._file.value.expires

    @property
    def asks_clients(self) -> bool:
        """Whether clients must present a certificate (mTLS)."""
        return self._files.client_ca is not None

    def context(self) -> ssl.SSLContext:
        """Return the context of the next handshake in the event loop."""
        return self._file.value.context

    def credentials(self) -> grpc.ServerCredentials:
        """Return the credentials of grpcio's listener; handshakes use the current certificate."""
        passed = self._file.value.content

        # grpc calls this before each handshake, in a thread. None keeps the configuration: parsing
        # it again would cost a millisecond per connection.
        def fetch() -> Any:  # the stubs do not declare None
            nonlocal passed
            current = self._file.value.content
            if current is passed:
                return None
            passed = current
            return _configuration(current)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(passed),
            fetch,
            require_client_authentication=self.asks_clients,
        )

    async def reload(self) -> None:
        """Reload the files; unusable ones are logged once and change nothing."""
        await self._file.reload()

    def _read(self) -> _Checked:
        content = read_tls(self._files)
        current = self._file.value
        # The check is a handshake, which unchanged files need not repeat.
        return current if content == current.content else self._check(content)

    def _check(self, content: TlsContent) -> _Checked:
        return _Checked(content, *check_tls(self._files, content, now=self._now()))

    async def _log(self, checked: _Checked) -> None:
        logger.info(
            "reloaded the certificate from %s, valid until %s",
            self._files.certificate,
            _utc(checked.expires),
        )

    def _report(self, error: str) -> None:
        logger.warning("%s; keeping the current certificate", error)

    async def __aenter__(self) -> Self:
        await self._file.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._file.__aexit__(kind, error, trace)


def _configuration(content: TlsContent) -> grpc.ServerCertificateConfiguration:
    """Return a configuration for one use: grpc takes ownership of it."""
    return grpc.ssl_server_certificate_configuration(
        [(content.key, content.certificate)], content.client_ca
    )


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
