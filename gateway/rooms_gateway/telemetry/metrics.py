"""Prometheus metrics of one gateway, in a registry per gateway.

Names are those of gRPC dashboards (`grpc_server_*`), those of OpenTelemetry's semantic conventions,
and `rooms_gateway_*`. docs/how-to/observe.md lists them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from rooms_gateway.telemetry.call_metrics import OTHER, CallMetrics
from rooms_gateway.telemetry.histogram import Histogram
from rooms_gateway.telemetry.observers import (
    AttemptFailure,
    CredentialEvent,
    MethodKind,
    MethodObserver,
)
from rooms_gateway.telemetry.pacer_metrics import ObservedPacer, PacerMetrics

_STATUSES = frozenset(HTTPStatus)
_ERRORS_FROM = 400
_THROTTLED = 429
_VERBS = frozenset({"GET", "POST", "PATCH", "DELETE"})


class Metrics:
    """An `Observer` that counts, and the exposition of the counts."""

    def __init__(self, version: str, api_version: str) -> None:
        """`version` is that of the gateway, `api_version` that of the REST API."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._gauges = _ReadGauges()
        self._registry.register(self._gauges)
        self._calls = CallMetrics()
        self._registry.register(self._calls)
        self._attempts = _Attempts()
        self._registry.register(self._attempts)
        self._throttled = self._counter(
            "rooms_gateway_upstream_throttled", "Attempts rejected with status 429."
        )
        self._withheld = self._counter(
            "rooms_gateway_upstream_retries_withheld", "Retries that the budget did not allow."
        )
        self._audit_failures = self._counter(
            "rooms_gateway_audit_failures", "Lines of the audit log that could not be written."
        )
        self._events = Counter(
            "rooms_gateway_credential_events",
            "Events of access keys, tokens and the caller policy.",
            ("event",),
            registry=self._registry,
        )
        for event in CredentialEvent:
            self._events.labels(event)
        self._expires_at: float | None = None
        self.add_gauge(
            "rooms_gateway_token_expiry_timestamp_seconds",
            "Expiry of the Entra ID token in use.",
            lambda: self._expires_at,
        )
        Gauge(
            "rooms_gateway_build_info",
            "Version of the gateway; always 1.",
            ("version", "api_version"),
            registry=self._registry,
        ).labels(version, api_version).set(1)

    def add_gauge(self, name: str, meaning: str, read: Callable[[], float | None]) -> None:
        """Expose the value that `read` returns at each scrape; None exposes nothing."""
        self._gauges.add(name, meaning, read)

    def add_pacers(self, pacers: Iterable[tuple[str, ObservedPacer]]) -> None:
        """Expose pacers, each with the name of its operation family."""
        self._registry.register(PacerMetrics(pacers))

    def show_state(
        self,
        *,
        in_flight: Callable[[], float],
        queued: Callable[[], float],
        unread: Callable[[], float],
        streams: Callable[[], float],
        watches: Callable[[], float],
        reflection: Callable[[], float],
        retry_budget: Callable[[], float],
        clock_skew: Callable[[], float | None],
        certificate_expiry: Callable[[], float | None],
        upstream_reachable: Callable[[], float | None],
    ) -> None:
        """Expose gauges of the gateway's state."""
        self.add_gauge("rooms_gateway_calls_in_flight", "Calls in progress.", in_flight)
        self.add_gauge("rooms_gateway_calls_queued", "Calls in progress that wait.", queued)
        self.add_gauge(
            "rooms_gateway_unread_responses", "Unary responses that clients have not read.", unread
        )
        self.add_gauge("rooms_gateway_list_streams", "Lists that have a slot.", streams)
        self.add_gauge("rooms_gateway_health_watches", "Health watches.", watches)
        self.add_gauge("rooms_gateway_reflection_streams", "Reflection streams.", reflection)
        self.add_gauge(
            "rooms_gateway_retry_budget",
            "Retries left; below 1, no request is retried.",
            retry_budget,
        )
        self.add_gauge(
            "rooms_gateway_clock_skew_seconds",
            "How far the clock of the Rooms service is ahead, to half a second.",
            clock_skew,
        )
        self.add_gauge(
            "rooms_gateway_certificate_expiry_timestamp_seconds",
            "Expiry of the TLS certificate in use.",
            certificate_expiry,
        )
        self.add_gauge(
            "rooms_gateway_upstream_reachable",
            "Whether upstream probes succeed (1) or fail (0).",
            upstream_reachable,
        )

    def expose(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format for an Accept header, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(_WithoutCreated(self._registry)), content_type

    def of_method(self, service: str, method: str, kind: MethodKind) -> MethodObserver:
        """Return the observer of a method."""
        return self._calls.of_method(service, method, kind)

    def unknown_method(self) -> None:
        """Count a call of an unimplemented method."""
        self._calls.unknown_method()

    def request_started(self) -> None:
        """Count a REST request."""
        self._attempts.requests += 1

    def attempt_ended(self, method: str, outcome: int | AttemptFailure, seconds: float) -> None:
        """Count an attempt and its duration."""
        self._attempts.durations_of(method, outcome).observe(seconds)
        if outcome == _THROTTLED:
            self._throttled.inc()

    def retry_withheld(self) -> None:
        """Count a retry that the retry budget did not allow."""
        self._withheld.inc()

    def credential_event(self, event: CredentialEvent) -> None:
        """Count an event."""
        self._events.labels(event).inc()

    def audit_line_lost(self) -> None:
        """Count a line of the audit log that could not be written."""
        self._audit_failures.inc()

    def token_expires(self, at: float) -> None:
        """Record the expiry of the token in use."""
        self._expires_at = at

    def _counter(self, name: str, meaning: str) -> Counter:
        return Counter(name, meaning, registry=self._registry)


class _Attempts(Collector):
    """Counts of REST requests and their attempts, as plain numbers."""

    def __init__(self) -> None:
        self.requests = 0
        self._by_labels: dict[tuple[str, str, str], Histogram] = {}
        self._by_outcome: dict[tuple[str, int | AttemptFailure], Histogram] = {}

    def durations_of(self, method: str, outcome: int | AttemptFailure) -> Histogram:
        """Return the histogram of attempts with this outcome."""
        return self._by_outcome.get((method, outcome)) or self._resolve(method, outcome)

    def _resolve(self, method: str, outcome: int | AttemptFailure) -> Histogram:
        verb = method if method in _VERBS else OTHER
        if isinstance(outcome, AttemptFailure):
            status, error = "", outcome.value
        else:
            # A status can be any three digits.
            status = str(outcome) if outcome in _STATUSES else OTHER
            error = status if outcome >= _ERRORS_FROM else ""
        durations = self._by_labels.setdefault((verb, status, error), Histogram())
        if status != OTHER:
            self._by_outcome[method, outcome] = durations
        return durations

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "rooms_gateway_upstream_requests",
            "REST requests; each has one or more attempts.",
            self.requests,
        )
        attempts = HistogramMetricFamily(
            "http_client_request_duration_seconds",
            "Duration of attempts of REST requests.",
            labels=("http_request_method", "http_response_status_code", "error_type"),
        )
        for labels, durations in self._by_labels.items():
            attempts.add_metric(labels, list(durations.buckets()), durations.seconds)
        yield attempts


class _ReadGauges(Collector):
    """Gauges that are read at each scrape."""

    def __init__(self) -> None:
        self._sources: list[tuple[str, str, Callable[[], float | None]]] = []

    def add(self, name: str, meaning: str, read: Callable[[], float | None]) -> None:
        self._sources.append((name, meaning, read))

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        for name, meaning, read in self._sources:
            value = read()
            if value is not None:
                yield GaugeMetricFamily(name, meaning, value)


class _WithoutCreated(Collector):
    """A registry without `_created` samples, which are a third of the output."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            family.samples = [s for s in family.samples if not s.name.endswith("_created")]
            yield family
