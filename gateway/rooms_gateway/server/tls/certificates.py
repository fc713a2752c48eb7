"""The certificate that the gateway serves with, followed while its files change."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import grpc

from rooms_gateway import aio
from rooms_gateway.server.tls.files import TlsContent, TlsError, TlsFiles, check_tls, read_tls

POLL_INTERVAL = 5.0
"""Seconds between two looks at the files."""

logger = logging.getLogger(__name__)


class Certificates:
    """Certificate, key and client CA as they were last found to be usable.

    The files are compared by content: Kubernetes swaps symbolic links and keeps times. Files that
    cannot be used change nothing and are logged once. Handshakes get what is in memory; no file is
    read for them.
    """

    def __init__(
        self,
        files: TlsFiles,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Read the files; `now` is in seconds since 1970. Raises TlsError with every fault."""
        self._files = files
        self._sleep = sleep
        self._now = now
        self._content = read_tls(files)
        self.expires = check_tls(files, self._content, now=now())
        """When the certificate ends, in seconds since 1970."""
        self._fault = ""
        self._following: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Certificates({self._files!r}, expires={_day(self.expires)})"

    @property
    def asks_clients(self) -> bool:
        """Whether clients must have a certificate (mTLS)."""
        return self._files.client_ca is not None

    def credentials(self) -> grpc.ServerCredentials:
        """Make the credentials of one listener: each handshake uses what is current by then."""
        handed = self._content

        # grpc calls this before each handshake, in a thread of its own. None leaves it as it is:
        # parsing again what is known would cost each connection a millisecond.
        def fetch() -> Any:  # the stubs do not know that it may be None
            nonlocal handed
            current = self._content
            if current is handed:
                return None
            handed = current
            return _configuration(current)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(handed),
            fetch,
            require_client_authentication=self.asks_clients,
        )

    async def reload(self) -> None:
        """Take over what the files hold now; what cannot be used changes nothing and is logged."""
        try:
            found = await asyncio.to_thread(self._read)
        except TlsError as error:
            self._complain(str(error))
            return
        self._fault = ""
        if found is not None:
            self._content, self.expires = found
            logger.info(
                "serving with the certificate that is now in %s, valid until %s",
                self._files.certificate,
                _day(self.expires),
            )

    def _read(self) -> tuple[TlsContent, float] | None:
        """Return what has changed, None if nothing has; in a thread, since files can be slow."""
        content = read_tls(self._files)
        if content == self._content:
            return None
        return content, check_tls(self._files, content, now=self._now())

    def _complain(self, fault: str) -> None:
        if fault != self._fault:
            logger.warning("%s; going on with the certificate from before", fault)
        self._fault = fault

    async def __aenter__(self) -> Self:
        self._following = asyncio.create_task(aio.every(POLL_INTERVAL, self.reload, self._sleep))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await aio.cancel_and_wait(self._following)


def _configuration(content: TlsContent) -> grpc.ServerCertificateConfiguration:
    """Make a new one for each use: grpc takes it away from us."""
    return grpc.ssl_server_certificate_configuration(
        [(content.key, content.certificate)], content.client_ca
    )


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
