"""The services of one server: those of the contract, health and reflection."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import grpc
from acs.identity.v1 import identity_service_pb2
from acs.rooms.legacy.v1 import legacy_rooms_service_pb2
from acs.rooms.v1 import join_service_pb2, participants_service_pb2, rooms_service_pb2
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2_grpc

from rooms_gateway.server import health
from rooms_gateway.server.admission import Admission
from rooms_gateway.server.calls.audit import Audit, audit_of
from rooms_gateway.server.calls.handler import MethodHandler
from rooms_gateway.server.calls.messages import UnreadResponses
from rooms_gateway.server.calls.resources import Method, Served
from rooms_gateway.server.calls.shared import Calls
from rooms_gateway.server.calls.status import to_item_error
from rooms_gateway.server.reflection import add_reflection
from rooms_gateway.services.convert.participants import DEFAULT_ROLE
from rooms_gateway.services.fair_conversion import FairConverter
from rooms_gateway.services.guests import GuestAdmission
from rooms_gateway.services.identity import IdentityServicer
from rooms_gateway.services.join import JoinServicer
from rooms_gateway.services.legacy.servicer import LegacyRoomsServicer
from rooms_gateway.services.participants import ParticipantsServicer
from rooms_gateway.services.room_defaults import RoomDefaults
from rooms_gateway.services.rooms import RoomsServicer
from rooms_gateway.telemetry.observers import CallObserver
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.identity_api import IdentityApi
from rooms_gateway.upstream.rooms_api import RoomsApi

ROOMS_SERVICE = rooms_service_pb2.DESCRIPTOR.services_by_name["RoomsService"]
PARTICIPANTS_SERVICE = participants_service_pb2.DESCRIPTOR.services_by_name["ParticipantsService"]
IDENTITY_SERVICE = identity_service_pb2.DESCRIPTOR.services_by_name["IdentityService"]
JOIN_SERVICE = join_service_pb2.DESCRIPTOR.services_by_name["JoinService"]
SERVICES = [ROOMS_SERVICE, PARTICIPANTS_SERVICE, JOIN_SERVICE, IDENTITY_SERVICE]

LEGACY_SERVICE = legacy_rooms_service_pb2.DESCRIPTOR.services_by_name["LegacyRoomsService"]

logger = logging.getLogger(__name__)


Servicers = Mapping[ServiceDescriptor, object]
"""The servicer of each service; or its class, if each named resource has one."""

CLASSES: Servicers = {
    ROOMS_SERVICE: RoomsServicer,
    PARTICIPANTS_SERVICE: ParticipantsServicer,
    JOIN_SERVICE: JoinServicer,
    IDENTITY_SERVICE: IdentityServicer,
    LEGACY_SERVICE: LegacyRoomsServicer,
}


def make_servicers(
    api: RoomsApi,
    identity_api: IdentityApi,
    converter: FairConverter,
    *,
    legacy: bool,
    complete_windows: bool,
    defaults: RoomDefaults | None,
) -> Servicers:
    """Return the servicers of one resource.

    `legacy` enables LegacyRoomsService; `complete_windows` is that of RoomsServicer. Without
    `defaults`, those of the Rooms service apply.
    """
    default_role = (defaults and defaults.role) or DEFAULT_ROLE
    admission = GuestAdmission(api, identity_api, to_item_error, default_role)
    servicers: dict[ServiceDescriptor, object] = {
        ROOMS_SERVICE: RoomsServicer(
            api, converter, to_item_error, complete_windows=complete_windows, defaults=defaults
        ),
        PARTICIPANTS_SERVICE: ParticipantsServicer(api, converter, defaults=defaults),
        JOIN_SERVICE: JoinServicer(api, admission, defaults),
        IDENTITY_SERVICE: IdentityServicer(identity_api),
    }
    if legacy:
        servicers[LEGACY_SERVICE] = LegacyRoomsServicer(api, defaults)
    return servicers


def serve_resource(
    servicers: Servicers,
    endpoint: Endpoint,
    versions: tuple[str, str],
    admission: Admission,
    audit: Audit | None,
) -> Served:
    """Return what serves a named resource; it has the slots of `admission` for itself.

    `versions` are those of the Rooms and the Identity REST API.
    """
    unread = UnreadResponses(admission.calls, admission.write_stall_timeout)
    methods = {
        f"/{service.full_name}/{method.name}": Method.of(
            method,
            audit_of(method, audit).around(getattr(servicer, method.name)),
            versions[service is IDENTITY_SERVICE],
            admission,
            unread,
        )
        for service, servicer in servicers.items()
        for method in service.methods
    }
    return Served(endpoint, methods, admission, unread)


def add_services(
    server: grpc.aio.Server,
    calls: Calls,
    servicers: Servicers,
    *,
    versions: tuple[str, str],
    legacy: bool,
    reflection: bool,
) -> health.HealthServicer:
    """Add all services to `server`; return health, which reports NOT_SERVING at first.

    `versions` are those of the Rooms and the Identity REST API. `legacy` and `reflection` enable
    LegacyRoomsService and server reflection.
    """
    if legacy:
        logger.warning(
            "serving %s, which is deprecated: see docs/how-to/migrate-from-the-previews.md",
            LEGACY_SERVICE.full_name,
        )
    served = {
        service: servicer
        for service, servicer in servicers.items()
        if legacy or service is not LEGACY_SERVICE
    }
    for service, servicer in served.items():
        add_service(server, calls, service, servicer, versions[service is IDENTITY_SERVICE])
    names = [service.full_name for service in served]
    health_servicer = health.HealthServicer(names, calls.admission.watches)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    if reflection:
        add_reflection(server, [*names, health.NAME], calls.admission)
    # Last, because grpc tries handlers in order.
    server.add_generic_rpc_handlers((_UnknownMethods(calls.observer),))
    return health_servicer


def add_service(
    server: grpc.aio.Server,
    calls: Calls,
    service: ServiceDescriptor,
    servicer: object,
    api_version: str,
) -> None:
    """Serve the methods of `service` on `server` by those of `servicer`.

    A class stands for its instances, of which each of `calls.resources` has one. `api_version` is
    that of the REST API behind them.
    """
    # Create all counters at start: a series that first appears at 1 hides its first increment
    # from `rate()`.
    handlers = {
        method.name: MethodHandler(
            calls,
            method,
            None
            if isinstance(servicer, type)
            else Method.of(
                method,
                audit_of(method, calls.audit).around(getattr(servicer, method.name)),
                api_version,
                calls.admission,
                calls.unread,
            ),
            api_version,
        ).handler()
        for method in service.methods
    }
    generic = grpc.method_handlers_generic_handler(service.full_name, handlers)
    server.add_generic_rpc_handlers((generic,))


class _UnknownMethods(grpc.GenericRpcHandler):
    """Counts calls of unknown methods."""

    def __init__(self, observer: CallObserver) -> None:
        self._observer = observer

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> None:
        self._observer.unknown_method()
