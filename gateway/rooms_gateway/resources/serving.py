"""What serves the calls of a resource, by the settings of the gateway."""

from __future__ import annotations

from rooms_gateway.resources.connection import Connection
from rooms_gateway.server.admission import Admission, ConcurrencyLimiter, Limits
from rooms_gateway.server.assembly import Servicers, make_servicers, serve_resource
from rooms_gateway.server.calls.audit import Audit
from rooms_gateway.server.calls.resources import Served
from rooms_gateway.services.fair_conversion import FairConverter
from rooms_gateway.services.room_defaults import RoomDefaults
from rooms_gateway.settings import Settings


def make_admission(settings: Settings) -> Admission:
    """Return slots for calls, all of them free."""
    calls = Limits(
        settings.max_concurrent_calls, settings.max_queued_calls, settings.max_calls_per_caller
    )
    streams = Limits(settings.max_streams, 0, settings.max_streams_per_caller)
    return Admission(
        ConcurrencyLimiter("calls", calls),
        ConcurrencyLimiter("streams", streams),
        settings.write_stall_timeout,
    )


def servicers_of(connection: Connection, settings: Settings, converter: FairConverter) -> Servicers:
    """Return the servicers of a resource; `converter` is shared by all resources."""
    return make_servicers(
        connection.rooms,
        connection.identity,
        converter,
        legacy=settings.enable_legacy,
        complete_windows=settings.complete_windows,
        defaults=_room_defaults(settings),
    )


def _room_defaults(settings: Settings) -> RoomDefaults | None:
    """Return the defaults of rooms; None if no setting differs from the Rooms service's."""
    defaults = RoomDefaults(
        lifetime=settings.default_room_lifetime,
        max_lifetime=settings.max_room_lifetime,
        role=settings.default_role and settings.default_role.capitalize(),
    )
    return None if defaults == RoomDefaults() else defaults


def serve_named(
    connection: Connection, settings: Settings, converter: FairConverter, audit: Audit | None
) -> Served:
    """Return what serves a named resource.

    It has separate slots: calls that wait for the pacer of one resource keep theirs, and must not
    use up those of the others.
    """
    return serve_resource(
        servicers_of(connection, settings, converter),
        connection.endpoint,
        (connection.rooms.api_version, connection.identity.api_version),
        make_admission(settings),
        audit,
    )
