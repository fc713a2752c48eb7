"""Metrics of gRPC calls, by the names of dashboards and by those of OpenTelemetry."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Buckets, as OpenTelemetry advises them for calls of both kinds."""

OTHER = "_OTHER"
"""OpenTelemetry's label for what is outside of a list."""

SERVER_FAULTS = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""The codes that OpenTelemetry counts as errors of a server; the others are its callers'."""


def go_name(code: str) -> str:
    """Spell a status code as `grpc_code` does, which is Go's way: NOT_FOUND is NotFound."""
    if code == "OK":
        return code
    # The one word that they spell in two ways.
    return "Canceled" if code == "CANCELLED" else code.title().replace("_", "")


class CallMetrics:
    """The families of gRPC calls."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("grpc_type", "grpc_service", "grpc_method")
        self.started = Counter("grpc_server_started", "Calls begun.", labels, registry=registry)
        self.handled = Counter(
            "grpc_server_handled",
            "Calls ended, by status code.",
            (*labels, "grpc_code"),
            registry=registry,
        )
        self.sent = Counter(
            "grpc_server_msg_sent",
            "Messages to callers; of a stream (server_stream), pages.",
            labels,
            registry=registry,
        )
        self.handling = Histogram(
            "grpc_server_handling_seconds",
            "How long calls took.",
            labels,
            buckets=SECONDS,
            registry=registry,
        )
        self.duration = Histogram(
            "rpc_server_call_duration_seconds",
            "How long calls took, by status code.",
            ("rpc_system_name", "rpc_method", "rpc_response_status_code", "error_type"),
            buckets=SECONDS,
            registry=registry,
        )
        self.failures = Counter(
            "rooms_gateway_call_failures",
            "Calls that failed with a reason: see docs/reference/errors.md.",
            ("reason",),
            registry=registry,
        )
        unknown = ("unary", OTHER, OTHER)
        self._unknown_started = self.started.labels(*unknown)
        self._unknown_handled = self.handled.labels(*unknown, go_name("UNIMPLEMENTED"))

    def unknown_method(self) -> None:
        """Count a call of a method that there is not: no time, since none was spent on it."""
        self._unknown_started.inc()
        self._unknown_handled.inc()


class MethodMetrics:
    """The children of one method, found once: looking them up costs more than counting."""

    def __init__(self, families: CallMetrics, service: str, method: str, *, streams: bool) -> None:
        labels = ("server_stream" if streams else "unary", service, method)
        self._families = families
        self._labels = labels
        self._rpc_method = f"{service}/{method}"
        self._started = families.started.labels(*labels)
        self._sent = families.sent.labels(*labels)
        self._handling = families.handling.labels(*labels)
        self._by_code: dict[str, tuple[Counter, Histogram]] = {}
        self.started = self._started.inc
        self.message_sent = self._sent.inc
        self._resolve("OK")

    def ended(self, code: str, reason: str, seconds: float) -> None:
        """Count a call that has ended."""
        handled, duration = self._by_code.get(code) or self._resolve(code)
        handled.inc()
        self._handling.observe(seconds)
        duration.observe(seconds)
        if reason:
            self._families.failures.labels(reason).inc()

    def _resolve(self, code: str) -> tuple[Counter, Histogram]:
        error = code if code in SERVER_FAULTS else ""
        found = self._by_code[code] = (
            self._families.handled.labels(*self._labels, go_name(code)),
            self._families.duration.labels("grpc", self._rpc_method, code, error),
        )
        return found
