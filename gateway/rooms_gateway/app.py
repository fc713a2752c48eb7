"""The composition root: builds the parts of a gateway, and starts, serves and stops them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING, Self

import grpc

from rooms_gateway.grpc_server.server import Server
from rooms_gateway.resources.connection import connect_only
from rooms_gateway.resources.manager import ResourceManager
from rooms_gateway.resources.serving import make_admission, servicers_of
from rooms_gateway.server.assembly import CLASSES, Servicers, add_services
from rooms_gateway.server.auth.policy_check import policy_warnings
from rooms_gateway.server.auth.reload import ReloadingPolicy
from rooms_gateway.server.calls.audit import Audit, open_audit
from rooms_gateway.server.calls.shared import Calls
from rooms_gateway.server.drain import drain
from rooms_gateway.server.health import HealthServicer
from rooms_gateway.server.kind import ServerKind
from rooms_gateway.server.listeners import bind_all, load_certificates
from rooms_gateway.server.options import connections_per_listener, server_limits, server_options
from rooms_gateway.server.ports import BindError, GrpcPorts, LoopPorts, Ports
from rooms_gateway.server.tls.certificates import Certificates
from rooms_gateway.services.bulk import MAX_REQUESTS as BULK_REQUESTS
from rooms_gateway.services.fair_conversion import FairConverter
from rooms_gateway.settings import Resources, Settings, Upstream
from rooms_gateway.telemetry.observers import NOOP_OBSERVER
from rooms_gateway.telemetry.traces import PROPAGATE_ONLY, Tracer
from rooms_gateway.upstream.credentials import Credential
from rooms_gateway.upstream.endpoint import parse_connection_string

if TYPE_CHECKING:
    from rooms_emulator import Emulator
    from rooms_gateway.server.admin import Lifecycle
    from rooms_gateway.telemetry.metrics.registry import Metrics

logger = logging.getLogger(__name__)


class Gateway:
    """A gateway: serves inside `async with`; drains and stops when the block ends."""

    def __init__(
        self,
        settings: Settings,
        credential: Credential | None = None,
        *,
        request_shutdown: Callable[[], None] | None = None,
        read_resources: Callable[[], Resources] | None = None,
    ) -> None:
        """`credential` replaces that of the only resource; /quitquitquit calls `request_shutdown`.

        `read_resources` reads the named resources again, to follow their changes.
        """
        self._settings = settings
        self._credential = credential
        self._request_shutdown = request_shutdown
        self._read_resources = read_resources
        self._parts = AsyncExitStack()
        self._lifecycle: Lifecycle | None = None
        self._metrics: Metrics | None = None
        self._health: HealthServicer | None = None
        self.addresses: list[str] = []
        """The bound addresses of the listeners, with their real ports."""
        self.admin_address: str | None = None
        """The bound address of probes and metrics; None if they are off."""
        self.certificates: Certificates | None = None
        """The certificates of TCP listeners; None for plaintext."""
        self.policy: ReloadingPolicy | None = None
        """The caller policy; None if every caller may call every method."""
        self.resources: ResourceManager | None = None
        """The named resources; None if there is one, without a name."""
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

        upstream = settings.upstream
        if settings.embeds_emulator:
            upstream = await self._start_emulator(parts)

        # Toward callers.
        calls = await self._prepare_calls(parts, upstream)
        server, ports = self._make_server()
        # Toward the Rooms service.
        if upstream is not None:
            servicers = await self._open_resource(parts, upstream)
        elif settings.resources is not None:
            servicers = await self._open_resources(parts, settings.resources, calls)
        # In between.
        self._health = add_services(
            server,
            calls,
            servicers,
            versions=(settings.api_version, settings.identity_api_version),
            legacy=settings.enable_legacy,
            reflection=settings.reflection,
        )

        self._export_state(calls)
        await self._listen(parts, ports)
        await server.start()
        parts.push_async_callback(self._drain, server, self._health, calls)
        if self._lifecycle is not None:
            self._lifecycle.started = True
        self._show_health()

    async def _drain(self, server: grpc.aio.Server, health: HealthServicer, calls: Calls) -> None:
        self._health = None
        delay, grace = self._settings.drain_delay, self._settings.drain_grace
        self.stopped_cleanly = await drain(server, health, calls, delay=delay, grace=grace)

    def _show_health(self) -> None:
        """Report the health of the gateway, from its start to its drain.

        It serves if one resource can be used, reachable or not: callers of an unreachable one get a
        status with a reason, which a gateway that receives no calls could not send.
        """
        if self._health is None:
            return
        serving = self.resources is None or self.resources.usable
        self._health.set_serving(serving)
        if self.resources is not None:
            self._health.set_resources(self.resources.serving)
        if self._lifecycle is not None:
            self._lifecycle.serving = serving

    # Toward callers

    async def _start_admin(self, parts: AsyncExitStack) -> None:
        """Start the admin listener, before all other parts, so that probes get a response."""
        settings = self._settings
        if settings.admin_listen is None:
            return
        # Imported here: without probes and metrics, nothing needs aiohttp and prometheus_client.
        from rooms_gateway.server.admin import AdminListener, Lifecycle
        from rooms_gateway.telemetry.metrics.registry import Metrics

        self._metrics = Metrics(version("rooms-gateway"), settings.api_version)
        self._lifecycle = Lifecycle()
        shutdown = self._request_shutdown if settings.quitquitquit else None
        admin = AdminListener(
            settings.admin_listen, self._lifecycle, self._metrics.expose, shutdown
        )
        self.admin_address = (await parts.enter_async_context(admin)).address
        logger.info("probes and metrics are on http://%s", self.admin_address)

    async def _prepare_calls(self, parts: AsyncExitStack, upstream: Upstream | None) -> Calls:
        settings = self._settings
        tracer = await self._start_tracing(parts, upstream)
        await self._load_policy(parts)
        return Calls(
            default_timeout=settings.default_timeout,
            admission=make_admission(settings),
            observer=self._metrics or NOOP_OBSERVER,
            authorizer=None if self.policy is None else self.policy.authorizer,
            audit=await self._open_audit_log(parts, upstream),
            tracer=tracer,
        )

    async def _start_tracing(self, parts: AsyncExitStack, upstream: Upstream | None) -> Tracer:
        if not self._settings.traces:
            return PROPAGATE_ONLY
        # Imported here: OpenTelemetry is an optional extra.
        from rooms_gateway.telemetry.tracing import Tracing

        endpoint = None if upstream is None else (upstream.endpoint.host, upstream.endpoint.port)
        return await parts.enter_async_context(Tracing(version("rooms-gateway"), endpoint))

    async def _open_audit_log(
        self, parts: AsyncExitStack, upstream: Upstream | None
    ) -> Audit | None:
        settings = self._settings
        if settings.audit_log is None:
            return None
        return await parts.enter_async_context(
            open_audit(
                settings.audit_log,
                settings.audit_key_file,
                required=settings.audit_required,
                resource="" if upstream is None else upstream.endpoint.host,
                observer=self._metrics or NOOP_OBSERVER,
            )
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
            resources=None if settings.resources is None else settings.resources.by_name,
        ):
            logger.warning("--caller-policy: %s", warning)
        self.policy = await parts.enter_async_context(policy)

    def _make_server(self) -> tuple[grpc.aio.Server, Ports]:
        settings = self._settings
        connections = connections_per_listener(
            settings.max_client_connections,
            len(settings.listen),
            settings.resource_count * (settings.max_connections + BULK_REQUESTS),
        )
        age, reuse_port = settings.max_connection_age, settings.reuse_port
        if settings.server is ServerKind.GRPC:
            options = server_options(
                max_calls=settings.resource_count * settings.max_calls,
                max_connections=connections,
                max_connection_age=age,
                reuse_port=reuse_port,
            )
            server = grpc.aio.server(options=options)
            return server, GrpcPorts(server)
        limits = server_limits(
            max_connections=connections,
            max_connection_age=age,
            stall_timeout=settings.write_stall_timeout,
        )
        in_loop = Server(limits)
        return in_loop, LoopPorts(in_loop, reuse_port=reuse_port)

    async def _listen(self, parts: AsyncExitStack, ports: Ports) -> None:
        settings = self._settings
        if settings.tls is not None:
            self.certificates = await parts.enter_async_context(load_certificates(settings.tls))
        for listener in await bind_all(
            ports,
            settings.listen,
            certificates=self.certificates,
            sockets=settings.sockets,
            allow_plaintext=settings.allow_plaintext,
        ):
            parts.callback(listener.close)
            self.addresses.append(listener.address)

    # Toward the Rooms service

    async def _start_emulator(self, parts: AsyncExitStack) -> Upstream:
        # Imported here: without --emulator, nothing needs it and aiohttp.
        from rooms_emulator import Emulator, FaultPlan

        file = self._settings.emulator_faults
        faults = None if file is None else FaultPlan.from_file(file)
        listen = self._settings.emulator_listen or "127.0.0.1:0"
        try:
            self.emulator = await parts.enter_async_context(Emulator(listen=listen, faults=faults))
        except OSError as error:
            reason = error.strerror or error
            raise BindError(f"{reason}: choose another address with --emulator-listen") from error
        return Upstream.with_key(*parse_connection_string(self.emulator.connection_string))

    async def _open_resource(self, parts: AsyncExitStack, upstream: Upstream) -> Servicers:
        """Open the only resource, which has no name, and return what serves it."""
        metrics = None if self._metrics is None else self._metrics.resources
        connection = await parts.enter_async_context(
            connect_only(upstream, self._settings, metrics, self._credential)
        )
        if self._lifecycle is not None:
            self._lifecycle.upstream = connection.probe
        return servicers_of(connection, self._settings, FairConverter())

    async def _open_resources(
        self, parts: AsyncExitStack, resources: Resources, calls: Calls
    ) -> Servicers:
        """Open the named resources, and return the classes of their servicers."""
        settings, metrics = self._settings, self._metrics
        self.resources = await parts.enter_async_context(
            ResourceManager(
                settings,
                resources,
                calls.resources,
                audit=calls.audit,
                metrics=None if metrics is None else metrics.resources,
                read=self._read_resources,
                on_change=self._show_health,
            )
        )
        if settings.upstream_probe_interval is not None and self._lifecycle is not None:
            self._lifecycle.upstream = self.resources
        return CLASSES

    def _export_state(self, calls: Calls) -> None:
        """Export gauges of the running parts, if there are metrics."""
        if self._metrics is None:
            return
        self._metrics.show_state(
            in_flight=lambda: calls.running,
            queued=lambda: sum(each.queued for each in calls.admissions),
            unread=lambda: calls.unread_responses,
            streams=lambda: sum(each.streams.running for each in calls.admissions),
            watches=lambda: calls.admission.watches.running,
            reflection=lambda: calls.admission.reflection.running,
            certificate_expiry=lambda: self.certificates.expires if self.certificates else None,
        )
