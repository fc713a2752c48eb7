"""What the gateway is told at start, as one frozen tree, checked as a whole."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from gateway.addresses import check_address
from gateway.endpoint import Endpoint, parse_access_key, parse_connection_string

DEFAULT_LISTEN = "127.0.0.1:50051"

NO_UPSTREAM = (
    "nothing says which service to talk to: give --connection-string (or the environment variable "
    "COMMUNICATION_CONNECTION_STRING), or --endpoint with --access-key-file, or --emulator to try "
    "it without an Azure account"
)


class SettingsError(Exception):
    """Settings that the gateway cannot start with."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults
        """One sentence for each fault; all of them, not only the first."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The service, and the key that proves who we are."""

    endpoint: Endpoint
    access_key: bytes = field(repr=False)
    """Decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of a running gateway."""

    upstream: Upstream | None
    """None: an emulator of our own."""
    api_version: str
    """One of `gateway.rest.versions.API_VERSIONS`."""
    listen: tuple[str, ...] = (DEFAULT_LISTEN,)
    """Each `host:port` or `unix:/path`."""
    allow_plaintext: bool = False
    """Whether other machines may reach a listener although nothing is encrypted."""
    default_timeout: float = 30.0
    """Seconds for a unary call whose caller sets no deadline."""
    attempt_timeout: float = 10.0
    """Seconds for one REST request."""
    max_attempts: int = 4
    """REST requests for one call, the first included."""
    max_concurrent_calls: int = 1000
    """More at once are refused with RESOURCE_EXHAUSTED."""
    max_connections: int = 100
    """HTTP connections to the service."""
    drain_grace: float = 10.0
    """Seconds that calls in flight have to finish after a stop is asked for."""
    reflection: bool = True
    """Whether grpcurl and the like may ask what there is."""

    def __post_init__(self) -> None:
        """Raise SettingsError with every fault that types alone do not exclude."""
        faults = []
        for address in self.listen:
            try:
                check_address(address, allow_plaintext=self.allow_plaintext)
            except ValueError as fault:
                faults.append(str(fault))
        # The command line lets "inf" and "nan" through as numbers; no timer can be set to them.
        faults.extend(
            f"--{name.replace('_', '-')} must be a number of seconds"
            for name in ("default_timeout", "attempt_timeout", "drain_grace")
            if not math.isfinite(getattr(self, name))
        )
        if faults:
            raise SettingsError(faults)


def read_upstream(
    connection_string: str | None, endpoint: str | None, access_key_file: Path | None
) -> Upstream:
    """Make the upstream from a connection string, or from an endpoint and a file with the key.

    Raises SettingsError; its sentences never repeat a key.
    """
    if connection_string is not None:
        if endpoint is not None or access_key_file is not None:
            raise SettingsError(
                ["give either --connection-string or --endpoint with --access-key-file, not both"]
            )
        try:
            return Upstream(*parse_connection_string(connection_string))
        except ValueError as fault:
            raise SettingsError([f"--connection-string: {fault}"]) from None
    if endpoint is None and access_key_file is None:
        raise SettingsError([NO_UPSTREAM])
    if endpoint is None or access_key_file is None:
        raise SettingsError(["--endpoint and --access-key-file must be given together"])
    faults = []
    try:
        where = Endpoint.parse(endpoint)
    except ValueError as fault:
        faults.append(f"--endpoint: {fault}")
    try:
        key = parse_access_key(access_key_file.read_text(encoding="ascii"))
    except OSError as fault:
        faults.append(f"--access-key-file: cannot read {access_key_file}: {fault.strerror}")
    except ValueError:
        faults.append(f"--access-key-file: {access_key_file} does not hold a base64 access key")
    if faults:
        raise SettingsError(faults)
    return Upstream(where, key)
