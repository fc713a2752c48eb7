"""Metrics of gRPC calls, by the names of dashboards and by those of OpenTelemetry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from rooms_gateway.telemetry.histogram import Histogram

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


class MethodMetrics:
    """What is counted of one method, as plain numbers."""

    def __init__(self, service: str, method: str, failures: Counter[str], *, streams: bool) -> None:
        """Count failures of calls, by reason, in `failures`, which all methods share."""
        self.labels = ("server_stream" if streams else "unary", service, method)
        self.rpc_method = f"{service}/{method}"
        self.begun = 0
        self._streams = streams
        self._sent = 0
        self.by_code = {"OK": Histogram()}
        """How long calls took, by status code."""
        self._failures = failures

    def started(self) -> None:
        """Count a call that has begun."""
        self.begun += 1

    def message_sent(self) -> None:
        """Count a message of a stream."""
        self._sent += 1

    @property
    def sent(self) -> int:
        """Messages to callers; to one that is not streamed to, with the end of the call."""
        return self._sent if self._streams else sum(self.by_code["OK"].counts)

    def ended(self, code: str, reason: str, seconds: float) -> None:
        """Count a call that has ended."""
        times = self.by_code.get(code)
        if times is None:
            times = self.by_code[code] = Histogram()
        times.observe(seconds)
        if reason:
            self._failures[reason] += 1


class CallMetrics(Collector):
    """The families of gRPC calls, made from the numbers of the methods."""

    def __init__(self) -> None:
        self._methods: list[MethodMetrics] = []
        self._failures: Counter[str] = Counter()
        self._unknown = 0

    def of_method(self, service: str, method: str, *, streams: bool) -> MethodMetrics:
        """Return what counts the calls of a method."""
        metrics = MethodMetrics(service, method, self._failures, streams=streams)
        self._methods.append(metrics)
        return metrics

    def unknown_method(self) -> None:
        """Count a call of a method that there is not: no time, since none was spent on it."""
        self._unknown += 1

    def collect(self) -> Iterator[Metric]:
        """Return the families."""
        labels = ("grpc_type", "grpc_service", "grpc_method")
        started = CounterMetricFamily("grpc_server_started", "Calls begun.", labels=labels)
        handled = CounterMetricFamily(
            "grpc_server_handled",
            "Calls ended, by status code.",
            labels=(*labels, "grpc_code"),
        )
        sent = CounterMetricFamily(
            "grpc_server_msg_sent",
            "Messages to callers; of a stream (server_stream), pages.",
            labels=labels,
        )
        handling = HistogramMetricFamily(
            "grpc_server_handling_seconds", "How long calls took.", labels=labels
        )
        duration = HistogramMetricFamily(
            "rpc_server_call_duration_seconds",
            "How long calls took, by status code.",
            labels=("rpc_system_name", "rpc_method", "rpc_response_status_code", "error_type"),
        )
        failures = CounterMetricFamily(
            "rooms_gateway_call_failures",
            "Calls that failed with a reason: see docs/reference/errors.md.",
            labels=("reason",),
        )
        unknown = ("unary", OTHER, OTHER)
        started.add_metric(unknown, self._unknown)
        handled.add_metric((*unknown, go_name("UNIMPLEMENTED")), self._unknown)
        for method in self._methods:
            started.add_metric(method.labels, method.begun)
            sent.add_metric(method.labels, method.sent)
            whole = Histogram(*method.by_code.values())
            handling.add_metric(method.labels, list(whole.buckets()), whole.seconds)
            for code, times in method.by_code.items():
                handled.add_metric((*method.labels, go_name(code)), sum(times.counts))
                error = code if code in SERVER_FAULTS else ""
                duration.add_metric(
                    ("grpc", method.rpc_method, code, error), list(times.buckets()), times.seconds
                )
        for reason, count in self._failures.items():
            failures.add_metric((reason,), count)
        yield from (started, handled, sent, handling, duration, failures)
