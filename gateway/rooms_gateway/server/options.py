"""Limits of the two gRPC servers, which are the same.

grpc silently ignores unknown names, so a test looks for each of them in its library. Sources:
grpc's include/grpc/impl/channel_arg_names.h and doc/keepalive.md.
"""

from __future__ import annotations

import logging
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

from rooms_gateway.grpc_server.limits import Limits

MAX_REQUEST_BYTES = 384 * 1024
"""After decompression. The largest valid request in ASCII, an UpdateParticipants of 350 upserts and
700 removals with the longest identifiers, has 391 kB."""

MIN_PING_INTERVAL = 8.0
"""In seconds. Many clients ping every 10 s, Go's minimum; grpc's default is 5 minutes."""

_KEEPALIVE = 60.0
"""Seconds without data after which the server pings a client."""

_KEEPALIVE_TIMEOUT = 20.0
"""Seconds for the client to respond to a ping; until then, the calls of a dead one keep slots."""

_HANDSHAKE_TIMEOUT = 10.0
"""Timeout of the TLS and HTTP/2 handshakes, in seconds."""

_AGE_GRACE = 300.0
"""Seconds for the calls of a connection that has reached its maximum age; the timeout of a list in
the service config for clients. A list that takes longer resumes at its last page token."""

_MAX_STREAMS = 100
"""HTTP/2 streams of a connection, health and reflection included: the minimum that RFC 9113
recommends. Clients wait until they may open another. The calls of one connection can delay those of
others by no more than these."""

_MIN_PENDING = 10_000
"""Minimum for the calls that Python has not accepted yet; past it, grpc cancels calls at random,
while `admission` rejects them with a reason."""

_RESERVED_FILES = 64
"""Descriptors for the admin listener, log, watched files, event loop and token requests."""

_MAX_INT = 2**31 - 1

logger = logging.getLogger(__name__)


def server_options(
    *,
    max_calls: int,
    max_connections: int,
    max_connection_age: float = 0,
    min_ping_interval: float = MIN_PING_INTERVAL,
    reuse_port: bool = False,
) -> list[tuple[str, int]]:
    """Return the options of grpcio's server if it admits `max_calls` calls of all kinds.

    `max_connections` is the limit of each listener: grpc closes further connections at once.
    `max_connection_age` is in seconds, which grpc varies by 10 %; 0: unlimited. `min_ping_interval`
    is the shortest accepted interval of clients' pings, in seconds. `reuse_port` lets other
    processes bind the same ports.
    """
    pending = min(max(2 * max_calls, _MIN_PENDING), _MAX_INT)
    options = [
        # By grpc's default, two gateways on one port would silently share its calls.
        ("grpc.so_reuseport", int(reuse_port)),
        ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
        ("grpc.max_concurrent_streams", _MAX_STREAMS),
        # It counts calls that the client has seen end and Python still holds: at 100 streams, it
        # rejected a third of the calls of a client with 500 at once.
        ("grpc.http.overload_protection", 0),
        ("grpc.max_allowed_incoming_connections", min(max_connections, _MAX_INT)),
        ("grpc.server.max_pending_requests", pending),
        ("grpc.server.max_pending_requests_hard_limit", pending),
        ("grpc.server_handshake_timeout_ms", _milliseconds(_HANDSHAKE_TIMEOUT)),
        ("grpc.http2.min_ping_interval_without_data_ms", _milliseconds(min_ping_interval)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", _milliseconds(_KEEPALIVE)),
        ("grpc.keepalive_timeout_ms", _milliseconds(_KEEPALIVE_TIMEOUT)),
        # Unlimited pings of the server without data: else a dead client would be pinged only twice.
        ("grpc.http2.max_pings_without_data", 0),
    ]
    if max_connection_age:
        options += [
            ("grpc.max_connection_age_ms", _milliseconds(max_connection_age)),
            ("grpc.max_connection_age_grace_ms", _milliseconds(_AGE_GRACE)),
        ]
    return options


def server_limits(
    *,
    max_connections: int,
    max_connection_age: float = 0,
    min_ping_interval: float = MIN_PING_INTERVAL,
    stall_timeout: float,
) -> Limits:
    """Return the limits of the server in the event loop; parameters are as for `server_options`.

    `stall_timeout` is for clients that leave a response unread, in seconds.
    """
    return Limits(
        max_connections=max_connections,
        max_streams=_MAX_STREAMS,
        max_message=MAX_REQUEST_BYTES,
        handshake_timeout=_HANDSHAKE_TIMEOUT,
        stall_timeout=stall_timeout,
        min_ping_interval=min_ping_interval,
        keepalive=_KEEPALIVE,
        keepalive_timeout=_KEEPALIVE_TIMEOUT,
        max_connection_age=max_connection_age,
        age_grace=_AGE_GRACE,
    )


def connections_per_listener(wanted: int, listeners: int, upstream: int) -> int:
    """Return how many clients may connect to each of `listeners`: `wanted`, or fewer.

    The limit of open files must leave descriptors for `upstream` connections, probes and files. The
    soft limit is raised for that, up to the hard one.
    """
    others = upstream + _RESERVED_FILES
    needed = listeners * wanted + others
    soft, hard = getrlimit(RLIMIT_NOFILE)
    if soft != RLIM_INFINITY and soft < needed:
        soft = needed if hard == RLIM_INFINITY else min(needed, hard)
        setrlimit(RLIMIT_NOFILE, (soft, hard))
    if soft == RLIM_INFINITY or soft >= needed:
        return wanted
    fitting = max((soft - others) // listeners, 1)
    logger.warning(
        "only %d clients can connect to each address, not %d: raise the limit of open files "
        "(ulimit -Hn) from %d to %d",
        *(fitting, wanted, soft, needed),
    )
    return fitting


def _milliseconds(seconds: float) -> int:
    return min(max(round(1000 * seconds), 1), _MAX_INT)
