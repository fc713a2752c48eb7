"""A gateway of its own process, as a test holds it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rooms_gateway.testing.processes import Process


class RoomsGateway:
    """A gateway on a free port, for the time of one test.

    Args:
        endpoint: the service behind it.
        key: the access key, base64.
        folder: where to keep the file with the key.
        options: more flags of `rooms-gateway serve`.

    Raises:
        ProcessError: it did not start.

    """

    def __init__(self, endpoint: str, key: str, folder: Path, options: Sequence[str] = ()) -> None:
        self.key_file = folder / "rooms-gateway.key"
        """The file that it reads its access keys from, again when it changes."""
        self.use_keys(key)
        self._process = Process(
            [
                "serve",
                f"--endpoint={endpoint}",
                f"--access-key-file={self.key_file}",
                "--listen=127.0.0.1:0",
                # What still runs at the end of a test is of no use to anybody.
                "--drain-grace=0.5",
                *options,
            ],
            ready="rooms-gateway is ready on (.*)",
        )
        self.address = self._process.find("rooms-gateway is ready on (.*)") or ""
        """What a gRPC channel is made with, such as `127.0.0.1:40247`; not encrypted."""

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def use_keys(self, *keys: str) -> None:
        """Write these access keys, base64, one or two, into the file that it reads."""
        fresh = self.key_file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text("".join(f"{key}\n" for key in keys))
        os.replace(fresh, self.key_file)  # noqa: PTH105 - a whole file or the old one

    def log(self) -> str:
        """Return what it has logged."""
        return self._process.log()

    def stop(self) -> None:
        """End the process, as SIGTERM does."""
        self._process.stop()

    def finish(self) -> None:
        """End the process; raise ProcessError if it had ended on its own."""
        self._process.finish()

    def describe(self) -> str:
        """Tell what happened, for whoever looks at a test that failed."""
        return f"on {self.address}; the end of its log:\n{self._process.shown_log()}"
