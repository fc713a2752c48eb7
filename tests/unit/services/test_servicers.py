"""Type hints of the servicers, which have no generated base class, against the descriptors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, get_type_hints

import pytest
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from rooms_gateway.call import Call
from rooms_gateway.server.assembly import LEGACY_SERVICE, PARTICIPANTS_SERVICE, ROOMS_SERVICE
from rooms_gateway.services.bulk import Items
from rooms_gateway.services.legacy.servicer import LegacyRoomsServicer
from rooms_gateway.services.participants import ParticipantsServicer
from rooms_gateway.services.rooms import RoomsServicer


@pytest.mark.parametrize(
    ("service", "servicer"),
    [
        (ROOMS_SERVICE, RoomsServicer),
        (PARTICIPANTS_SERVICE, ParticipantsServicer),
        (LEGACY_SERVICE, LegacyRoomsServicer),
    ],
    ids=lambda value: getattr(value, "full_name", ""),
)
def test_handlers_have_the_types_of_their_rpcs(
    service: ServiceDescriptor, servicer: type[object]
) -> None:
    handlers = {name for name in vars(servicer) if not name.startswith("_")}
    assert handlers == set(service.methods_by_name)
    for method in service.methods:
        response = GetMessageClass(method.output_type)
        request: Any = GetMessageClass(method.input_type)
        received = {"requests": Items[request]} if method.client_streaming else {"request": request}
        assert get_type_hints(getattr(servicer, method.name)) == received | {
            "call": Call,
            "return": AsyncIterator[response] if method.server_streaming else response,  # type: ignore[valid-type] # not static
        }
