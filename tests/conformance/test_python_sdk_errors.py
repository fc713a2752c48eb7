"""Errors of the emulator in Microsoft's unmodified Python client."""

from __future__ import annotations

from typing import Any

import pytest
from azure.communication.rooms import (
    CommunicationUserIdentifier,
    PhoneNumberIdentifier,
    RoomParticipant,
)
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from support.microsoft_sdks import (
    IGNORE_DEPRECATIONS,
    KINDS,
    Sdk,
    connected,
    in_days,
    participant,
    problem,
)
from support.signed_requests import BAD_RANGE, BAD_ROLE, BAD_START, HALF_RANGE, PAST_END

from rooms_emulator import Emulator

pytestmark = IGNORE_DEPRECATIONS


CREATE, UPDATE, CHANGE = "create_room", "update_room", "add_or_update_participants"


@pytest.mark.parametrize(
    ("method", "days", "detail"),
    [
        (CREATE, {"valid_until": -1}, PAST_END),
        (UPDATE, {"valid_from": -1, "valid_until": -2}, PAST_END),
        (CREATE, {"valid_from": 0, "valid_until": 181}, BAD_RANGE),
        (UPDATE, {"valid_from": 0, "valid_until": 200}, BAD_RANGE),
        (CREATE, {"valid_from": 5, "valid_until": 4}, BAD_RANGE),
        (CREATE, {"valid_from": 181}, BAD_START),
        (UPDATE, {"valid_from": 1}, HALF_RANGE),
        (UPDATE, {"valid_until": 1}, HALF_RANGE),
    ],
)
@KINDS
async def test_invalid_window(
    kind: type[Sdk],
    emulator: Emulator,
    method: str,
    days: dict[str, float],
    detail: tuple[str, str],
) -> None:
    async with connected(kind, emulator) as sdk:
        named: dict[str, Any] = {name: in_days(number) for name, number in days.items()}
        if method == UPDATE:
            named["room_id"] = (await sdk("create_room")).id
        with pytest.raises(HttpResponseError) as rejected:
            await sdk(method, **named)
        (found,) = problem(rejected.value).details
        assert rejected.value.status_code == 400
        assert (found.code, found.message, found.target) == ("BadArgument", *detail)


MALFORMED = RoomParticipant(communication_identifier=CommunicationUserIdentifier("wrong_mri"))
PHONE = RoomParticipant(communication_identifier=PhoneNumberIdentifier("+14255550123"))
UNSUPPORTED = "Communication identifier {} is not supported."


@pytest.mark.parametrize(
    ("method", "participants", "message"),
    [
        (CREATE, [MALFORMED], "Invalid format for communication identifier."),
        (CHANGE, [participant(1), MALFORMED], UNSUPPORTED.format("wrong_mri")),
        (CHANGE, [PHONE], UNSUPPORTED.format("4:+14255550123")),
        ("remove_participants", [MALFORMED], UNSUPPORTED.format("wrong_mri")),
    ],
)
@KINDS
async def test_invalid_participants(
    kind: type[Sdk],
    emulator: Emulator,
    method: str,
    participants: list[RoomParticipant],
    message: str,
) -> None:
    async with connected(kind, emulator) as sdk:
        named: dict[str, Any] = {"participants": participants}
        if method != CREATE:
            named["room_id"] = (await sdk("create_room")).id
        with pytest.raises(HttpResponseError) as rejected:
            await sdk(method, **named)
        assert rejected.value.status_code == 400
        assert problem(rejected.value).message == message


@KINDS
async def test_unknown_role(kind: type[Sdk], emulator: Emulator) -> None:
    async with connected(kind, emulator) as sdk:
        room = await sdk("create_room")
        kafka = [participant(1, "Kafka")]
        with pytest.raises(HttpResponseError) as rejected:
            await sdk(CHANGE, room_id=room.id, participants=kafka)
        (found,) = problem(rejected.value).details
        assert (found.message, found.target) == BAD_ROLE


@pytest.mark.parametrize(
    ("room_id", "status", "message"),
    [
        ("123", 400, "Invalid room ID length."),
        ("invalid_id", 400, "Invalid room ID length."),
        ("a b/%é?x=1", 400, "Invalid room ID length."),
        ("NotExistingRoomID", 400, "Invalid room ID."),
        ("9949484443000000", 404, "The server cannot find the requested resource."),
    ],
)
@KINDS
async def test_invalid_room_id(
    kind: type[Sdk], emulator: Emulator, room_id: str, status: int, message: str
) -> None:
    async with connected(kind, emulator) as sdk:
        changed = [participant(1)]
        for call in (
            sdk("get_room", room_id),
            sdk("update_room", room_id=room_id),
            sdk("delete_room", room_id),
            sdk.pages("list_participants", room_id),
            sdk(CHANGE, room_id=room_id, participants=changed),
            sdk("remove_participants", room_id=room_id, participants=changed),
        ):
            with pytest.raises(HttpResponseError) as rejected:
                await call
            assert rejected.value.status_code == status
            assert problem(rejected.value).message == message
            assert isinstance(rejected.value, ResourceNotFoundError) is (status == 404)


@KINDS
async def test_a_wrong_key_is_denied(kind: type[Sdk], emulator: Emulator) -> None:
    async with connected(kind, emulator, key="c3RyYW5nZXI=") as sdk:
        with pytest.raises(ClientAuthenticationError) as rejected:
            await sdk("create_room")
    assert (rejected.value.status_code, problem(rejected.value).code) == (401, "Denied")


@KINDS
async def test_unsupported_version(kind: type[Sdk], emulator: Emulator) -> None:
    async with connected(kind, emulator, version="2022-02-01") as sdk:
        with pytest.raises(HttpResponseError) as rejected:
            await sdk("create_room")
    assert problem(rejected.value).code == "UnsupportedApiVersion"
