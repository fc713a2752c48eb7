"""What a server serves: our services, health and reflection."""

from __future__ import annotations

import logging

import grpc
from acs.rooms.legacy.v1 import legacy_rooms_pb2
from acs.rooms.v1 import participants_pb2, rooms_pb2
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2_grpc

from rooms_gateway.server import health
from rooms_gateway.server.handler import HandlerFactory
from rooms_gateway.server.reflection import add_reflection
from rooms_gateway.services.fair_conversion import FairConverter
from rooms_gateway.services.legacy.servicer import LegacyRoomsServicer
from rooms_gateway.services.legacy.backend import LegacyRooms
from rooms_gateway.services.legacy.native import NativeLegacyRooms
from rooms_gateway.services.legacy.translated import TranslatedLegacyRooms
from rooms_gateway.services.participants import ParticipantsServicer
from rooms_gateway.services.rooms import RoomsServicer
from rooms_gateway.upstream.legacy_api import LegacyApi
from rooms_gateway.upstream.rooms_api import RoomsApi
from rooms_gateway.upstream.versions import LEGACY_API_VERSION

ROOMS_SERVICE = rooms_pb2.DESCRIPTOR.services_by_name["RoomsService"]
PARTICIPANTS_SERVICE = participants_pb2.DESCRIPTOR.services_by_name["ParticipantsService"]
SERVICES = [ROOMS_SERVICE, PARTICIPANTS_SERVICE]

LEGACY_SERVICE = legacy_rooms_pb2.DESCRIPTOR.services_by_name["LegacyRoomsService"]

logger = logging.getLogger(__name__)


def services_of(*, legacy: bool) -> list[ServiceDescriptor]:
    """Return our services, with the deprecated one if it is wanted."""
    return [*SERVICES, LEGACY_SERVICE] if legacy else SERVICES


class Services:
    """All services of one server."""

    def __init__(  # noqa: PLR0913 - all that there is to serve
        self,
        server: grpc.aio.Server,
        calls: HandlerFactory,
        api: RoomsApi,
        legacy: LegacyApi | None,
        *,
        complete_windows: bool,
        reflection: bool,
    ) -> None:
        """Add them to `server`, ours by `calls`; `legacy`: None unless the deprecated is wanted."""
        turns = FairConverter(lambda: calls.admission.calls.running)
        rooms = RoomsServicer(api, turns, complete_windows=complete_windows)
        calls.add(server, ROOMS_SERVICE, rooms)
        calls.add(server, PARTICIPANTS_SERVICE, ParticipantsServicer(api, turns))
        if legacy is not None:
            calls.add(server, LEGACY_SERVICE, _legacy_servicer(legacy, api))
        names = [service.full_name for service in services_of(legacy=legacy is not None)]
        self.health = health.HealthServicer(names)
        """Says NOT_SERVING until it is told otherwise."""
        health_pb2_grpc.add_HealthServicer_to_server(
            self.health,
            _Unregistered(server),  # type: ignore[arg-type] # as much of one as it needs
        )
        if reflection:
            add_reflection(server, [*names, health.NAME])
        calls.add_unknown(server)


class _Unregistered:
    """What generated code may add to a server of ours.

    It also registers each method; grpc.aio then has as many more futures to wait for at every call
    of any service. Handlers are found without that.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Do without."""


def _legacy_servicer(native: LegacyApi, stable: RoomsApi) -> LegacyRoomsServicer:
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
    return LegacyRoomsServicer(backend)
