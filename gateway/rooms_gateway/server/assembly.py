"""The services of one server: those of the contract, health and reflection."""

from __future__ import annotations

import logging

import grpc
from acs.rooms.legacy.v1 import legacy_rooms_service_pb2
from acs.rooms.v1 import participants_service_pb2, rooms_service_pb2
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2_grpc

from rooms_gateway.server import health
from rooms_gateway.server.handler import HandlerFactory
from rooms_gateway.server.reflection import add_reflection
from rooms_gateway.services.fair_conversion import FairConverter
from rooms_gateway.services.legacy.servicer import LegacyRoomsServicer
from rooms_gateway.services.participants import ParticipantsServicer
from rooms_gateway.services.rooms import RoomsServicer
from rooms_gateway.upstream.rooms_api import RoomsApi

ROOMS_SERVICE = rooms_service_pb2.DESCRIPTOR.services_by_name["RoomsService"]
PARTICIPANTS_SERVICE = participants_service_pb2.DESCRIPTOR.services_by_name["ParticipantsService"]
SERVICES = [ROOMS_SERVICE, PARTICIPANTS_SERVICE]

LEGACY_SERVICE = legacy_rooms_service_pb2.DESCRIPTOR.services_by_name["LegacyRoomsService"]

logger = logging.getLogger(__name__)


def add_services(
    server: grpc.aio.Server,
    handlers: HandlerFactory,
    api: RoomsApi,
    *,
    legacy: bool,
    complete_windows: bool,
    reflection: bool,
) -> health.HealthServicer:
    """Add all services to `server`; return health, which reports NOT_SERVING at first.

    `legacy` and `reflection` enable LegacyRoomsService and server reflection; `complete_windows` is
    that of RoomsServicer.
    """
    converter = FairConverter()
    servicers: dict[ServiceDescriptor, object] = {
        ROOMS_SERVICE: RoomsServicer(api, converter, complete_windows=complete_windows),
        PARTICIPANTS_SERVICE: ParticipantsServicer(api, converter),
    }
    if legacy:
        logger.warning(
            "serving %s, which is deprecated: see docs/how-to/migrate-from-the-previews.md",
            LEGACY_SERVICE.full_name,
        )
        servicers[LEGACY_SERVICE] = LegacyRoomsServicer(api)
    for service, servicer in servicers.items():
        handlers.add(server, service, servicer)
    names = [service.full_name for service in servicers]
    health_servicer = health.HealthServicer(names, handlers.admission.watches)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    if reflection:
        add_reflection(server, [*names, health.NAME], handlers.admission)
    handlers.add_unknown(server)
    return health_servicer
