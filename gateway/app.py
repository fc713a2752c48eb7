"""The composition root: puts the parts together, and starts, serves and stops them in order."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from importlib.metadata import version
from types import TracebackType
from typing import TYPE_CHECKING, Self

import grpc
from acs.rooms.legacy.v1 import legacy_rooms_pb2, legacy_rooms_pb2_grpc
from acs.rooms.v1 import participants_pb2, participants_pb2_grpc, rooms_pb2, rooms_pb2_grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from gateway.certificates import Certificates
from gateway.credentials import Credential, make_credential
from gateway.drain import drain
from gateway.emulator import Emulator
from gateway.emulator.fault_plan import read_file
from gateway.endpoint import parse_connection_string
from gateway.interceptors import CallInterceptor
from gateway.legacy import LegacyRoomsServicer
from gateway.legacy.backend import LegacyRooms
from gateway.legacy.native import NativeLegacyRooms
from gateway.legacy.translated import TranslatedLegacyRooms
from gateway.listen import SERVER_OPTIONS, BindError, Listener, load_certificates
from gateway.participants import ParticipantsServicer
from gateway.reflection import add_reflection
from gateway.rest import RoomsApi
from gateway.rest.legacy import LegacyApi
from gateway.rest.versions import ALL_API_VERSIONS, LEGACY_API_VERSION
from gateway.rooms import RoomsServicer
from gateway.settings import Settings, Upstream
from gateway.signals import stop_requested
from gateway.telemetry.observers import NOBODY
from gateway.transport import RetryPolicy, Transport
from gateway.transport.http import HttpClient

if TYPE_CHECKING:
    from gateway.admin import Progress
    from gateway.telemetry.metrics import Metrics

SERVICES = [
    rooms_pb2.DESCRIPTOR.services_by_name["RoomsService"],
    participants_pb2.DESCRIPTOR.services_by_name["ParticipantsService"],
]

LEGACY_SERVICE = legacy_rooms_pb2.DESCRIPTOR.services_by_name["LegacyRoomsService"]

MAX_REQUEST_BYTES = 1024 * 1024
"""The largest request of the contract, 700 people, has about 200 kB."""

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""The largest answer of the service, a roster of 350 or 30 rooms, has about 50 kB."""

logger = logging.getLogger(__name__)


