"""`--print-grpcurl`: the grpcurl command that makes the same call."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

if TYPE_CHECKING:
    from rooms_gateway.cli.client.connection import ClientTls

Metadata: TypeAlias = Sequence[tuple[str, str]]

SECRETS = {"token": "ACCESS_TOKEN", "teams_token": "TEAMS_TOKEN"}
"""Fields of requests that are secret, and the shell variables that are printed instead."""


_MAX_WORD = 100_000
"""Length above which requests are printed as a here-document. The limit of Linux is 131,071."""


class PrintingChannel:
    """A channel that prints the grpcurl command of each call, and returns empty responses.

    It has the methods of grpc.Channel that the stubs of the contract use. `sends_token` adds the
    header with the bearer token, as the shell variable TOKEN, `resource` that with its name.
    """

    def __init__(
        self,
        address: str,
        tls: ClientTls | None,
        *,
        sends_token: bool,
        resource: str | None = None,
    ) -> None:
        self._address = address
        self._flags = [*_tls_flags(tls)]
        if sends_token:
            self._flags += ["-H", '"authorization: Bearer $TOKEN"']
        if resource is not None:
            self._flags += ["-H", shlex.quote(f"rooms-resource: {resource}")]

    def unary_unary(
        self, method: str, *, response_deserializer: Callable[[bytes], Message], **_: object
    ) -> Callable[..., Message]:
        """Return the callable of a method with one response."""

        def call(request: Message, timeout: float | None, metadata: Metadata = ()) -> Message:
            self._print(method, [request], timeout, metadata)
            return response_deserializer(b"")

        return call

    def unary_stream(self, method: str, **_: object) -> Callable[..., Iterator[Message]]:
        """Return the callable of a method with a stream of responses."""

        def call(
            request: Message, timeout: float | None, metadata: Metadata = ()
        ) -> Iterator[Message]:
            self._print(method, [request], timeout, metadata)
            return iter(())

        return call

    def stream_stream(self, method: str, **_: object) -> Callable[..., Iterator[Message]]:
        """Return the callable of a method with streams of requests and responses."""

        def call(
            requests: Iterable[Message], timeout: float | None, metadata: Metadata = ()
        ) -> Iterator[Message]:
            self._print(method, requests, timeout, metadata)
            return iter(())

        return call

    def _print(
        self,
        method: str,
        requests: Iterable[Message],
        timeout: float | None,
        metadata: Metadata,
    ) -> None:
        # Quoted words with a quoted blank between them are one word.
        parts = [*map(_quoted, requests)]
        data, after = "' '".join(parts), ""
        if len(data) > _MAX_WORD:
            lines = "\n".join(shlex.split(part)[0] for part in parts)
            data, after = "@", f" <<'END'\n{lines}\nEND"
        words = [
            "grpcurl",
            *self._flags,
            *(() if timeout is None else ("-max-time", f"{timeout:g}")),
            *("-d", data),
            *(word for name, value in metadata for word in ("-H", shlex.quote(f"{name}: {value}"))),
            *(shlex.quote(self._address), method.removeprefix("/")),
        ]
        click.echo(" ".join(words) + after)


def _tls_flags(tls: ClientTls | None) -> Sequence[str]:
    if tls is None:
        return ["-plaintext"]
    flags = dict(zip(("-cacert", "-cert", "-key"), map(str, tls.files), strict=False))
    if tls.server_name:
        flags["-authority"] = tls.server_name
    return [word for flag, value in flags.items() for word in (flag, shlex.quote(value))]


def _quoted(request: Message) -> str:
    """Return the JSON of a request as one word of a shell, with variables for its secrets."""
    fields = MessageToDict(request, preserving_proto_field_name=True)
    secret = next((name for name in SECRETS if fields.pop(name, None)), None)
    text = json.dumps(fields, separators=(",", ":"))
    if secret is None:
        return shlex.quote(text)
    # Every request with a secret has other required fields.
    before, after = f'{text[:-1]},"{secret}":"', '"}'
    return f'{shlex.quote(before)}"${SECRETS[secret]}"{shlex.quote(after)}'
