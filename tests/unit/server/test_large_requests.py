"""The work for an invalid request is bounded, whatever is wrong with it."""

from __future__ import annotations

from importlib.resources import files

import pytest
from acs.rooms.v1.access_tokens_pb2 import TOKEN_SCOPE_CHAT
from acs.rooms.v1.join_pb2 import CreateRoomWithGuestsRequest
from acs.rooms.v1.participants_pb2 import PARTICIPANT_ROLE_PRESENTER, UpdateParticipantsRequest
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from support.contract import METHODS, filled, repeated_fields
from validation_rules import RuleReader

from rooms_gateway.errors import InvalidRequestError
from rooms_gateway.server.calls.validation import MAX_ITEMS, validate
from rooms_gateway.server.options import MAX_REQUEST_BYTES
from rooms_gateway.services.convert.guests import read_guests
from rooms_gateway.services.convert.participants import roster_of
from rooms_gateway.services.convert.timestamps import MAX_SECONDS

REQUESTS = [method.input_type for method in METHODS]


FIELDS = [
    pytest.param(request, path, id=f"{request.full_name}.{'.'.join(path)}")
    for request in REQUESTS
    for path, _ in repeated_fields(request)
]


@pytest.mark.proves("S76")
@pytest.mark.parametrize(("message", "path"), FIELDS)
def test_too_many_wrong_items_are_one_violation(message: Descriptor, path: tuple[str, ...]) -> None:
    request = filled(message, path, MAX_REQUEST_BYTES // 2)
    assert request.ByteSize() >= MAX_REQUEST_BYTES
    with pytest.raises(InvalidRequestError) as raised:
        validate(request)
    assert len(raised.value.violations) == 1


@pytest.mark.proves("S76")
def test_the_limit_of_items_is_that_of_the_rules() -> None:
    contract = files("acs").joinpath("descriptors.binpb").read_bytes()
    rules = RuleReader(FileDescriptorSet.FromString(contract))
    limits = [
        [rules.read(field.GetOptions()).repeated.max_items for _, field in repeated_fields(request)]
        for request in REQUESTS
    ]
    assert all(all(fields) for fields in limits)
    assert max(map(sum, limits)) == MAX_ITEMS


@pytest.mark.proves("S76")
def test_the_largest_valid_request_is_accepted() -> None:
    request = UpdateParticipantsRequest(room_id="r" * 64)
    request.dry_run.show_identifiers = True
    for number in range(350):
        kept, removed, typed = (f"{kind}{number:0255}" for kind in "abc")
        participant = request.participants.add(raw_id=kept, unrecognized_role="r" * 64)
        participant.identifier.unknown.id = kept
        request.remove_raw_ids.append(removed)
        request.remove_identifiers.add().unknown.id = typed
    validate(request)
    roster_of(request.participants, request.remove_raw_ids, request.remove_identifiers)
    assert MAX_REQUEST_BYTES / 1.1 < request.ByteSize() <= MAX_REQUEST_BYTES


@pytest.mark.proves("S76")
def test_the_largest_room_with_guests_is_accepted() -> None:
    """Every participant is a guest too, so that the room is not over-full."""
    request = CreateRoomWithGuestsRequest(request_id="99c0b1e0-4be6-4d4f-a52d-55bd9ee4ff04")
    request.dry_run.show_identifiers = True
    request.token_options.scopes.extend([TOKEN_SCOPE_CHAT] * 5)
    request.token_options.lifetime.seconds = 86_400
    request.valid_from.FromSeconds(MAX_SECONDS)
    request.valid_until.FromSeconds(MAX_SECONDS)
    for number in range(350):
        raw_id = f"8:acs:{number:0250}"
        participant = request.participants.add(raw_id=raw_id, unrecognized_role="r" * 64)
        participant.identifier.communication_user.id = raw_id
        guest = request.guests.add(label="l" * 256, role=PARTICIPANT_ROLE_PRESENTER)
        guest.identifier.communication_user.id = raw_id
    validate(request)
    assert len(read_guests(request.guests)) == 350
    assert MAX_REQUEST_BYTES / 1.1 < request.ByteSize() <= MAX_REQUEST_BYTES
