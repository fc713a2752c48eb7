"""What the gRPC server is made with.

grpc ignores a name that it does not know without a word, so a test looks for each in its library.
Sources: grpc's include/grpc/impl/channel_arg_names.h and its doc/keepalive.md.
"""

from __future__ import annotations

MAX_REQUEST_BYTES = 1024 * 1024
"""The largest request of the contract, 700 people, has about 200 kB. Counted when decompressed."""

MIN_PING_INTERVAL = 8.0
"""Seconds. Many clients ping every 10 s, as a floor of Go's; grpc's 5 minutes would end them."""

_KEEPALIVE = 60.0
"""Seconds of silence after which a client is asked whether it is still there."""

_KEEPALIVE_TIMEOUT = 20.0
"""Seconds that it has to answer. What a dead one has under way would hold its places till then."""

_HANDSHAKE_TIMEOUT = 10.0
"""Seconds for TLS and HTTP/2 to begin."""

_AGE_GRACE = 300.0
"""Seconds for what is under way on a connection that is past its age: a list's time in the service
config for clients. A list that takes longer goes on from its last page token."""

_MIN_STREAMS = 10_000
"""HTTP/2 streams that a connection may have at the least. Far above what is admitted: past this
limit grpc resets streams, health checks among them, and nobody is told why. It is there for clients
that leave streams open behind them."""

_MAX_INT = 2**31 - 1


def server_options(
    *,
    max_calls: int,
    max_connection_age: float = 0,
    min_ping_interval: float = MIN_PING_INTERVAL,
    reuse_port: bool = False,
) -> list[tuple[str, int]]:
    """Return the options of a server that admits `max_calls` calls of all kinds.

    `max_connection_age`, in seconds, which grpc varies by a tenth, is when clients are asked to
    connect anew (0: never); `min_ping_interval`, in seconds, is how often they may ping;
    `reuse_port` says whether other processes may have the same ports.
    """
    streams = min(max(2 * max_calls, _MIN_STREAMS), _MAX_INT)
    options = [
        # By grpc's default, two gateways on one port would share its calls without a word.
        ("grpc.so_reuseport", int(reuse_port)),
        ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
        ("grpc.max_concurrent_streams", streams),
        # With more calls than 1,000 that Python has not taken over yet, grpc would drop some at
        # random, and tell their callers CANCELLED; to refuse calls, with a reason, is ours.
        ("grpc.server.max_pending_requests", streams),
        ("grpc.server.max_pending_requests_hard_limit", streams),
        ("grpc.server_handshake_timeout_ms", _milliseconds(_HANDSHAKE_TIMEOUT)),
        ("grpc.http2.min_ping_interval_without_data_ms", _milliseconds(min_ping_interval)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", _milliseconds(_KEEPALIVE)),
        ("grpc.keepalive_timeout_ms", _milliseconds(_KEEPALIVE_TIMEOUT)),
        # Our own pings, too, go on while nothing is said: else a dead client would be asked twice.
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
