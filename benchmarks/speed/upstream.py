"""The stub of the Rooms service, the upstream of every arm."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import trustme

ACCESS_KEY = "c3BlZWQgaXMgbWVhc3VyZWQsIG5vdCBzZWNyZWN5Li4u"
"""Key that signs the requests; the stub does not verify signatures."""


@dataclass(frozen=True, slots=True)
class Stub:
    """A running stub."""

    pid: int
    http: str
    https: str
    authority: str
    """File with the CA of its TLS certificate."""

    def origin(self, *, tls: bool) -> str:
        """Return the origin of the stub."""
        return self.https if tls else self.http

    def connection_string(self, *, tls: bool) -> str:
        """Return a connection string for the gateway and Microsoft's client."""
        return f"endpoint={self.origin(tls=tls)}/;accesskey={ACCESS_KEY}"

    def shape(self, pages: int = 1, size: int = 1, delay: int = 0) -> None:
        """Set the length of its list, and the delay of every response, in milliseconds."""
        self._control("PUT", f"?pages={pages}&size={size}&delay={delay}")

    @property
    def requests(self) -> int:
        """Number of requests received."""
        return int(self._control("GET")["requests"])

    def _control(self, method: str, query: str = "") -> dict[str, int]:
        request = urllib.request.Request(f"{self.http}/stub{query}", method=method)  # noqa: S310
        with urllib.request.urlopen(request) as response:  # noqa: S310 - a URL of the stub
            body: dict[str, int] = json.load(response)
        return body


@contextmanager
def serving(program: Path) -> Iterator[Stub]:
    """Run the stub until the end of the block."""
    with TemporaryDirectory() as folder:
        authority, certificate, key = (f"{folder}/{name}.pem" for name in ("ca", "cert", "key"))
        ca = trustme.CA()
        ca.cert_pem.write_to_path(authority)
        issued = ca.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(key)
        for part in issued.cert_chain_pems:
            part.write_to_path(certificate, append=True)
        process = subprocess.Popen(
            [program, "-cert", certificate, "-key", key],
            stdout=subprocess.PIPE,
            env={"GOMAXPROCS": "1", "GOGC": "400"},
        )
        try:
            assert process.stdout
            ports = json.loads(process.stdout.readline())
            yield Stub(
                process.pid,
                f"http://127.0.0.1:{ports['http']}",
                f"https://127.0.0.1:{ports['https']}",
                authority,
            )
        finally:
            process.kill()
            process.communicate()
