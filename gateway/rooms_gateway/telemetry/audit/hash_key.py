"""Keyed hashes of identifiers: an audit log without personal data that can still be searched."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from rooms_gateway.files import FollowedFile, ascii_text, read_content
from rooms_gateway.telemetry.observers import NOOP_OBSERVER, CredentialEvent, CredentialObserver

MIN_LENGTH = 32
"""Characters of a key: phone numbers can be guessed, so the key must not be."""

HASH_LENGTH = 16
"""Hexadecimal digits of a hash: 64 bits, so that a million participants have no collision."""

_MAX_BYTES = 4096

logger = logging.getLogger(__name__)


def read_hash_key(path: Path) -> bytes:
    """Read a key: the text of the file without white space around it.

    Raises ValueError, with one sentence that does not repeat the key.
    """
    key = ascii_text(read_content(path, _MAX_BYTES).data, path).strip()
    if len(key) < MIN_LENGTH:
        raise ValueError(
            f"{path} has a key of fewer than {MIN_LENGTH} characters: make one with openssl rand "
            "-hex 32"
        )
    return key.encode()


class HashKey:
    """Hashes identifiers by a key that is reloaded when its file changes, inside `async with`."""

    def __init__(
        self,
        path: Path,
        *,
        observer: CredentialObserver = NOOP_OBSERVER,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Read the key. Raises ValueError, as `read_hash_key` does."""
        self._path = path
        self._observer = observer
        self._file = FollowedFile(
            read_hash_key(path),
            lambda: read_hash_key(path),
            apply=self._apply,
            report=self._report,
            sleep=sleep,
        )

    def hash(self, identifier: str) -> str:
        """Return the first HASH_LENGTH hexadecimal digits of the HMAC-SHA256 of `identifier`."""
        return hmac.digest(self._file.value, identifier.encode(), "sha256").hex()[:HASH_LENGTH]

    async def reload(self) -> None:
        """Reload the file; an invalid file is logged once and changes nothing."""
        await self._file.reload()

    async def _apply(self, _: bytes) -> None:
        self._observer.credential_event(CredentialEvent.AUDIT_KEY_READ)
        logger.info("reloaded the key of the audit log from %s", self._path)

    def _report(self, error: str) -> None:
        self._observer.credential_event(CredentialEvent.AUDIT_KEY_UNUSABLE)
        logger.warning("%s; keeping the current key of the audit log", error)

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
