"""The services of one server: those of the contract, health and reflection."""

from __future__ import annotations

import logging

import grpc
from acs.identity.v1 import identity_service_pb2
from acs.rooms.legacy.v1 import legacy_rooms_service_pb2
from acs.rooms.v1 import join_service_pb2, participants_service_pb2, rooms_service_pb2
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2_grpc

from rooms_gateway.server import health
from rooms_gateway.server.handler import HandlerFactory
from rooms_gateway.server.reflection import add_reflection
from rooms_gateway.server.status import to_item_error
from rooms_gateway.services.convert.rooms import DEFAULT_ROLE
from rooms_gateway.services.fair_conversion import FairConverter
from rooms_gateway.services.guests import GuestAdmission
from rooms_gateway.services.identity import IdentityServicer
from rooms_gateway.services.join import JoinServicer
from rooms_gateway.services.legacy.servicer import LegacyRoomsServicer
from rooms_gateway.services.participants import ParticipantsServicer
from rooms_gateway.services.room_defaults import RoomDefaults
from rooms_gateway.services.rooms import RoomsServicer
from rooms_gateway.upstream.identity_api import IdentityApi
from rooms_gateway.upstream.rooms_api import RoomsApi

ROOMS_SERVICE = rooms_service_pb2.DESCRIPTOR.services_by_name["RoomsService"]
PARTICIPANTS_SERVICE = participants_service_pb2.DESCRIPTOR.services_by_name["ParticipantsService"]
IDENTITY_SERVICE = identity_service_pb2.DESCRIPTOR.services_by_name["IdentityService"]
JOIN_SERVICE = join_service_pb2.DESCRIPTOR.services_by_name["JoinService"]
SERVICES = [ROOMS_SERVICE, PARTICIPANTS_SERVICE, JOIN_SERVICE, IDENTITY_SERVICE]

LEGACY_SERVICE = legacy_rooms_service_pb2.DESCRIPTOR.services_by_name["LegacyRoomsService"]

logger = logging.getLogger(__name__)


def add_services(
    server: grpc.aio.Server,
    handlers: HandlerFactory,
    api: RoomsApi,
    identity_api: IdentityApi,
    *,
    legacy: bool,
    complete_windows: bool,
    defaults: RoomDefaults | None,
    reflection: bool,
) -> health.HealthServicer:
    """Add all services to `server`; return health, which reports NOT_SERVING at first.

    `legacy` and `reflection` enable LegacyRoomsService and server reflection; `complete_windows` is
    that of RoomsServicer. Without `defaults`, those of the Rooms service apply.
    """
    converter = FairConverter()
    default_role = (defaults and defaults.role) or DEFAULT_ROLE
    admission = GuestAdmission(api, identity_api, to_item_error, default_role)
    servicers: dict[ServiceDescriptor, object] = {
        ROOMS_SERVICE: RoomsServicer(
            api, converter, to_item_error, complete_windows=complete_windows, defaults=defaults
        ),
        PARTICIPANTS_SERVICE: ParticipantsServicer(api, converter, defaults=defaults),
        JOIN_SERVICE: JoinServicer(api, admission, defaults),
    }
    if legacy:
        logger.warning(
            "serving %s, which is deprecated: see docs/how-to/migrate-from-the-previews.md",
            LEGACY_SERVICE.full_name,
        )
        servicers[LEGACY_SERVICE] = LegacyRoomsServicer(api, defaults)
    for service, servicer in servicers.items():
        handlers.add(server, service, servicer)
    identity = IdentityServicer(identity_api)
    handlers.add(server, IDENTITY_SERVICE, identity, api_version=identity_api.api_version)
    names = [service.full_name for service in (*servicers, IDENTITY_SERVICE)]
    health_servicer = health.HealthServicer(names, handlers.admission.watches)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    if reflection:
        add_reflection(server, [*names, health.NAME], handlers.admission)
    handlers.add_unknown(server)
    return health_servicer
