"""The token that a command shows to the gateway.

From a file or the environment, never from the command line: everybody on the machine can read that.
This module imports no grpc before a token is sent, so that --help is quick.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rooms_gateway.addresses import UNIX, is_loopback, split_host_port
from rooms_gateway.files import read_content
from rooms_gateway.server.auth.static_tokens import TOKEN

if TYPE_CHECKING:
    import grpc

VARIABLE = "ROOMS_GATEWAY_TOKEN"

_MAX_BYTES = 65536


def token_flag(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--token-file`, as the text of the token: `token`, None if there is none."""

    @click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"A file with a bearer token to show. Without it, the one in {VARIABLE} if any.",
    )
    @functools.wraps(command)
    def with_token(*, token_file: Path | None, **others: object) -> None:
        try:
            token = read_token(token_file, os.environ.get(VARIABLE))
        except ValueError as fault:
            raise click.UsageError(str(fault)) from None
        command(token=token, **others)

    return with_token


def read_token(file: Path | None, variable: str | None) -> str | None:
    """Return the token. Raises ValueError, with one sentence that does not repeat it."""
    if file is not None:
        where = f"--token-file: {file}"
        try:
            text = read_content(file, _MAX_BYTES).data.decode("ascii", errors="replace").strip()
        except ValueError as error:
            raise ValueError(f"--token-file: {error}") from None
    elif variable:
        where, text = VARIABLE, variable.strip()
    else:
        return None
    if TOKEN.fullmatch(text) is None:
        raise ValueError(f"{where} does not hold one bearer token and nothing else")
    return text


def travels_openly(address: str) -> bool:
    """Say whether others could read what is sent to `address` without TLS."""
    if address.startswith(UNIX):
        return False
    try:
        return not is_loopback(split_host_port(address)[0])
    except ValueError:
        return True


def with_bearer(channel: grpc.Channel, token: str) -> grpc.Channel:
    """Return a channel that shows `token` in every call."""
    import grpc  # noqa: PLC0415 - see the module's docstring

    class _Bearer(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):  # type: ignore[type-arg] # not at run time
        def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
            return continuation(_shown(details), request)

        def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
            return continuation(_shown(details), request)

    def _shown(details: Any) -> Any:
        metadata = [*(details.metadata or ()), ("authorization", f"Bearer {token}")]
        return details._replace(metadata=metadata)

    return grpc.intercept_channel(channel, _Bearer())
