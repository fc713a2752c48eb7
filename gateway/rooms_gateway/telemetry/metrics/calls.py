"""Metrics of gRPC calls, with the names of gRPC dashboards and with those of OpenTelemetry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from rooms_gateway.telemetry.metrics.histogram import Histogram
from rooms_gateway.telemetry.observers import MethodKind

OTHER = "_OTHER"
"""OpenTelemetry's label for values outside a closed set."""

SERVER_ERRORS = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""Status codes that OpenTelemetry counts as server errors; the others are caused by callers."""


def go_name(code: str) -> str:
    """Return a status code in Go's spelling, as in the label `grpc_code`: NotFound."""
    if code == "OK":
        return code
    # The only code that Go spells differently.
    return "Canceled" if code == "CANCELLED" else code.title().replace("_", "")


class MethodMetrics:
    """Counts of one method, as plain numbers."""

    def __init__(self, service: str, method: str, failures: Counter[str], kind: MethodKind) -> None:
        """`failures` counts failed calls by reason and is shared by all methods."""
        self.labels = (kind.value, service, method)
        self.rpc_method = f"{service}/{method}"
        self.started_calls = 0
        self._streams = kind is not MethodKind.UNARY
        self._sent = 0
        self.by_code = {"OK": Histogram()}
        """Durations of calls, by status code."""
        self._failures = failures

    def started(self) -> None:
        """Count a started call."""
        self.started_calls += 1

    def message_sent(self) -> None:
        """Count a message of a stream."""
        self._sent += 1

    @property
    def sent(self) -> int:
        """Messages sent to callers; one for each successful unary call."""
        return self._sent if self._streams else sum(self.by_code["OK"].counts)

    def ended(self, code: str, reason: str, seconds: float) -> None:
        """Count an ended call and its duration."""
        durations = self.by_code.get(code)
        if durations is None:
            durations = self.by_code[code] = Histogram()
        durations.observe(seconds)
        if reason:
            self._failures[reason] += 1


class CallMetrics(Collector):
    """Collector of the metric families of gRPC calls."""

    def __init__(self) -> None:
        self._methods: list[MethodMetrics] = []
        self._failures: Counter[str] = Counter()
        self._unknown = 0

    def of_method(self, service: str, method: str, kind: MethodKind) -> MethodMetrics:
        """Return the metrics of a method."""
        metrics = MethodMetrics(service, method, self._failures, kind)
        self._methods.append(metrics)
        return metrics

    def unknown_method(self) -> None:
        """Count a call of an unimplemented method, without a duration."""
        self._unknown += 1

    def collect(self) -> Iterator[Metric]:
        """Return the families."""
        labels = ("grpc_type", "grpc_service", "grpc_method")
        started = CounterMetricFamily("grpc_server_started", "Calls started.", labels=labels)
        handled = CounterMetricFamily(
            "grpc_server_handled",
            "Calls ended, by status code.",
            labels=(*labels, "grpc_code"),
        )
        sent = CounterMetricFamily(
            "grpc_server_msg_sent",
            "Messages sent to callers; pages of lists, and results of bulk jobs, for streams.",
            labels=labels,
        )
        handling = HistogramMetricFamily(
            "grpc_server_handling_seconds", "Duration of calls.", labels=labels
        )
        duration = HistogramMetricFamily(
            "rpc_server_call_duration_seconds",
            "Duration of calls, by status code.",
            labels=("rpc_system_name", "rpc_method", "rpc_response_status_code", "error_type"),
        )
        failures = CounterMetricFamily(
            "rooms_gateway_call_failures",
            "Failed calls, by ErrorInfo reason; see docs/reference/errors.md.",
            labels=("reason",),
        )
        unknown = (MethodKind.UNARY.value, OTHER, OTHER)
        started.add_metric(unknown, self._unknown)
        handled.add_metric((*unknown, go_name("UNIMPLEMENTED")), self._unknown)
        for method in self._methods:
            started.add_metric(method.labels, method.started_calls)
            sent.add_metric(method.labels, method.sent)
            total = Histogram(*method.by_code.values())
            handling.add_metric(method.labels, list(total.buckets()), total.seconds)
            for code, durations in method.by_code.items():
                handled.add_metric((*method.labels, go_name(code)), sum(durations.counts))
                error = code if code in SERVER_ERRORS else ""
                duration.add_metric(
                    ("grpc", method.rpc_method, code, error),
                    list(durations.buckets()),
                    durations.seconds,
                )
        for reason, count in self._failures.items():
            failures.add_metric((reason,), count)
        yield from (started, handled, sent, handling, duration, failures)
