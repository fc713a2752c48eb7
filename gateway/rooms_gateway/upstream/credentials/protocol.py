"""Protocols of credentials: a `Signer` signs requests, a `Credential` provides signers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Protocol, Self


class CredentialError(Exception):
    """No usable credential at startup. Its text is one sentence without secrets."""


class Signer(Protocol):
    """One key or token that authenticates requests. Equal signers hold the same secret."""

    @property
    def dated(self) -> bool:
        """Whether the signature depends on the time, so that clock skew can invalidate it."""
        ...

    def sign(
        self, method: str, target: str, host: str, body: bytes, now: float
    ) -> Mapping[str, str]:
        """Return the headers that authenticate exactly this request.

        `target` is the path and query of the request line, `host` the `Host` header, `now` the time
        in seconds since the epoch.
        """
        ...


class Credential(Protocol):
    """The keys or tokens of one resource, kept up to date inside `async with`."""

    @property
    def signer(self) -> Signer:
        """The signer to use. Read for every call.

        Raises CredentialExpiredError if none is valid.
        """
        ...

    async def replacement(self, rejected: Collection[Signer]) -> Signer | None:
        """Return a signer that is not among `rejected`; None if there is none.

        Called after a 401. Reloads first; concurrent callers share one reload.
        """
        ...

    def prefer(self, signer: Signer) -> None:
        """Use `signer` from now on, because the upstream accepted it after rejecting others."""
        ...

    async def __aenter__(self) -> Self:
        """Load the credential and start to keep it up to date. Raises CredentialError."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop keeping it up to date."""
        ...
