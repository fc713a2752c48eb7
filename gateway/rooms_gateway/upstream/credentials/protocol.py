"""What the transport knows of a credential: something that signs, and something to fall back on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Protocol, Self


class CredentialError(Exception):
    """There is no credential to start with. Its text is one sentence, without any secret."""


class Signer(Protocol):
    """One key or token: proves to the service who asks. Equal signers hold the same secret."""

    @property
    def dated(self) -> bool:
        """Whether what it proves depends on the time, so that a wrong clock can be to blame."""
        ...

    def sign(
        self, method: str, target: str, host: str, body: bytes, now: float
    ) -> Mapping[str, str]:
        """Return the headers that authenticate exactly this request.

        `target` is the path and query as on the request line, `host` the Host header, `now` the
        time in seconds since the epoch.
        """
        ...


class Credential(Protocol):
    """The keys or tokens of one resource, kept up to date inside of `async with`."""

    @property
    def signer(self) -> Signer:
        """The one to sign with. Cheap, for every call.

        Raises CredentialExpiredError if there is none any more.
        """
        ...

    async def replacement(self, rejected: Collection[Signer]) -> Signer | None:
        """After the service answered 401 to all of `rejected`: look for another one to try.

        Looks for news first, once for all calls that ask at the same time. None if there is
        nothing that was not rejected.
        """
        ...

    def prefer(self, signer: Signer) -> None:
        """Sign with `signer` from now on: the service took it after it had rejected others."""
        ...

    async def __aenter__(self) -> Self:
        """Get ready, and keep up to date from now on. Raises CredentialError."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop keeping up to date."""
        ...
