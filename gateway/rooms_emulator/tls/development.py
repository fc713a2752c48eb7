"""TLS for development, without a certificate to prepare: `--tls-dev`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from rooms_emulator.tls.files import server_context

MISSING = (
    "TLS for development needs the library cryptography: pip install 'rooms-gateway[tls-dev]', or "
    "pass --tls-cert and --tls-key"
)

# The last one is how containers of Docker Desktop call the machine that runs them.
_LOCAL = ("localhost", "127.0.0.1", "::1", "host.docker.internal")


def default_folder() -> Path:
    """Return the user's folder for the development CA.

    It is `rooms-gateway` in `$XDG_DATA_HOME`, by default `~/.local/share`. Raises ValueError if
    the user has no home directory.
    """
    chosen = Path(os.environ.get("XDG_DATA_HOME", ""))
    try:
        base = chosen if chosen.is_absolute() else Path.home() / ".local" / "share"
    except RuntimeError:
        raise ValueError(
            "there is no home directory for the development CA: set XDG_DATA_HOME to a folder that "
            "this user can write"
        ) from None
    return base / "rooms-gateway"


class DevelopmentTls:
    """TLS with a certificate of a development CA, which clients have to trust once.

    The CA is made on first use and kept in `folder`, by default that of `default_folder`. The
    certificate is for this machine, under its local names and addresses, and for `hosts`; it is
    made anew for each object, and expires after 397 days. Raises ValueError, with one sentence, if
    the library cryptography is missing, the CA cannot be used, or a host is malformed.
    """

    def __init__(
        self, hosts: Iterable[str] = (), *, folder: Path | None = None, now: datetime | None = None
    ) -> None:
        try:
            from rooms_emulator.tls.authority import Authority
        except ImportError:
            raise ValueError(MISSING) from None
        now = now or datetime.now(UTC)
        authority = Authority(folder or default_folder(), now)
        self.ca_file = authority.file
        """PEM file with the certificate of the CA, for clients to trust."""
        self.truststore = authority.truststore
        """PKCS #12 file with the same certificate, for Java; the password is `changeit`."""
        self.context = server_context()
        """Context of servers with the certificate."""
        # ssl loads certificates from files only; this one is readable for the user alone.
        with tempfile.TemporaryDirectory() as temporary:
            file = Path(temporary) / "server.pem"
            file.write_bytes(authority.issue(dict.fromkeys((*_LOCAL, *hosts)), now))
            self.context.load_cert_chain(file)
