"""What handlers read and set of a call, as `grpc.aio` passes it to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import grpc

from rooms_gateway.grpc_server.headers import Metadata
from rooms_gateway.grpc_server.http2.peers import Peer


class CallContext(grpc.aio.ServicerContext[Any, Any]):
    """The metadata, client, deadline, status and end of a call. Responses are not compressed."""

    __slots__ = (
        "_callbacks",
        "_code",
        "_deadline",
        "_details",
        "_ended",
        "_loop",
        "_metadata",
        "_peer",
        "_status_sent",
        "_trailing",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        peer: Peer,
        metadata: Metadata,
        timeout: float | None,
    ) -> None:
        """`timeout` is the client's, in seconds; None: there is none."""
        self._loop = loop
        self._peer = peer
        self._metadata = metadata
        self._deadline = None if timeout is None else loop.time() + timeout
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._trailing: Metadata = ()
        self._status_sent = False
        self._ended = False
        self._callbacks: list[Callable[[Any], None]] | None = None

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        """Set the metadata that is sent with the status."""
        self._trailing = tuple(trailing_metadata)

    def trailing_metadata(self) -> Any:
        """Return the metadata that is sent with the status."""
        return self._trailing

    def invocation_metadata(self) -> Any:
        """Return the client's metadata; values are bytes if the name ends with -bin."""
        return self._metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        """Set the code of a status that the handler does not send by `abort`."""
        self._code = code

    def code(self) -> Any:
        """Return the code that was set, or that of the status."""
        return self._code

    def set_details(self, details: str) -> None:
        """Set the text of a status that the handler does not send by `abort`."""
        self._details = details

    def details(self) -> str:
        """Return the text that was set, or that of the status."""
        return self._details

    def peer(self) -> str:
        """Return the client's address, as grpc names it."""
        return self._peer.name

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Return the properties of the transport, and those of the client's certificate."""
        return self._peer.properties

    def peer_identity_key(self) -> str | None:
        """Return the property that names the client; None without a certificate."""
        for key in ("x509_subject_alternative_name", "x509_common_name"):
            if key in self._peer.properties:
                return key
        return None

    def peer_identities(self) -> Iterable[bytes] | None:
        """Return the names of the client; None without a certificate."""
        key = self.peer_identity_key()
        return None if key is None else self._peer.properties[key]

    def time_remaining(self) -> Any:
        """Return the seconds until the deadline; None if there is none."""
        return None if self._deadline is None else max(self._deadline - self._loop.time(), 0.0)

    def add_done_callback(self, callback: Any) -> None:
        """Call `callback` with the call when it has ended: with its response sent, or without."""
        if self._ended:
            self._loop.call_soon(callback, self)
        elif self._callbacks is None:
            self._callbacks = [callback]
        else:
            self._callbacks.append(callback)

    def cancelled(self) -> bool:
        """Return whether the client or the deadline has ended the call."""
        return self._ended and not self._status_sent

    def done(self) -> bool:
        """Return whether the call has ended."""
        return self._ended

    def set_compression(self, compression: grpc.Compression) -> None:
        """Do nothing: responses are not compressed."""

    def disable_next_message_compression(self) -> None:
        """Do nothing: responses are not compressed."""
