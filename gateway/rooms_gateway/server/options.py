"""Options of the gRPC server.

grpc silently ignores unknown names, so a test looks for each of them in its library. Sources:
grpc's include/grpc/impl/channel_arg_names.h and doc/keepalive.md.
"""

from __future__ import annotations

MAX_REQUEST_BYTES = 1024 * 1024
"""After decompression. The largest request of the contract, 700 participants, has about 200 kB."""

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

_MIN_STREAMS = 10_000
"""Minimum for the HTTP/2 streams of a connection. It is far above the number of admitted calls,
because past this limit grpc resets streams, health checks included, without a status. It protects
against clients that never close their streams."""

_MAX_INT = 2**31 - 1


def server_options(
    *,
    max_calls: int,
    max_connection_age: float = 0,
    min_ping_interval: float = MIN_PING_INTERVAL,
    reuse_port: bool = False,
) -> list[tuple[str, int]]:
    """Return the options of a server that admits `max_calls` calls of all kinds.

    `max_connection_age` is in seconds, which grpc varies by 10 %; 0: unlimited. `min_ping_interval`
    is the shortest accepted interval of clients' pings, in seconds. `reuse_port` lets other
    processes bind the same ports.
    """
    streams = min(max(2 * max_calls, _MIN_STREAMS), _MAX_INT)
    options = [
        # By grpc's default, two gateways on one port would silently share its calls.
        ("grpc.so_reuseport", int(reuse_port)),
        ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
        ("grpc.max_concurrent_streams", streams),
        # By grpc's default, calls beyond 1,000 that Python has not accepted yet are cancelled at
        # random; `admission` rejects calls with a reason instead.
        ("grpc.server.max_pending_requests", streams),
        ("grpc.server.max_pending_requests_hard_limit", streams),
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


def _milliseconds(seconds: float) -> int:
    return min(max(round(1000 * seconds), 1), _MAX_INT)
