"""The bearer token that a command sends to the gateway.

It comes from a file or the environment, never from the command line, which every process on the
host can read. Imports no grpc before a token is sent, so that `--help` is quick.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rooms_gateway.addresses import UNIX, is_loopback, split_host_port
from rooms_gateway.files import ascii_text, read_content
from rooms_gateway.server.auth.static_tokens import TOKEN
from rooms_gateway.stray_marks import stray_mark

if TYPE_CHECKING:
    import grpc

VARIABLE = "ROOMS_GATEWAY_TOKEN"

_MAX_BYTES = 65536


def token_flag(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--token-file` to a command; it receives the text as `token`, None without a token."""

    @click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"File with the bearer token to send. Default: the token in {VARIABLE}, if set.",
    )
    @functools.wraps(command)
    def with_token(*, token_file: Path | None, **others: object) -> None:
        try:
            token = read_token(token_file, os.environ.get(VARIABLE))
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        command(token=token, **others)

    return with_token


def read_token(file: Path | None, variable: str | None) -> str | None:
    """Return the token in `file`, else that in `variable`.

    Raises ValueError, with one sentence that does not contain the token, if it is malformed.
    """
    if file is not None:
        source = f"--token-file: {file}"
        try:
            text = ascii_text(read_content(file, _MAX_BYTES).data, file).strip()
        except ValueError as error:
            raise ValueError(f"--token-file: {error}") from None
    elif variable:
        source, text = VARIABLE, variable.strip()
    else:
        return None
    if (mark := stray_mark(text)) is not None:
        raise ValueError(f"the token in {source} {mark}")
    if text.lower().startswith("bearer "):
        raise ValueError(f'{source} must contain the token without "Bearer", which is added')
    if TOKEN.fullmatch(text) is None:
        raise ValueError(f"{source} must contain one bearer token and nothing else")
    return text


def is_readable_by_others(address: str) -> bool:
    """Return whether other hosts could read plaintext that is sent to `address`."""
    if address.startswith(UNIX):
        return False
    try:
        return not is_loopback(split_host_port(address)[0])
    except ValueError:
        return True


def with_metadata(channel: grpc.Channel, metadata: Sequence[tuple[str, str]]) -> grpc.Channel:
    """Return a channel that sends `metadata` with every call."""
    if not metadata:
        return channel
    import grpc

    class _Metadata(
        grpc.UnaryUnaryClientInterceptor,
        grpc.UnaryStreamClientInterceptor,
        grpc.StreamStreamClientInterceptor,
    ):
        def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
            return continuation(_extended(details), request)

        def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
            return continuation(_extended(details), request)

        def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
            return continuation(_extended(details), requests)

    def _extended(details: Any) -> Any:
        return details._replace(metadata=[*(details.metadata or ()), *metadata])

    return grpc.intercept_channel(channel, _Metadata())
