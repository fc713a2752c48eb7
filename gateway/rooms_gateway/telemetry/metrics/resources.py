"""Metrics of the resources of a gateway: attempts, credential, retry budget, probe and pacers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from rooms_gateway.telemetry.metrics.calls import OTHER
from rooms_gateway.telemetry.metrics.histogram import Histogram
from rooms_gateway.telemetry.metrics.pacers import ObservedPacer, PacerFamilies
from rooms_gateway.telemetry.observers import AttemptFailure, CredentialEvent

_STATUSES = frozenset(HTTPStatus)
_ERRORS_FROM = 400
_THROTTLED = 429
_VERBS = frozenset({"GET", "POST", "PATCH", "DELETE"})

_OF_THE_POLICY = frozenset(
    {
        CredentialEvent.CALLER_POLICY_READ,
        CredentialEvent.CALLER_POLICY_UNUSABLE,
        CredentialEvent.CALLER_KEYS_UNUSABLE,
    }
)


@dataclass(frozen=True, slots=True)
class _State:
    """Numbers of a running resource, read at each scrape."""

    pacers: Mapping[str, ObservedPacer]
    """By the name of the operation family."""
    retry_budget: Callable[[], float]
    clock_skew: Callable[[], float | None]
    reachable: Callable[[], float | None]
    """None without a probe."""


class ResourceMetrics:
    """Counts of one resource, as plain numbers: its observer."""

    def __init__(self) -> None:
        self.requests = 0
        self.throttled = 0
        self.withheld = 0
        self.events: Counter[CredentialEvent] = Counter()
        self.token_expiry: float | None = None
        """In seconds since the epoch."""
        self.state: _State | None = None
        """None: the resource is not open."""
        self.durations: dict[tuple[str, str, str], Histogram] = {}
        """Durations of attempts, by method, status and error."""
        self._by_outcome: dict[tuple[str, int | AttemptFailure], Histogram] = {}

    def request_started(self) -> None:
        """Count a REST request."""
        self.requests += 1

    def attempt_ended(self, method: str, outcome: int | AttemptFailure, seconds: float) -> None:
        """Count an attempt and its duration."""
        durations = self._by_outcome.get((method, outcome)) or self._resolve(method, outcome)
        durations.observe(seconds)
        if outcome == _THROTTLED:
            self.throttled += 1

    def retry_withheld(self) -> None:
        """Count a retry that the retry budget did not allow."""
        self.withheld += 1

    def credential_event(self, event: CredentialEvent) -> None:
        """Count an event."""
        self.events[event] += 1

    def token_expires(self, at: float) -> None:
        """Record the expiry of the token in use."""
        self.token_expiry = at

    def show(
        self,
        *,
        pacers: Mapping[str, ObservedPacer],
        retry_budget: Callable[[], float],
        clock_skew: Callable[[], float | None],
        reachable: Callable[[], float | None],
    ) -> None:
        """Expose the state of the running resource; the arguments are those of `_State`."""
        self.state = _State(pacers, retry_budget, clock_skew, reachable)

    def _resolve(self, method: str, outcome: int | AttemptFailure) -> Histogram:
        verb = method if method in _VERBS else OTHER
        if isinstance(outcome, AttemptFailure):
            status, error = "", outcome.value
        else:
            # A status can be any three digits.
            status = str(outcome) if outcome in _STATUSES else OTHER
            error = status if outcome >= _ERRORS_FROM else ""
        durations = self.durations.setdefault((verb, status, error), Histogram())
        if status != OTHER:
            self._by_outcome[method, outcome] = durations
        return durations


class ResourceCollector(Collector):
    """Exposes all resources. The label `resource` exists only if they have names."""

    def __init__(self) -> None:
        self._by_name: dict[str, ResourceMetrics] = {}

    def of(self, name: str) -> ResourceMetrics:
        """Return the metrics of a resource; an empty name is that of the only one."""
        return self._by_name.setdefault(name, ResourceMetrics())

    def remove(self, name: str) -> None:
        """End the series of a resource."""
        self._by_name.pop(name, None)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the resources are not known at the start."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return the families, with a series for each resource."""
        named = {name: each for name, each in self._by_name.items() if name} or self._by_name
        labels = () if "" in named else ("resource",)
        rows = [((name,) if labels else (), each) for name, each in named.items()]
        yield from _attempts(labels, rows)
        yield from _gauges(labels, rows)
        pacers = PacerFamilies(labels)
        for values, each in rows:
            if each.state is not None:
                pacers.add(values, each.state.pacers)
        yield from pacers.families
        yield self._events(labels)

    def _events(self, labels: tuple[str, ...]) -> Metric:
        """Return credential events; those of the caller policy are of no resource."""
        events = CounterMetricFamily(
            "rooms_gateway_credential_events",
            "Events of access keys, tokens and the caller policy.",
            labels=("event", *labels),
        )
        for name, each in self._by_name.items():
            values = (name,) if labels else ()
            for event in CredentialEvent:
                if not labels or (event in _OF_THE_POLICY) is not bool(name):
                    events.add_metric((event, *values), each.events[event])
        return events


_Rows = Iterable[tuple[tuple[str, ...], ResourceMetrics]]


def _attempts(labels: tuple[str, ...], rows: _Rows) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "rooms_gateway_upstream_requests",
        "REST requests; each has one or more attempts.",
        labels=labels,
    )
    attempts = HistogramMetricFamily(
        "http_client_request_duration_seconds",
        "Duration of attempts of REST requests.",
        labels=("http_request_method", "http_response_status_code", "error_type", *labels),
    )
    throttled = CounterMetricFamily(
        "rooms_gateway_upstream_throttled", "Attempts rejected with status 429.", labels=labels
    )
    withheld = CounterMetricFamily(
        "rooms_gateway_upstream_retries_withheld",
        "Retries that the budget did not allow.",
        labels=labels,
    )
    for values, each in rows:
        requests.add_metric(values, each.requests)
        throttled.add_metric(values, each.throttled)
        withheld.add_metric(values, each.withheld)
        for outcome, durations in each.durations.items():
            attempts.add_metric((*outcome, *values), list(durations.buckets()), durations.seconds)
    yield from (requests, attempts, throttled, withheld)


def _gauges(labels: tuple[str, ...], rows: _Rows) -> Iterator[Metric]:
    for name, meaning, read in _GAUGES:
        family = GaugeMetricFamily(name, meaning, labels=labels)
        for values, each in rows:
            value = read(each)
            if value is not None:
                family.add_metric(values, value)
        if family.samples:
            yield family


_GAUGES: tuple[tuple[str, str, Callable[[ResourceMetrics], float | None]], ...] = (
    (
        "rooms_gateway_token_expiry_timestamp_seconds",
        "Expiry of the Entra ID token in use.",
        lambda each: each.token_expiry,
    ),
    (
        "rooms_gateway_retry_budget",
        "Retries left; below 1, no request is retried.",
        lambda each: None if each.state is None else each.state.retry_budget(),
    ),
    (
        "rooms_gateway_clock_skew_seconds",
        "How far the clock of the Rooms service is ahead, to half a second.",
        lambda each: None if each.state is None else each.state.clock_skew(),
    ),
    (
        "rooms_gateway_upstream_reachable",
        "Whether upstream probes succeed (1) or fail (0).",
        lambda each: None if each.state is None else each.state.reachable(),
    ),
)
