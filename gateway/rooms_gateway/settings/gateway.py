"""The settings of a running gateway, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rooms_gateway.addresses import (
    SOCKET_MODE,
    SocketRules,
    find_group,
    format_socket_mode,
    parse_socket_mode,
)
from rooms_gateway.server.kind import ServerKind
from rooms_gateway.server.tls.files import TlsFiles
from rooms_gateway.settings.declaration import Group, setting
from rooms_gateway.settings.errors import SettingsError
from rooms_gateway.settings.resources import Resources, ResourceTerms
from rooms_gateway.settings.rules import find_errors
from rooms_gateway.settings.upstream import Upstream
from rooms_gateway.telemetry.log_options import LogFormat, LogLevel
from rooms_gateway.upstream.models import ROLES
from rooms_gateway.upstream.transport.pacing.family_rate import FamilyRate
from rooms_gateway.upstream.versions import (
    API_VERSIONS,
    DEFAULT_API_VERSION,
    DEFAULT_IDENTITY_API_VERSION,
    IDENTITY_API_VERSIONS,
)

DEFAULT_LISTEN = "127.0.0.1:50051"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of a gateway. Raises SettingsError with every error in the values.

    Files are not read; see `rooms_gateway.cli.serve.files`.
    """

    upstream: Upstream | None
    """The one resource; None: there are `resources`, or the embedded emulator."""
    resources: Resources | None = None
    """The named resources; None: there is one, without a name."""
    default_resource: str | None = setting(
        None,
        Group.RESOURCES,
        "Name of the resource for calls that name none: see docs/how-to/several-resources.md. "
        "Needs tables [resources.NAME] in the settings file, and is read again with them.",
        metavar="NAME",
    )
    api_version: str = setting(
        DEFAULT_API_VERSION,
        Group.UPSTREAM,
        "Version of the Rooms REST API to use.",
        one_of=tuple(API_VERSIONS),
        per_resource=True,
    )
    identity_api_version: str = setting(
        DEFAULT_IDENTITY_API_VERSION,
        Group.UPSTREAM,
        "Version of the Identity REST API to use. Only 2025-03-02-preview has custom ids of users.",
        one_of=IDENTITY_API_VERSIONS,
        per_resource=True,
    )
    upstream_warm_connections: int = setting(
        2,  # A call that reads a room and its roster uses two.
        Group.UPSTREAM,
        "Connections to the Rooms service that are opened at startup and replaced before they "
        "expire, so that a call after a quiet time does not wait for a TLS handshake. 0: none.",
        minimum=0,
        per_resource=True,
    )
    check_upstream: bool = setting(
        False,
        Group.UPSTREAM,
        "Check connection and credential at startup, as rooms-gateway check does, and exit with 7 "
        "if the check fails, of several resources that of any.",
    )

    listen: tuple[str, ...] = setting(
        (DEFAULT_LISTEN,),
        Group.LISTENERS,
        "Address to serve gRPC on: host:port (port 0: any free port), unix:/path, or systemd:NAME "
        "for a socket that systemd passes. Repeat it for several addresses.",
        metavar="ADDRESS",
    )
    server: ServerKind = setting(
        ServerKind.LOOP,
        Group.LISTENERS,
        "gRPC server: the one in the event loop, or that of grpcio; see "
        "docs/decisions/0004-server.md.",
    )
    allow_plaintext: bool = setting(
        False,
        Group.LISTENERS,
        "Permit --listen without TLS on addresses that other hosts can reach.",
    )
    reuse_port: bool = setting(
        False,
        Group.LISTENERS,
        "Share the ports of --listen with other processes of the same user that have this flag: "
        "see docs/how-to/several-processes.md.",
    )
    socket_mode: int = setting(
        SOCKET_MODE,
        Group.LISTENERS,
        "Permissions of Unix sockets, in octal. Connecting needs write permission.",
        metavar="MODE",
        parse=parse_socket_mode,
        show=format_socket_mode,
    )
    socket_group: str | None = setting(
        None,
        Group.LISTENERS,
        "Group that owns Unix sockets. Default: the group of the process.",
        metavar="NAME|GID",
    )
    allow_shared_socket_directory: bool = setting(
        False,
        Group.LISTENERS,
        "Permit Unix sockets in world-writable directories, such as an emptyDir of Kubernetes, "
        "where another user could replace them.",
    )

    tls_cert: Path | None = setting(
        None,
        Group.TLS,
        "PEM file with the certificate of TCP listeners and its chain. Enables TLS. Certificate, "
        "key and client CA are reloaded when they change.",
    )
    tls_key: Path | None = setting(None, Group.TLS, "PEM file with the private key of --tls-cert.")
    tls_client_ca: Path | None = setting(
        None,
        Group.TLS,
        "PEM file with the CA certificates that client certificates must chain to. Enables mTLS.",
    )

    caller_policy: Path | None = setting(
        None,
        Group.CALLERS,
        "TOML file of callers and their permissions: see docs/how-to/callers.md. Without it, every "
        "client may call every method. Reloaded when it changes.",
    )

    complete_windows: bool = setting(
        True,
        Group.SERVICES,
        "When an update sets only one of valid_from and valid_until, read the other and send both.",
    )
    default_room_lifetime: float | None = setting(
        None,
        Group.SERVICES,
        "Window of a room that is created without valid_until, in seconds from valid_from or now. "
        "Default: --max-room-lifetime, else 180 days from now, by the Rooms service.",
        above=0,
    )
    max_room_lifetime: float | None = setting(
        None,
        Group.SERVICES,
        "Longest window that a create or an update may set, in seconds; a longer one is rejected "
        "with ROOM_LIFETIME_TOO_LONG. Default: 180 days, the limit of the Rooms service.",
        above=0,
    )
    default_role: str | None = setting(
        None,
        Group.SERVICES,
        "Role of participants that a call adds without one. Default: attendee, by the Rooms "
        "service.",
        one_of=tuple(role.lower() for role in ROLES),
    )
    enable_legacy: bool = setting(
        False,
        Group.SERVICES,
        "Serve acs.rooms.legacy.v1.LegacyRoomsService, the operations of the 2022 preview. "
        "Deprecated.",
    )
    reflection: bool = setting(
        True, Group.SERVICES, "Serve gRPC server reflection (grpcurl needs it)."
    )

    max_concurrent_calls: int = setting(
        200,  # At 100 ms per request, more calls than the CPU time of one process allows.
        Group.LIMITS,
        "Maximum concurrent unary calls; further calls queue. Uses up to twice as many upstream "
        "connections.",
        minimum=1,
    )
    max_queued_calls: int = setting(
        800,
        Group.LIMITS,
        "Maximum unary calls in the queue, which serves callers alternately; further calls are "
        "rejected with RESOURCE_EXHAUSTED.",
        minimum=0,
    )
    max_streams: int = setting(
        100,
        Group.LIMITS,
        "Maximum concurrent streams, of lists and bulk jobs; further ones are rejected with "
        "RESOURCE_EXHAUSTED.",
        minimum=1,
    )
    max_calls_per_caller: int | None = setting(
        None,
        Group.LIMITS,
        "Maximum concurrent unary calls of one caller. Default: --max-concurrent-calls.",
        minimum=1,
    )
    max_streams_per_caller: int | None = setting(
        None,
        Group.LIMITS,
        "Maximum concurrent streams of one caller. Default: --max-streams.",
        minimum=1,
    )
    max_client_connections: int = setting(
        1000,
        Group.LIMITS,
        "Maximum connections of clients to each address; a further one replaces the oldest without "
        "calls. Fewer if the limit of open files (ulimit -n) is low.",
        minimum=1,
    )
    max_connection_age: float = setting(
        0.0,
        Group.LIMITS,
        "Age at which a client is asked to reconnect, in seconds, so that clients spread over new "
        "replicas. 0: never.",
        minimum=0,
    )

    default_timeout: float = setting(
        30.0, Group.TIMEOUTS, "Timeout of a unary call without a deadline, in seconds.", above=0
    )
    attempt_timeout: float = setting(
        10.0, Group.TIMEOUTS, "Timeout per attempt, in seconds.", above=0
    )
    max_attempts: int = setting(
        4, Group.TIMEOUTS, "Maximum attempts per call, the first one included.", minimum=1
    )
    upstream_rate: tuple[FamilyRate, ...] = setting(
        (),
        Group.TIMEOUTS,
        "Highest rate of one operation family, in requests per second, such as room-writes=N or "
        "token-issues=N. Repeat it for several. Default: the rate that the upstream accepts.",
        metavar="FAMILY=N",
        parse=FamilyRate.parse,
        show=str,
        per_resource=True,
    )
    max_pacing_wait: float = setting(
        60.0,
        Group.TIMEOUTS,
        "Longest time that a request waits for the pacer while the upstream throttles, in seconds; "
        "a call that would wait longer, or beyond its deadline, is rejected with THROTTLED. Items "
        "of a bulk stream wait until its deadline.",
        minimum=0,
    )
    write_stall_timeout: float = setting(
        60.0,
        Group.TIMEOUTS,
        "Time that a client may leave a page of a list or a result of a bulk stream unread before "
        "the stream is aborted, or a unary response before its slot is released, in seconds. "
        "Reflection and bulk streams that are idle for this time are aborted too.",
        above=0,
    )

    admin_listen: str | None = setting(
        None,
        Group.OBSERVABILITY,
        "host:port for probes and metrics over HTTP: /startupz, /readyz, /livez, /metrics. "
        "Default: none.",
        metavar="ADDRESS",
    )
    admin_allow_remote: bool = setting(
        False,
        Group.OBSERVABILITY,
        "Permit --admin-listen on an address that other hosts can reach, without TLS. "
        "--allow-plaintext does not.",
    )
    upstream_probe_interval: float | None = setting(
        None,
        Group.OBSERVABILITY,
        "Time between probes of the upstream, in seconds. While they fail, /readyz reports not "
        "ready, so an upstream outage makes all replicas unavailable. Default: no probes; named "
        "resources are probed every 30 s, for their health only.",
        minimum=1,
    )
    traces: bool = setting(
        False,
        Group.OBSERVABILITY,
        "Export traces over OTLP/gRPC to OTEL_EXPORTER_OTLP_ENDPOINT. Needs "
        "pip install 'rooms-gateway[otel]'.",
    )
    log_level: LogLevel = setting(
        LogLevel.INFO,
        Group.OBSERVABILITY,
        "Lowest level that is logged, to standard error. Each call is one line at info.",
    )
    log_format: LogFormat | None = setting(
        None,
        Group.OBSERVABILITY,
        "Encoding of log lines. Default: console on a terminal, json otherwise.",
    )

    audit_log: Path | None = setting(
        None,
        Group.AUDIT,
        "File for one JSON line per call that changes something or issues an access token: see "
        "docs/how-to/audit.md. - is standard output. Default: none.",
        metavar="FILE|-",
    )
    audit_key_file: Path | None = setting(
        None,
        Group.AUDIT,
        "File with a secret of at least 32 characters, for keyed hashes of participants in "
        "--audit-log; without it, lines have none. Reloaded when it changes.",
    )
    audit_required: bool = setting(
        False,
        Group.AUDIT,
        "Reject changes with UNAVAILABLE while --audit-log cannot be written, and send no response "
        "to a change before its line is in the file.",
    )

    drain_delay: float = setting(
        0.0,
        Group.SHUTDOWN,
        "Time to keep serving, marked not ready, before draining, in seconds.",
        minimum=0,
    )
    drain_grace: float = setting(
        10.0,
        Group.SHUTDOWN,
        "Time for calls in flight to finish at shutdown, in seconds.",
        minimum=0,
    )
    exit_zero_on_sigterm: bool = setting(
        False,
        Group.SHUTDOWN,
        "Exit with 0 after any shutdown that SIGTERM started, so that a sidecar does not fail its "
        "Job.",
    )
    quitquitquit: bool = setting(
        False,
        Group.SHUTDOWN,
        "Shut down, as at SIGTERM, on a POST from this host to /quitquitquit on --admin-listen, "
        "which rooms-gateway shutdown sends.",
    )

    emulator_listen: str | None = setting(
        None,
        Group.EMULATOR,
        "Loopback address of the embedded emulator, and so of its control API. Default: a free "
        "port of 127.0.0.1.",
        metavar="HOST:PORT",
    )
    emulator_faults: Path | None = setting(
        None,
        Group.EMULATOR,
        "TOML file of faults that the embedded emulator injects: see docs/emulator.md.",
    )

    def __post_init__(self) -> None:
        if errors := find_errors(self):
            raise SettingsError(errors)

    @property
    def embeds_emulator(self) -> bool:
        """Whether the upstream is the embedded emulator."""
        return self.upstream is None and self.resources is None

    @property
    def terms(self) -> ResourceTerms:
        """How the gateway uses the only resource."""
        return ResourceTerms(
            api_version=self.api_version,
            identity_api_version=self.identity_api_version,
            upstream_warm_connections=self.upstream_warm_connections,
            upstream_rate=self.upstream_rate,
        )

    @property
    def tls(self) -> TlsFiles | None:
        """The TLS files; None: plaintext."""
        if self.tls_cert is None or self.tls_key is None:
            return None
        return TlsFiles(self.tls_cert, self.tls_key, self.tls_client_ca)

    @property
    def resource_count(self) -> int:
        """Number of resources at startup; each has the limits below."""
        return 1 if self.resources is None else len(self.resources.by_name)

    @property
    def max_calls(self) -> int:
        """Maximum calls of all kinds, queued ones included."""
        return self.max_concurrent_calls + self.max_queued_calls + self.max_streams

    @property
    def max_connections(self) -> int:
        """Maximum upstream connections: one for each concurrent request, so that none waits.

        A unary call that reads a room and its roster has two concurrent requests, a list has one.
        Bulk streams together have those of `services.bulk`, which come on top.
        """
        return 2 * self.max_concurrent_calls + self.max_streams

    @property
    def sockets(self) -> SocketRules:
        """Owner and permissions of Unix sockets. Raises ValueError if the group does not exist."""
        group = None if self.socket_group is None else find_group(self.socket_group)
        return SocketRules(self.socket_mode, group, self.allow_shared_socket_directory)
