"""The composition root: builds the parts of a gateway, and starts, serves and stops them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING, Self

import grpc

from rooms_gateway.server.admission import Admission, ConcurrencyLimiter, Limits
from rooms_gateway.server.assembly import add_services
from rooms_gateway.server.audit import Audit
from rooms_gateway.server.auth.policy_check import policy_warnings
from rooms_gateway.server.auth.reload import ReloadingPolicy
from rooms_gateway.server.drain import drain
from rooms_gateway.server.handler import HandlerFactory
from rooms_gateway.server.health import HealthServicer
from rooms_gateway.server.listeners import bind_all, load_certificates
from rooms_gateway.server.options import connections_per_listener, server_options
from rooms_gateway.server.tls.certificates import Certificates
from rooms_gateway.services.bulk import MAX_REQUESTS as BULK_REQUESTS
from rooms_gateway.services.room_defaults import RoomDefaults
from rooms_gateway.settings import Settings, Upstream
from rooms_gateway.telemetry.audit.hash_key import HashKey
from rooms_gateway.telemetry.audit.writer import AuditWriter
from rooms_gateway.telemetry.observers import NOOP_OBSERVER
from rooms_gateway.telemetry.traces import PROPAGATE_ONLY, Tracer
from rooms_gateway.upstream.credentials import Credential, make_credential
from rooms_gateway.upstream.endpoint import Endpoint, parse_connection_string
from rooms_gateway.upstream.identity_api import IdentityApi
from rooms_gateway.upstream.probe import UpstreamProbe
from rooms_gateway.upstream.rooms_api import RoomsApi
from rooms_gateway.upstream.transport.http import HttpClient
from rooms_gateway.upstream.transport.pacing.pacer import make_pacers
from rooms_gateway.upstream.transport.sender import RetryPolicy, Sender
from rooms_gateway.upstream.versions import API_VERSIONS

if TYPE_CHECKING:
    from rooms_emulator import Emulator
    from rooms_gateway.server.admin import Lifecycle
    from rooms_gateway.telemetry.metrics import Metrics

MAX_RESPONSE_BYTES = 8 * 1024 * 1024
"""The largest responses of the Rooms service, 350 participants or 30 rooms, have about 50 kB."""

logger = logging.getLogger(__name__)


class Gateway:
    """A gateway: serves inside `async with`; drains and stops when the block ends."""

    def __init__(
        self,
        settings: Settings,
        credential: Credential | None = None,
        *,
        request_shutdown: Callable[[], None] | None = None,
    ) -> None:
        """`credential` replaces that of `settings`; /quitquitquit calls `request_shutdown`."""
        self._settings = settings
        self._credential = credential
        self._request_shutdown = request_shutdown
        self._parts = AsyncExitStack()
        self._lifecycle: Lifecycle | None = None
        self._metrics: Metrics | None = None
        self._probe: UpstreamProbe | None = None
        self.addresses: list[str] = []
        """The bound addresses of the listeners, with their real ports."""
        self.admin_address: str | None = None
        """The bound address of probes and metrics; None if they are off."""
        self.certificates: Certificates | None = None
        """The certificates of TCP listeners; None for plaintext."""
        self.policy: ReloadingPolicy | None = None
        """The caller policy; None if every caller may call every method."""
        self.emulator: Emulator | None = None
        """The embedded emulator; None if there is an upstream."""
        self.stopped_cleanly = True
        """Whether all calls in flight ended within the grace of the drain."""

    async def __aenter__(self) -> Self:
        """Start all parts; health is SERVING when this returns.

        Raises AuditLogError, BindError, CredentialError or PolicyError.
        """
        async with AsyncExitStack() as parts:
            await self._start(parts)
            self._parts = parts.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Drain: calls in flight finish within the grace; then close all parts."""
        if self._lifecycle is not None:
            self._lifecycle.serving = False
        await self._parts.aclose()

    async def _start(self, parts: AsyncExitStack) -> None:
        """Build the parts, then serve; `parts` closes them in reverse order."""
        settings = self._settings
        await self._start_admin(parts)
        upstream = settings.upstream or await self._start_emulator(parts)

        # Toward callers.
        handlers = await self._make_handlers(parts, upstream.endpoint)
        server = self._make_server()
        # Toward the Rooms service.
        sender = await self._connect(parts, upstream)
        api = RoomsApi(sender, upstream.endpoint, API_VERSIONS[settings.api_version])
        # In between.
        health = add_services(
            server,
            handlers,
            api,
            IdentityApi(sender, settings.identity_api_version),
            legacy=settings.enable_legacy,
            complete_windows=settings.complete_windows,
            defaults=self._room_defaults(),
            reflection=settings.reflection,
        )

        self._export_state(handlers, sender)
        await self._listen(parts, server)
        await server.start()
        parts.push_async_callback(self._drain, server, health, handlers)
        health.set_serving(True)
        if self._lifecycle is not None:
            self._lifecycle.started = self._lifecycle.serving = True

    async def _drain(
        self, server: grpc.aio.Server, health: HealthServicer, handlers: HandlerFactory
    ) -> None:
        delay, grace = self._settings.drain_delay, self._settings.drain_grace
        self.stopped_cleanly = await drain(server, health, handlers, delay=delay, grace=grace)

    # Toward callers

    async def _start_admin(self, parts: AsyncExitStack) -> None:
        """Start the admin listener, before all other parts, so that probes get a response."""
        settings = self._settings
        if settings.admin_listen is None:
            return
        # Imported here: without probes and metrics, nothing needs aiohttp and prometheus_client.
        from rooms_gateway.server.admin import AdminListener, Lifecycle
        from rooms_gateway.telemetry.metrics import Metrics

        self._metrics = Metrics(version("rooms-gateway"), settings.api_version)
        self._lifecycle = Lifecycle()
        shutdown = self._request_shutdown if settings.quitquitquit else None
        admin = AdminListener(
            settings.admin_listen, self._lifecycle, self._metrics.expose, shutdown
        )
        self.admin_address = (await parts.enter_async_context(admin)).address
        logger.info("probes and metrics are on http://%s", self.admin_address)

    async def _make_handlers(self, parts: AsyncExitStack, upstream: Endpoint) -> HandlerFactory:
        settings = self._settings
        tracer = await self._start_tracing(parts, upstream)
        await self._load_policy(parts)
        calls = Limits(
            settings.max_concurrent_calls, settings.max_queued_calls, settings.max_calls_per_caller
        )
        streams = Limits(settings.max_streams, 0, settings.max_streams_per_caller)
        return HandlerFactory(
            api_version=settings.api_version,
            default_timeout=settings.default_timeout,
            admission=Admission(
                ConcurrencyLimiter("calls", calls),
                ConcurrencyLimiter("streams", streams),
                settings.write_stall_timeout,
            ),
            observer=self._metrics or NOOP_OBSERVER,
            authorizer=None if self.policy is None else self.policy.authorizer,
            audit=await self._open_audit_log(parts, upstream),
            tracer=tracer,
        )

    async def _start_tracing(self, parts: AsyncExitStack, upstream: Endpoint) -> Tracer:
        if not self._settings.traces:
            return PROPAGATE_ONLY
        # Imported here: OpenTelemetry is an optional extra.
        from rooms_gateway.telemetry.tracing import Tracing

        return await parts.enter_async_context(
            Tracing(version("rooms-gateway"), upstream.host, upstream.port)
        )

    async def _open_audit_log(self, parts: AsyncExitStack, upstream: Endpoint) -> Audit | None:
        settings, observer = self._settings, self._metrics or NOOP_OBSERVER
        if settings.audit_log is None:
            return None
        key = None
        if settings.audit_key_file is None:
            logger.warning(
                "--audit-log: without --audit-key-file, lines do not show which participants a "
                "call concerns, not even as hashes"
            )
        else:
            key = await parts.enter_async_context(
                HashKey(settings.audit_key_file, observer=observer)
            )
        return Audit(
            writer=await parts.enter_async_context(
                AuditWriter(settings.audit_log, observer=observer)
            ),
            resource=upstream.host,
            hash_identifier=None if key is None else key.hash,
            required=settings.audit_required,
        )

    async def _load_policy(self, parts: AsyncExitStack) -> None:
        settings = self._settings
        if settings.caller_policy is None:
            return
        policy = ReloadingPolicy(settings.caller_policy, observer=self._metrics or NOOP_OBSERVER)
        for warning in policy_warnings(
            policy.authorizer.state.policy,
            settings.listen,
            encrypted=settings.tls is not None,
            asks_clients=settings.tls_client_ca is not None,
        ):
            logger.warning("--caller-policy: %s", warning)
        self.policy = await parts.enter_async_context(policy)

    def _room_defaults(self) -> RoomDefaults | None:
        """Return the defaults of rooms; None if no setting differs from the Rooms service's."""
        settings = self._settings
        defaults = RoomDefaults(
            lifetime=settings.default_room_lifetime,
            max_lifetime=settings.max_room_lifetime,
            role=settings.default_role and settings.default_role.capitalize(),
        )
        return None if defaults == RoomDefaults() else defaults

    def _make_server(self) -> grpc.aio.Server:
        settings = self._settings
        connections = connections_per_listener(
            settings.max_client_connections,
            len(settings.listen),
            settings.max_connections + BULK_REQUESTS,
        )
        return grpc.aio.server(
            options=server_options(
                max_calls=settings.max_calls,
                max_connections=connections,
                max_connection_age=settings.max_connection_age,
                reuse_port=settings.reuse_port,
            ),
        )

    async def _listen(self, parts: AsyncExitStack, server: grpc.aio.Server) -> None:
        settings = self._settings
        if settings.tls is not None:
            self.certificates = await parts.enter_async_context(load_certificates(settings.tls))
        for listener in await bind_all(
            server,
            settings.listen,
            certificates=self.certificates,
            sockets=settings.sockets,
            reuse_port=settings.reuse_port,
        ):
            parts.callback(listener.close)
            self.addresses.append(listener.address)

    # Toward the Rooms service

    async def _start_emulator(self, parts: AsyncExitStack) -> Upstream:
        # Imported here: without --emulator, nothing needs it and aiohttp.
        from rooms_emulator import Emulator, FaultPlan

        file = self._settings.emulator_faults
        faults = None if file is None else FaultPlan.from_file(file)
        self.emulator = await parts.enter_async_context(Emulator(faults=faults))
        return Upstream.with_key(*parse_connection_string(self.emulator.connection_string))

    async def _connect(self, parts: AsyncExitStack, upstream: Upstream) -> Sender:
        """Open the connection pool and the credential, and start the probe of the upstream."""
        settings, observer = self._settings, self._metrics or NOOP_OBSERVER
        credential = await parts.enter_async_context(
            self._credential or make_credential(upstream.credential, upstream.endpoint, observer)
        )
        http = await parts.enter_async_context(
            HttpClient(
                upstream.endpoint,
                upstream.route,
                user_agent=f"rooms-gateway/{version('rooms-gateway')}",
                max_connections=settings.max_connections + BULK_REQUESTS,
                max_response_bytes=MAX_RESPONSE_BYTES,
                warm_connections=settings.upstream_warm_connections,
            )
        )
        pacers = make_pacers(
            ceilings={each.family: each.rate for each in settings.upstream_rate},
            max_wait=settings.max_pacing_wait,
        )
        if settings.upstream_probe_interval is not None and self._lifecycle is not None:
            # Not the sender of calls: probes take no retries from its budget and are not counted.
            sender = Sender(
                http,
                upstream.endpoint,
                credential,
                policy=RetryPolicy(max_attempts=1),
                pacers=pacers,
            )
            probe = UpstreamProbe(sender, settings.api_version, settings.upstream_probe_interval)
            await parts.enter_async_context(probe.in_background())
            self._lifecycle.upstream_reachable = lambda: probe.reachable
            self._lifecycle.upstream_error = lambda: probe.last_error
            self._probe = probe
        return Sender(
            http,
            upstream.endpoint,
            credential,
            attempt_timeout=settings.attempt_timeout,
            policy=RetryPolicy(max_attempts=settings.max_attempts),
            pacers=pacers,
            observer=observer,
        )

    def _export_state(self, handlers: HandlerFactory, sender: Sender) -> None:
        """Export gauges of the running parts, if there are metrics."""
        if self._metrics is None:
            return
        self._metrics.add_pacers(sender.pacers.items())
        self._metrics.show_state(
            upstream_reachable=lambda: float(self._probe.reachable) if self._probe else None,
            in_flight=lambda: handlers.running,
            queued=lambda: handlers.admission.queued,
            unread=lambda: handlers.unread.count,
            streams=lambda: handlers.admission.streams.running,
            watches=lambda: handlers.admission.watches.running,
            reflection=lambda: handlers.admission.reflection.running,
            retry_budget=lambda: sender.budget.balance,
            clock_skew=sender.clock_skew,
            certificate_expiry=lambda: self.certificates.expires if self.certificates else None,
        )
