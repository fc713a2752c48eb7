"""The composition root: puts the parts together, and starts, serves and stops them in order."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from importlib.metadata import version
from types import TracebackType
from typing import TYPE_CHECKING, Self

import grpc

from rooms_gateway.server.admission import Admission, ConcurrencyLimiter, Limits
from rooms_gateway.server.assembly import Services
from rooms_gateway.server.auth.policy_check import policy_warnings
from rooms_gateway.server.auth.reload import ReloadingPolicy
from rooms_gateway.server.drain import drain
from rooms_gateway.server.handler import HandlerFactory
from rooms_gateway.server.health import HealthServicer
from rooms_gateway.server.listeners import BindError, Listener, load_certificates
from rooms_gateway.server.options import server_options
from rooms_gateway.server.tls.certificates import Certificates
from rooms_gateway.settings import Settings, Upstream
from rooms_gateway.telemetry.observers import NOOP_OBSERVER
from rooms_gateway.telemetry.traces import PROPAGATE_ONLY, Tracer
from rooms_gateway.upstream.credentials import Credential, make_credential
from rooms_gateway.upstream.endpoint import Endpoint, parse_connection_string
from rooms_gateway.upstream.legacy_api import LegacyApi
from rooms_gateway.upstream.probe import UpstreamProbe
from rooms_gateway.upstream.rooms_api import RoomsApi
from rooms_gateway.upstream.transport.http import HttpClient
from rooms_gateway.upstream.transport.sender import RetryPolicy, Sender
from rooms_gateway.upstream.versions import ALL_API_VERSIONS, LEGACY_API_VERSION

if TYPE_CHECKING:
    from rooms_emulator import Emulator
    from rooms_gateway.server.admin import Lifecycle
    from rooms_gateway.telemetry.metrics import Metrics

MAX_RESPONSE_BYTES = 8 * 1024 * 1024
"""The largest answer of the service, a roster of 350 or 30 rooms, has about 50 kB."""

logger = logging.getLogger(__name__)


class Gateway:
    """A gateway: serving inside of `async with`, drained and stopped after it."""

    def __init__(
        self,
        settings: Settings,
        credential: Credential | None = None,
        *,
        ask_to_stop: Callable[[], None] | None = None,
    ) -> None:
        """Take the settings, a credential to use in place of theirs, and what asks to stop it."""
        self._settings = settings
        self._credential = credential
        self._ask_to_stop = ask_to_stop
        self._parts = AsyncExitStack()
        self.addresses: list[str] = []
        """What is bound, with the real ports."""
        self.admin_address: str | None = None
        """Where probes and metrics are, if they are anywhere."""
        self.certificates: Certificates | None = None
        """What TCP listeners serve with, if they speak TLS."""
        self.callers: ReloadingPolicy | None = None
        """Who may call what, if not everybody everything."""
        self._progress: Lifecycle | None = None
        self.emulator: Emulator | None = None
        """The embedded emulator, if there is no other upstream."""
        self.stopped_cleanly = True
        """Whether all calls in flight have finished within the grace of the drain."""

    async def __aenter__(self) -> Self:
        """Start everything; health is SERVING when this returns.

        Raises BindError, CredentialError and PolicyError.
        """
        async with AsyncExitStack() as parts:
            await self._start(parts)
            self._parts = parts.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drain: no new calls, those in flight finish within the grace, then all parts close."""
        if self._progress is not None:
            self._progress.serving = False
        await self._parts.aclose()

    async def _start(self, parts: AsyncExitStack) -> None:
        settings = self._settings
        # First, so that probes are answered from the start to the end of all else.
        metrics = await self._start_admin(parts)
        upstream = settings.upstream or await self._start_emulator(parts)
        credential = await parts.enter_async_context(
            self._credential
            or make_credential(upstream.credential, upstream.endpoint, metrics or NOOP_OBSERVER)
        )
        tracer = await self._start_tracing(parts, upstream.endpoint)
        http = await parts.enter_async_context(
            HttpClient(
                upstream.endpoint,
                user_agent=f"rooms-gateway/{version('rooms-gateway')}",
                max_connections=settings.max_connections,
                max_response_bytes=MAX_RESPONSE_BYTES,
            )
        )
        transport = Sender(
            http,
            upstream.endpoint,
            credential,
            attempt_timeout=settings.attempt_timeout,
            policy=RetryPolicy(max_attempts=settings.max_attempts),
            observer=metrics or NOOP_OBSERVER,
        )
        api = RoomsApi(transport, upstream.endpoint, ALL_API_VERSIONS[settings.api_version])

        self.callers = await self._follow_policy(parts, metrics)
        admission = _places(settings)
        calls = HandlerFactory(
            api_version=settings.api_version,
            default_timeout=settings.default_timeout,
            admission=admission,
            observer=metrics or NOOP_OBSERVER,
            authorizer=None if self.callers is None else self.callers.authorizer,
            tracer=tracer,
        )
        if metrics is not None:
            reachability = await self._ask_upstream(parts, http, credential, upstream)
            metrics.show_state(
                upstream_answers=lambda: float(reachability.answers) if reachability else None,
                in_flight=lambda: calls.running,
                queued=lambda: admission.queued,
                retry_budget=lambda: transport.budget.balance,
                clock_skew=transport.clock_skew,
                certificate_expiry=lambda: self.certificates.expires if self.certificates else None,
            )
        server = grpc.aio.server(
            options=server_options(
                max_calls=settings.max_calls,
                max_connection_age=settings.max_connection_age,
                min_ping_interval=settings.min_ping_interval,
                reuse_port=settings.reuse_port,
            ),
        )
        served = Services(
            server,
            calls,
            api,
            LegacyApi(transport) if settings.legacy else None,
            complete_windows=settings.complete_windows,
            reflection=settings.reflection,
        )

        if settings.tls is not None:
            self.certificates = await parts.enter_async_context(load_certificates(settings.tls))
        sockets = settings.sockets
        try:
            for address in settings.listen:
                listener = Listener(
                    server,
                    address,
                    certificates=self.certificates,
                    sockets=sockets,
                    reuse_port=settings.reuse_port,
                )
                parts.callback(listener.close)
                self.addresses.append(listener.address)
        except BindError:
            # grpc lets go of what is bound already only by stopping, and stops only what runs.
            await server.start()
            await server.stop(None)
            raise
        await server.start()
        parts.push_async_callback(self._drain, server, served.health, calls)
        served.health.set_serving(True)
        if self._progress is not None:
            self._progress.started = self._progress.serving = True

    async def _drain(
        self, server: grpc.aio.Server, health: HealthServicer, calls: HandlerFactory
    ) -> None:
        delay, grace = self._settings.drain_delay, self._settings.drain_grace
        self.stopped_cleanly = await drain(server, health, calls, delay=delay, grace=grace)

    async def _follow_policy(
        self, parts: AsyncExitStack, metrics: Metrics | None
    ) -> ReloadingPolicy | None:
        settings = self._settings
        if settings.caller_policy is None:
            return None
        callers = ReloadingPolicy(settings.caller_policy, observer=metrics or NOOP_OBSERVER)
        for warning in policy_warnings(
            callers.authorizer.state.policy,
            settings.listen,
            encrypted=settings.tls is not None,
            asks_clients=settings.tls_client_ca is not None,
        ):
            logger.warning("--caller-policy: %s", warning)
        return await parts.enter_async_context(callers)

    async def _start_admin(self, parts: AsyncExitStack) -> Metrics | None:
        """Start the listener for operators; without one, nothing is counted either."""
        address = self._settings.admin_listen
        if address is None:
            return None
        # Not at the top: most of it is libraries that nothing else needs.
        from rooms_gateway.server.admin import AdminListener, Lifecycle  # noqa: PLC0415
        from rooms_gateway.telemetry.metrics import Metrics  # noqa: PLC0415

        metrics = Metrics(version("rooms-gateway"), self._settings.api_version)
        self._progress = Lifecycle()
        ask_to_stop = self._ask_to_stop if self._settings.quitquitquit else None
        admin = AdminListener(address, self._progress, metrics.expose, ask_to_stop)
        self.admin_address = (await parts.enter_async_context(admin)).address
        logger.info("probes and metrics are on http://%s", self.admin_address)
        return metrics

    async def _ask_upstream(
        self,
        parts: AsyncExitStack,
        http: HttpClient,
        credential: Credential,
        upstream: Upstream,
    ) -> UpstreamProbe | None:
        """Let readiness depend on the service, if that is wanted."""
        interval = self._settings.readiness_upstream
        if interval is None or self._progress is None:
            return None
        # Of its own, with neither retries nor a budget that calls would miss, and not counted.
        transport = Sender(http, upstream.endpoint, credential, policy=RetryPolicy(max_attempts=1))
        reachability = UpstreamProbe(transport, self._settings.api_version, interval)
        await parts.enter_async_context(reachability.asking())
        self._progress.upstream_reachable = lambda: reachability.answers
        return reachability

    async def _start_tracing(self, parts: AsyncExitStack, service: Endpoint) -> Tracer:
        """Start to trace; without that, callers' traces are passed on."""
        if not self._settings.traces:
            return PROPAGATE_ONLY
        # Not at the top: it is an optional extra.
        from rooms_gateway.telemetry.tracing import Tracing  # noqa: PLC0415

        return await parts.enter_async_context(
            Tracing(version("rooms-gateway"), service.host, service.port)
        )

    async def _start_emulator(self, parts: AsyncExitStack) -> Upstream:
        # Not at the top, as above.
        from rooms_emulator import Emulator  # noqa: PLC0415
        from rooms_emulator.faults.plan import read_file  # noqa: PLC0415

        legacy = self._settings.api_version == LEGACY_API_VERSION
        file = self._settings.emulator_faults
        faults = None if file is None else read_file(file)
        emulator = await parts.enter_async_context(Emulator(legacy=legacy, faults=faults))
        self.emulator = emulator
        return Upstream.with_key(*parse_connection_string(emulator.connection_string))


def _places(settings: Settings) -> Admission:
    return Admission(
        ConcurrencyLimiter(
            "calls",
            Limits(
                settings.max_concurrent_calls,
                settings.max_queued_calls,
                settings.max_calls_per_caller,
            ),
        ),
        ConcurrencyLimiter(
            "streams", Limits(settings.max_streams, 0, settings.max_streams_per_caller)
        ),
        settings.write_stall_timeout,
    )
