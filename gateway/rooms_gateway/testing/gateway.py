"""A gateway as a process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rooms_gateway.testing.processes import Process


class GatewayProcess:
    """A gateway on a free loopback port, in plaintext.

    `upstream` are the flags of `rooms-gateway serve` that name its upstream, `options` are extra
    ones; its log is appended to `log_file` (None: not kept). Raises ProcessError if the gateway
    does not start, and OSError if `log_file` cannot be opened.
    """

    def __init__(
        self, upstream: Sequence[str], options: Sequence[str] = (), log_file: Path | None = None
    ) -> None:
        self._process = Process(
            [
                "serve",
                *upstream,
                "--listen=127.0.0.1:0",
                # Calls that outlast the test need no graceful shutdown.
                "--drain-grace=0.5",
                *options,
            ],
            ready="rooms-gateway is ready on (.*)",
            log_file=log_file,
        )
        self.address = self._process.find("rooms-gateway is ready on (.*)") or ""
        """Target for a gRPC channel, such as `127.0.0.1:40247`; plaintext."""

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def log(self) -> str:
        """Return the log of the gateway so far."""
        return self._process.log()

    def stop(self) -> None:
        """Stop the process with SIGTERM. Idempotent."""
        self._process.stop()

    def finish(self) -> None:
        """Stop the process. Raises ProcessError if it had ended before."""
        self._process.finish()

    def describe(self) -> str:
        """Return the address and the end of the log, for the report of a failed test."""
        return f"on {self.address}; the end of its log:\n{self._process.shown_log()}"


class RoomsGateway(GatewayProcess):
    """A gateway with a key file, for one test.

    `endpoint` is that of the upstream and `key` its access key, base64; `folder` receives the key
    file; `options` are extra flags of `rooms-gateway serve`. Raises ProcessError if the gateway
    does not start.
    """

    def __init__(self, endpoint: str, key: str, folder: Path, options: Sequence[str] = ()) -> None:
        self.key_file = folder / "rooms-gateway.key"
        """File with the access keys of the gateway, which reloads it when it changes."""
        self.use_keys(key)
        super().__init__([f"--endpoint={endpoint}", f"--access-key-file={self.key_file}"], options)

    def use_keys(self, *keys: str) -> None:
        """Replace the content of the key file by one or two access keys, base64."""
        fresh = self.key_file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text("".join(f"{key}\n" for key in keys))
        os.replace(fresh, self.key_file)  # noqa: PTH105 - a whole file or the old one
