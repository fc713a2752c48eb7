"""What the gateway is told at start, as one frozen tree, checked as a whole."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

from rooms_gateway.addresses import (
    SOCKET_MODE,
    UNIX,
    SocketRules,
    check_address,
    find_group,
    given_twice,
)
from rooms_gateway.server.auth.policy_check import policy_errors
from rooms_gateway.server.options import MIN_PING_INTERVAL
from rooms_gateway.server.tls.files import TlsFiles, tls_errors
from rooms_gateway.upstream.credentials import CredentialSettings, KeySettings
from rooms_gateway.upstream.credentials.flags import CREDENTIALS, EntraFlags, read_credential
from rooms_gateway.upstream.endpoint import Endpoint, parse_connection_string
from rooms_gateway.upstream.versions import LEGACY_API_VERSION

DEFAULT_LISTEN = "127.0.0.1:50051"

NO_UPSTREAM = (
    "nothing says which service to talk to: give --connection-string (or the environment variable "
    "COMMUNICATION_CONNECTION_STRING), or --endpoint with --access-key-file or --entra, or "
    "--emulator to try it without an Azure account"
)


class SettingsError(Exception):
    """Settings that the gateway cannot start with."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults
        """One sentence for each fault; all of them, not only the first."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The service, and what proves who we are."""

    endpoint: Endpoint
    credential: CredentialSettings

    @classmethod
    def with_key(cls, endpoint: Endpoint, access_key: bytes) -> Upstream:
        """Make one with a single access key, decoded."""
        return cls(endpoint, KeySettings((access_key,)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of a running gateway."""

    upstream: Upstream | None
    """None: an emulator of our own."""
    api_version: str
    """One of `rooms_gateway.upstream.versions.ALL_API_VERSIONS`."""
    emulator_faults: Path | None = None
    """A TOML file with what goes wrong in an emulator of our own; None: nothing."""
    listen: tuple[str, ...] = (DEFAULT_LISTEN,)
    """Each `host:port` or `unix:/path`."""
    allow_plaintext: bool = False
    """Whether other machines may reach a listener although nothing is encrypted."""
    tls_cert: Path | None = None
    """What TCP listeners serve with, PEM; None: plaintext. Unix sockets are never encrypted."""
    tls_key: Path | None = None
    """The private key of `tls_cert`."""
    tls_client_ca: Path | None = None
    """Who signs the certificates that clients must have; None: they need none."""
    reuse_port: bool = False
    """Whether other processes that say so too may listen on the same ports."""
    socket_mode: int = SOCKET_MODE
    """Permissions of Unix sockets."""
    socket_group: str | None = None
    """Name or id of the group that Unix sockets belong to; None: that of the process."""
    allow_shared_socket_directory: bool = False
    """Whether Unix sockets may be where everybody could put another in their place."""
    caller_policy: Path | None = None
    """Who may call what; None: whoever reaches a listener may call everything."""
    default_timeout: float = 30.0
    """Seconds for a unary call whose caller sets no deadline."""
    attempt_timeout: float = 10.0
    """Seconds for one REST request."""
    max_attempts: int = 4
    """REST requests for one call, the first included."""
    max_concurrent_calls: int = 200
    """Unary calls served at once: at 100 ms a request, more than one process has the CPU for."""
    max_queued_calls: int = 800
    """Unary calls that may wait for others to end; more are refused with RESOURCE_EXHAUSTED."""
    max_streams: int = 100
    """Lists read at once; more are refused with RESOURCE_EXHAUSTED."""
    max_calls_per_caller: int | None = None
    """Of `max_concurrent_calls`, how many one caller may have; None: all."""
    max_streams_per_caller: int | None = None
    """Of `max_streams`, how many one caller may have; None: all."""
    write_stall_timeout: float = 60.0
    """Seconds that the reader of a list may leave a page before the list is ended."""
    max_connection_age: float = 0.0
    """Seconds after which a client is asked to connect anew; 0: never."""
    min_ping_interval: float = MIN_PING_INTERVAL
    """Seconds between the keepalive pings of a client without data, at the least."""
    admin_listen: str | None = None
    """`host:port` for probes and metrics; None: there are none."""
    admin_allow_remote: bool = False
    """Whether other machines may reach that one."""
    quitquitquit: bool = False
    """Whether a POST to it, from this machine, may stop the gateway."""
    readiness_upstream: float | None = None
    """Seconds between two questions to the service, for /readyz; None: nobody asks it."""
    traces: bool = False
    """Whether calls are traced, and spans sent to where the OTEL_* variables say."""
    drain_delay: float = 0.0
    """Seconds to serve on after a stop is asked for and told, until everybody has heard of it."""
    drain_grace: float = 10.0
    """Seconds that calls in flight have to finish after a stop is asked for."""
    complete_windows: bool = True
    """Whether an update of one end of a window reads the other and sends both."""
    legacy: bool = False
    """Whether the deprecated LegacyRoomsService is served."""
    reflection: bool = True
    """Whether grpcurl and the like may ask what there is."""

    def __post_init__(self) -> None:
        """Raise SettingsError with every fault that types alone do not exclude."""
        faults = []
        if self.emulator_faults is not None and self.upstream is not None:
            faults.append("--emulator-faults: there is no emulator: give --emulator too")
        for address in self.listen:
            try:
                check_address(
                    address,
                    allow_plaintext=self.allow_plaintext,
                    encrypted=self.tls_cert is not None,
                )
            except ValueError as fault:
                faults.append(f"--listen: {fault}")
        faults += [f"--listen: {address} is given twice" for address in given_twice(self.listen)]
        if self.reuse_port:
            faults += _sharing_faults(self.listen, emulator=self.upstream is None)
        faults += tls_errors(self.tls_cert, self.tls_key, self.tls_client_ca, now=time.time())
        faults += policy_errors(
            self.caller_policy, self.listen, asks_clients=self.tls_client_ca is not None
        )
        if self.socket_group is not None:
            try:
                find_group(self.socket_group)
            except ValueError as fault:
                faults.append(f"--socket-group: {fault}")
        if self.admin_listen is not None:
            faults += _admin_faults(
                self.admin_listen, self.listen, allow_remote=self.admin_allow_remote
            )
        else:
            faults.extend(
                f"--{name.replace('_', '-')} needs --admin-listen"
                for name in ("quitquitquit", "readiness_upstream")
                if getattr(self, name)
            )
        if self.api_version == LEGACY_API_VERSION and not self.legacy:
            faults.append(
                f"--api-version {LEGACY_API_VERSION} has nothing but the preview's operations: add "
                "--enable-legacy to serve them, or choose a stable version"
            )
        # The command line lets "inf" and "nan" through as numbers; no timer can be set to them.
        faults.extend(
            f"--{name.replace('_', '-')} must be a number of seconds"
            for name in (
                *("default_timeout", "attempt_timeout", "drain_delay", "drain_grace"),
                *("readiness_upstream", "write_stall_timeout", "max_connection_age"),
            )
            if not math.isfinite(getattr(self, name) or 0)
        )
        if faults:
            raise SettingsError(faults)

    @property
    def tls(self) -> TlsFiles | None:
        """The files of TLS, None for plaintext."""
        if self.tls_cert is None or self.tls_key is None:
            return None
        return TlsFiles(self.tls_cert, self.tls_key, self.tls_client_ca)

    @property
    def max_calls(self) -> int:
        """How many calls of all kinds there can be at once, those that wait included."""
        return self.max_concurrent_calls + self.max_queued_calls + self.max_streams

    @property
    def max_connections(self) -> int:
        """How many HTTP connections to the service there can be: one for each request under way.

        So nobody waits for one, least of all a call for the pages of lists. A call has two requests
        under way where it reads a room and its roster, a list never more than one.
        """
        return 2 * self.max_concurrent_calls + self.max_streams

    @property
    def sockets(self) -> SocketRules:
        """Who may connect to Unix sockets. Raises ValueError if the group has gone since."""
        group = None if self.socket_group is None else find_group(self.socket_group)
        return SocketRules(self.socket_mode, group, self.allow_shared_socket_directory)


def _sharing_faults(listen: tuple[str, ...], *, emulator: bool) -> list[str]:
    """Say what keeps several processes from sharing the ports in `listen`."""
    ports = [address for address in listen if not address.startswith(UNIX)]
    faults = [
        f"--reuse-port: each process would get a port of its own for {address}: choose one"
        for address in ports
        if address.rpartition(":")[2].strip("0") == ""
    ]
    if not ports:
        faults.append(
            "--reuse-port: a Unix socket is one gateway's: add a --listen host:port to share"
        )
    if emulator:
        faults.append(
            "--reuse-port: each process would have an emulator with rooms of its own: run "
            "rooms-gateway emulator, and give all of them its --connection-string"
        )
    return faults


def _admin_faults(address: str, listen: tuple[str, ...], *, allow_remote: bool) -> list[str]:
    if address.startswith(UNIX):
        return [f"--admin-listen {address}: probes and scrapers cannot reach a socket file"]
    try:
        check_address(address, allow_plaintext=allow_remote, flag="--admin-allow-remote")
    except ValueError as fault:
        return [f"--admin-listen: {fault}"]
    if address in given_twice((*set(listen), address)):
        return [f"--admin-listen: {address} is an address of --listen"]
    return []


def read_upstream(
    connection_string: str | None,
    endpoint: str | None,
    access_key_file: Path | None,
    *,
    access_key: str | None = None,
    entra: EntraFlags | None = None,
) -> Upstream:
    """Make the upstream from a connection string, or from an endpoint and one credential.

    `access_key` is the text of one or two keys, as in the file. Raises SettingsError with every
    fault; its sentences never repeat a key.
    """
    credential, faults = read_credential(access_key_file, access_key, entra or EntraFlags())
    if connection_string is not None:
        if endpoint is not None or credential is not None or faults:
            raise SettingsError(
                ["give either --connection-string or --endpoint with a credential, not both"]
            )
        try:
            return Upstream.with_key(*parse_connection_string(connection_string))
        except ValueError as fault:
            raise SettingsError([f"--connection-string: {fault}"]) from None
    where = None
    if endpoint is not None:
        try:
            where = Endpoint.parse(endpoint)
        except ValueError as fault:
            faults.append(f"--endpoint: {fault}")
    elif credential is None and not faults:
        raise SettingsError([NO_UPSTREAM])
    else:
        faults.append(f"{CREDENTIALS} must come with --endpoint")
    if credential is None and not faults:
        faults.append(f"--endpoint needs a credential: {CREDENTIALS}")
    if faults or where is None or credential is None:
        raise SettingsError(faults)
    return Upstream(where, credential)