class Gateway:
    """A gateway: serving inside of `async with`, drained and stopped after it."""

    def __init__(self, settings: Settings, credential: Credential | None = None) -> None:
        """Take the settings, and a credential to use in place of theirs."""
        self._settings = settings
        self._credential = credential
        self._parts = AsyncExitStack()
        self.addresses: list[str] = []
        """What is bound, with the real ports."""
        self.admin_address: str | None = None
        """Where probes and metrics are, if they are anywhere."""
        self.certificates: Certificates | None = None
        """What TCP listeners serve with, if they speak TLS."""
        self._progress: Progress | None = None
        self.emulator: Emulator | None = None
        """The embedded emulator, if there is no other upstream."""

    async def __aenter__(self) -> Self:
        """Start everything; health is SERVING when this returns.

        Raises BindError and CredentialUnusable.
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
            or make_credential(upstream.credential, upstream.endpoint, metrics or NOBODY)
        )
        http = await parts.enter_async_context(
            HttpClient(
                upstream.endpoint,
                user_agent=f"rooms-gateway/{version('rooms-gateway')}",
                max_connections=settings.max_connections,
                max_answer_bytes=MAX_ANSWER_BYTES,
            )
        )
        transport = Transport(
            http,
            upstream.endpoint,
            credential,
            attempt_timeout=settings.attempt_timeout,
            policy=RetryPolicy(max_attempts=settings.max_attempts),
            observer=metrics or NOBODY,
        )
        api = RoomsApi(transport, upstream.endpoint, ALL_API_VERSIONS[settings.api_version])

        services = [*SERVICES, LEGACY_SERVICE] if settings.legacy else SERVICES
        calls = CallInterceptor(
            services,
            api_version=settings.api_version,
            default_timeout=settings.default_timeout,
            max_concurrent_calls=settings.max_concurrent_calls,
            observer=metrics or NOBODY,
        )
        if metrics is not None:
            metrics.show_state(
                in_flight=lambda: calls.running,
                retry_budget=lambda: transport.budget.balance,
                clock_skew=transport.clock_skew,
                certificate_expiry=lambda: self.certificates.expires if self.certificates else None,
            )
        server = grpc.aio.server(
            interceptors=[calls],
            options=[*SERVER_OPTIONS, ("grpc.max_receive_message_length", MAX_REQUEST_BYTES)],
        )
        rooms_pb2_grpc.add_RoomsServiceServicer_to_server(
            RoomsServicer(api, complete_windows=settings.complete_windows), server
        )
        participants_pb2_grpc.add_ParticipantsServiceServicer_to_server(
            ParticipantsServicer(api), server
        )
        if settings.legacy:
            _add_legacy(server, LegacyApi(transport), api)
        names = [service.full_name for service in services]
        healths = health.aio.HealthServicer()  # type: ignore[attr-defined] # not in the stubs
        health_pb2_grpc.add_HealthServicer_to_server(healths, server)
        if settings.reflection:
            add_reflection(server, [*names, health.SERVICE_NAME])
        # The library starts out as SERVING, before anything is.
        for name in ("", *names):
            await healths.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)

        if settings.tls is not None:
            self.certificates = await parts.enter_async_context(load_certificates(settings.tls))
        sockets = settings.sockets
        try:
            for address in settings.listen:
                listener = Listener(
                    server, address, certificates=self.certificates, sockets=sockets
                )
                parts.callback(listener.close)
                self.addresses.append(listener.address)
        except BindError:
            # grpc lets go of what is bound already only by stopping, and stops only what runs.
            await server.start()
            await server.stop(None)
            raise
        await server.start()
        parts.push_async_callback(
            drain,
            server,
            healths,
            calls.wait_idle,
            delay=settings.drain_delay,
            grace=settings.drain_grace,
        )
        for name in ("", *names):
            await healths.set(name, health_pb2.HealthCheckResponse.SERVING)
        if self._progress is not None:
            self._progress.started = self._progress.serving = True

    async def _start_admin(self, parts: AsyncExitStack) -> Metrics | None:
        """Start the listener for operators; without one, nothing is counted either."""
        address = self._settings.admin_listen
        if address is None:
            return None
        # Not at the top: most of it is libraries that nothing else needs.
        from gateway.admin import AdminListener, Progress  # noqa: PLC0415
        from gateway.telemetry.metrics import Metrics  # noqa: PLC0415

        metrics = Metrics(version("rooms-gateway"), self._settings.api_version)
        self._progress = Progress()
        admin = AdminListener(address, self._progress, metrics.expose)
        self.admin_address = (await parts.enter_async_context(admin)).address
        logger.info("probes and metrics are on http://%s", self.admin_address)
        return metrics

    async def _start_emulator(self, parts: AsyncExitStack) -> Upstream:
        legacy = self._settings.api_version == LEGACY_API_VERSION
        file = self._settings.emulator_faults
        faults = None if file is None else read_file(file)
        emulator = await parts.enter_async_context(Emulator(legacy=legacy, faults=faults))
        self.emulator = emulator
        return Upstream.with_key(*parse_connection_string(emulator.connection_string))


def _add_legacy(server: grpc.aio.Server, native: LegacyApi, stable: RoomsApi) -> None:
    """Serve the preview's operations: as they are where the api-version has them, else translated.

    Says once that they are deprecated, in the log of whoever switched them on.
    """
    logger.warning(
        "serving %s, which is deprecated: see docs/how-to/migrate-from-the-previews.md",
        LEGACY_SERVICE.full_name,
    )
    backend: LegacyRooms = (
        NativeLegacyRooms(native)
        if stable.api_version == LEGACY_API_VERSION
        else TranslatedLegacyRooms(stable)
    )
    legacy_rooms_pb2_grpc.add_LegacyRoomsServiceServicer_to_server(
        LegacyRoomsServicer(backend), server
    )


async def serve(settings: Settings, ready: Callable[[Gateway], None]) -> None:
    """Run a gateway until SIGTERM or SIGINT; call `ready` when it serves.

    Raises BindError, CredentialUnusable, and CancelledError when a second signal has cut the stop
    short.
    """
    async with stop_requested() as stop, Gateway(settings) as gateway:
        ready(gateway)
        await stop.wait()
