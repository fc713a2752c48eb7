"""Metrics for Prometheus, of one gateway: a registry of their own, nothing global.

Names are those that dashboards for gRPC servers use already (`grpc_server_*`), those of
OpenTelemetry's semantic conventions, and ours (`rooms_gateway_*`). docs/how-to/observe.md has them
all; a test compares.
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
from rooms_gateway.telemetry.observers import AttemptFailure, CredentialEvent, MethodObserver

_STATUSES = frozenset(HTTPStatus)
_ERRORS_FROM = 400
_THROTTLED = 429
_VERBS = frozenset({"GET", "POST", "PATCH", "DELETE"})


class Metrics:
    """Counts all of one gateway: an `Observer`, and what shows the result."""

    def __init__(self, version: str, api_version: str) -> None:
        """Take what is constant: the gateway's version and the REST api-version."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._gauges = _ReadGauges()
        self._registry.register(self._gauges)
        self._calls = CallMetrics()
        self._registry.register(self._calls)
        self._attempts = _Attempts()
        self._registry.register(self._attempts)
        self._throttled = self._counter(
            "rooms_gateway_upstream_throttled", "Attempts that the service answered with 429."
        )
        self._withheld = self._counter(
            "rooms_gateway_upstream_retries_withheld", "Retries that the budget did not pay for."
        )
        self._events = Counter(
            "rooms_gateway_credential_events",
            "What happened to access keys, tokens and the policy of callers.",
            ("event",),
            registry=self._registry,
        )
        for event in CredentialEvent:
            self._events.labels(event)
        self._expires_at: float | None = None
        self.add_gauge(
            "rooms_gateway_token_expiry_timestamp_seconds",
            "When the Entra ID token in use ends.",
            lambda: self._expires_at,
        )
        Gauge(
            "rooms_gateway_build_info",
            "What is running; always 1.",
            ("version", "api_version"),
            registry=self._registry,
        ).labels(version, api_version).set(1)

    def add_gauge(self, name: str, meaning: str, read: Callable[[], float | None]) -> None:
        """Show what `read` returns whenever somebody looks; nothing while that is None."""
        self._gauges.add(name, meaning, read)

    def show_state(  # noqa: PLR0913 - one for each gauge
        self,
        *,
        in_flight: Callable[[], float],
        queued: Callable[[], float],
        retry_budget: Callable[[], float],
        clock_skew: Callable[[], float | None],
        certificate_expiry: Callable[[], float | None],
        upstream_answers: Callable[[], float | None],
    ) -> None:
        """Show how things are, beside what has happened."""
        self.add_gauge("rooms_gateway_calls_in_flight", "Calls under way.", in_flight)
        self.add_gauge("rooms_gateway_calls_queued", "Of these, those that wait.", queued)
        self.add_gauge(
            "rooms_gateway_retry_budget",
            "Retries that are left; below 1 there are none.",
            retry_budget,
        )
        self.add_gauge(
            "rooms_gateway_clock_skew_seconds",
            "By how much the service's clock is ahead, by its last answer, to half a second.",
            clock_skew,
        )
        self.add_gauge(
            "rooms_gateway_certificate_expiry_timestamp_seconds",
            "When the TLS certificate in use ends.",
            certificate_expiry,
        )
        self.add_gauge(
            "rooms_gateway_upstream_reachable",
            "Whether the service answers, where readiness depends on it.",
            upstream_answers,
        )

    def expose(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format that an Accept header asks for, and its name."""
        encode, content_type = choose_encoder(accept)
        return encode(_WithoutCreated(self._registry)), content_type

    def of_method(self, service: str, method: str, *, streams: bool) -> MethodObserver:
        """Return what counts the calls of a method."""
        return self._calls.of_method(service, method, streams=streams)

    def unknown_method(self) -> None:
        """Count a call of a method that there is not."""
        self._calls.unknown_method()

    def request_begun(self) -> None:
        """Count a REST request."""
        self._attempts.requests += 1

    def attempt_ended(self, method: str, outcome: int | AttemptFailure, seconds: float) -> None:
        """Count an attempt."""
        self._attempts.times_of(method, outcome).observe(seconds)
        if outcome == _THROTTLED:
            self._throttled.inc()

    def retry_withheld(self) -> None:
        """Count a retry that did not happen."""
        self._withheld.inc()

    def credential_event(self, event: CredentialEvent) -> None:
        """Count an event."""
        self._events.labels(event).inc()

    def token_expires(self, at: float) -> None:
        """Take note of the end of the token in use."""
        self._expires_at = at

    def _counter(self, name: str, meaning: str) -> Counter:
        return Counter(name, meaning, registry=self._registry)


class _Attempts(Collector):
    """REST requests and their attempts, as plain numbers."""

    def __init__(self) -> None:
        self.requests = 0
        self._by_labels: dict[tuple[str, str, str], Histogram] = {}
        self._by_outcome: dict[tuple[str, int | AttemptFailure], Histogram] = {}

    def times_of(self, method: str, outcome: int | AttemptFailure) -> Histogram:
        """Return what counts attempts that end so."""
        return self._by_outcome.get((method, outcome)) or self._resolve(method, outcome)

    def _resolve(self, method: str, outcome: int | AttemptFailure) -> Histogram:
        verb = method if method in _VERBS else OTHER
        if isinstance(outcome, AttemptFailure):
            status, error = "", outcome.value
        else:
            # A service can answer with any three digits.
            status = str(outcome) if outcome in _STATUSES else OTHER
            error = status if outcome >= _ERRORS_FROM else ""
        times = self._by_labels.setdefault((verb, status, error), Histogram())
        if status != OTHER:
            self._by_outcome[method, outcome] = times
        return times

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "rooms_gateway_upstream_requests",
            "REST requests, each of one attempt or more.",
            self.requests,
        )
        attempts = HistogramMetricFamily(
            "http_client_request_duration_seconds",
            "Attempts of REST requests, retries included.",
            labels=("http_request_method", "http_response_status_code", "error_type"),
        )
        for labels, times in self._by_labels.items():
            attempts.add_metric(labels, list(times.buckets()), times.seconds)
        yield attempts


class _ReadGauges(Collector):
    """Gauges that are read when somebody looks, so that nothing is kept up to date for nobody."""

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
    """A registry without the time at which each series began: a third of it, and used by nobody."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            family.samples = [s for s in family.samples if not s.name.endswith("_created")]
            yield family
