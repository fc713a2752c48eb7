"""What the gateway has of one resource: credential, connections, pacers, retry budget, probe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from rooms_gateway.services.bulk import MAX_REQUESTS as BULK_REQUESTS
from rooms_gateway.settings import ResourceTerms, Settings, Upstream
from rooms_gateway.telemetry.observers import NOOP_OBSERVER, ResourceObserver
from rooms_gateway.upstream.credentials import Credential, make_credential
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.identity_api import IdentityApi
from rooms_gateway.upstream.probe import UpstreamProbe
from rooms_gateway.upstream.rooms_api import RoomsApi
from rooms_gateway.upstream.transport.http import HttpClient
from rooms_gateway.upstream.transport.pacing.pacer import make_pacers
from rooms_gateway.upstream.transport.sender import RetryPolicy, Sender
from rooms_gateway.upstream.versions import API_VERSIONS

if TYPE_CHECKING:
    from rooms_gateway.telemetry.metrics.resources import ResourceCollector, ResourceMetrics

MAX_RESPONSE_BYTES = 8 * 1024 * 1024
"""The largest responses of the Rooms service, 350 participants or 30 rooms, have about 50 kB."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One resource, ready for calls."""

    endpoint: Endpoint
    sender: Sender
    rooms: RoomsApi
    identity: IdentityApi
    probe: UpstreamProbe | None


def show(connection: Connection, metrics: ResourceMetrics) -> None:
    """Expose the state of a resource."""
    probe, sender = connection.probe, connection.sender
    metrics.show(
        pacers={family.value: pacer for family, pacer in sender.pacers.items()},
        retry_budget=lambda: sender.budget.balance,
        clock_skew=sender.clock_skew,
        reachable=lambda: None if probe is None else float(probe.reachable),
    )


@asynccontextmanager
async def connect(
    upstream: Upstream,
    terms: ResourceTerms,
    settings: Settings,
    observer: ResourceObserver,
    *,
    credential: Credential | None = None,
    probe_interval: float | None = None,
    on_probe_change: Callable[[], None] = lambda: None,
) -> AsyncIterator[Connection]:
    """Open a resource. `credential` replaces that of `upstream`. Raises CredentialError.

    A probe runs at `probe_interval`, in seconds; `on_probe_change` is that of UpstreamProbe.
    """
    async with AsyncExitStack() as parts:
        signing = await parts.enter_async_context(
            credential or make_credential(upstream.credential, upstream.endpoint, observer)
        )
        http = await parts.enter_async_context(
            HttpClient(
                upstream.endpoint,
                upstream.route,
                user_agent=f"rooms-gateway/{version('rooms-gateway')}",
                max_connections=settings.max_connections + BULK_REQUESTS,
                max_response_bytes=MAX_RESPONSE_BYTES,
                warm_connections=terms.upstream_warm_connections,
            )
        )
        pacers = make_pacers(
            ceilings={each.family: each.rate for each in terms.upstream_rate},
            max_wait=settings.max_pacing_wait,
        )
        probe = None
        if probe_interval is not None:
            # Not the sender of calls: probes take no retries from its budget and are not counted.
            probing = Sender(
                http,
                upstream.endpoint,
                signing,
                policy=RetryPolicy(max_attempts=1),
                pacers=pacers,
            )
            probe = UpstreamProbe(
                probing, terms.api_version, probe_interval, on_change=on_probe_change
            )
            await parts.enter_async_context(probe.in_background())
        sender = Sender(
            http,
            upstream.endpoint,
            signing,
            attempt_timeout=settings.attempt_timeout,
            policy=RetryPolicy(max_attempts=settings.max_attempts),
            pacers=pacers,
            observer=observer,
        )
        yield Connection(
            upstream.endpoint,
            sender,
            RoomsApi(sender, upstream.endpoint, API_VERSIONS[terms.api_version]),
            IdentityApi(sender, terms.identity_api_version),
            probe,
        )


@asynccontextmanager
async def connect_only(
    upstream: Upstream,
    settings: Settings,
    metrics: ResourceCollector | None,
    credential: Credential | None,
) -> AsyncIterator[Connection]:
    """Open the only resource of a gateway, which has no name. Raises CredentialError."""
    async with connect(
        upstream,
        settings.terms,
        settings,
        NOOP_OBSERVER if metrics is None else metrics.of(""),
        credential=credential,
        probe_interval=settings.upstream_probe_interval,
    ) as connection:
        if metrics is not None:
            show(connection, metrics.of(""))
        yield connection
