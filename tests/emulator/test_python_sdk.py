"""Microsoft's unmodified Python client, azure-communication-rooms, against the emulator.

The version is given as a plain text, because the client's own default does not survive its way
into the request for the second page under Python 3.11.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.communication.rooms import (
    CommunicationUserIdentifier,
    ParticipantRole,
    PhoneNumberIdentifier,
    RoomParticipant,
    RoomsClient,
)
from azure.communication.rooms.aio import RoomsClient as AsyncRoomsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ODataV4Format,
    ResourceNotFoundError,
)
from emulator.signing_client import VERSION, user

from gateway.emulator import DEVELOPMENT_KEY, Emulator, Fault, timestamps, versions

# The client calls what Python 3.12 deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")


def participant(number: int, role: str = "Attendee") -> RoomParticipant:
    return RoomParticipant(
        communication_identifier=CommunicationUserIdentifier(user(number)), role=role
    )


def in_days(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def ticks(moment: datetime) -> int:
    return timestamps.parse(moment.isoformat())


class Blocking:
    """The blocking client, each call on a thread of its own; lists come page by page."""

    def __init__(self, endpoint: str, key: str, **options: str) -> None:
        self._client = RoomsClient(endpoint, AzureKeyCredential(key), **options)

    async def __call__(self, method: str, *arguments: Any, **named: Any) -> Any:
        return await asyncio.to_thread(getattr(self._client, method), *arguments, **named)

    async def pages(self, method: str, *arguments: Any) -> list[list[Any]]:
        def read() -> list[list[Any]]:
            pages = getattr(self._client, method)(*arguments).by_page()
            return [list(page) for page in pages]

        return await asyncio.to_thread(read)

    async def close(self) -> None:
        await asyncio.to_thread(self._client.close)


class NonBlocking:
    """The asynchronous client, called in the same way."""

    def __init__(self, endpoint: str, key: str, **options: str) -> None:
        self._client = AsyncRoomsClient(endpoint, AzureKeyCredential(key), **options)

    async def __call__(self, method: str, *arguments: Any, **named: Any) -> Any:
        return await getattr(self._client, method)(*arguments, **named)

    async def pages(self, method: str, *arguments: Any) -> list[list[Any]]:
        pages = getattr(self._client, method)(*arguments).by_page()
        return [[item async for item in page] async for page in pages]

    async def close(self) -> None:
        await self._client.close()


Sdk = Blocking | NonBlocking
KINDS = pytest.mark.parametrize("kind", [Blocking, NonBlocking], ids=["sync", "aio"])


@asynccontextmanager
async def connected(
    kind: type[Sdk], emulator: Emulator, key: str = DEVELOPMENT_KEY, version: str = VERSION
) -> AsyncIterator[Sdk]:
    sdk = kind(emulator.endpoint, key, api_version=version)
    try:
        yield sdk
    finally:
        await sdk.close()


def problem(refused: HttpResponseError) -> ODataV4Format:
    assert refused.error is not None
    return refused.error


async def roster(sdk: Sdk, room_id: str) -> list[tuple[str, str]]:
    pages = await sdk.pages("list_participants", room_id)
    return [(who.communication_identifier.raw_id, who.role) for page in pages for who in page]


@KINDS
async def test_a_room_lives_its_whole_life(kind: type[Sdk], emulator: Emulator) -> None:
    """Create, get, update, participants and delete do what the client's documentation says."""
    async with connected(kind, emulator) as sdk:
        start, end = in_days(1), in_days(2)
        room = await sdk(
            "create_room",
            valid_from=start,
            valid_until=end,
            pstn_dial_out_enabled=True,
            participants=[participant(1, ParticipantRole.PRESENTER), participant(2)],
        )
        assert timestamps.parse(room.valid_from) == ticks(start)
        assert timestamps.parse(room.valid_until) == ticks(end)
        assert room.pstn_dial_out_enabled is True
        got = await sdk("get_room", room.id)
        assert vars(got) == vars(room)
        assert await roster(sdk, room.id) == [(user(1), "Presenter"), (user(2), "Attendee")]

        later = in_days(3)
        moved = await sdk("update_room", room_id=room.id, valid_from=start, valid_until=later)
        assert timestamps.parse(moved.valid_until) == ticks(later)
        assert (moved.created_at, moved.pstn_dial_out_enabled) == (room.created_at, True)
        silent = await sdk("update_room", room_id=room.id, pstn_dial_out_enabled=False)
        assert (silent.valid_until, silent.pstn_dial_out_enabled) == (moved.valid_until, False)

        people = [participant(1, "Consumer"), participant(3, "Collaborator")]
        await sdk("add_or_update_participants", room_id=room.id, participants=people)
        gone = [CommunicationUserIdentifier(user(2)), CommunicationUserIdentifier(user(9))]
        await sdk("remove_participants", room_id=room.id, participants=gone)
        assert await roster(sdk, room.id) == [(user(1), "Consumer"), (user(3), "Collaborator")]
        await sdk("remove_participants", room_id=room.id, participants=people)
        assert await roster(sdk, room.id) == []

        await sdk("delete_room", room.id)
        with pytest.raises(ResourceNotFoundError):
            await sdk("get_room", room.id)
        assert await sdk.pages("list_rooms") == [[]]


@KINDS
async def test_default_rooms_are_made_of_nulls(kind: type[Sdk], emulator: Emulator) -> None:
    """The client sends null for what its caller left out."""
    async with connected(kind, emulator) as sdk:
        room = await sdk("create_room")
        assert room.pstn_dial_out_enabled is False
        assert vars(await sdk("update_room", room_id=room.id)) == vars(room)
        await sdk("add_or_update_participants", room_id=room.id, participants=[])


@KINDS
async def test_lists_go_through_short_and_empty_pages(kind: type[Sdk], emulator: Emulator) -> None:
    store = emulator.store
    expected = store.seed(40) + store.seed(2)
    store.seed(62, deleted=True)
    expected += store.seed(61, participants=9)
    async with connected(kind, emulator) as sdk:
        pages = await sdk.pages("list_rooms")
        assert [len(page) for page in pages] == [30, 30, 1, 0, 27, 15]
        assert [room.id for page in pages for room in page] == expected[::-1]
        assert len(await roster(sdk, expected[-1])) == 9


@pytest.mark.parametrize("version", list(versions.VERSIONS)[1:])
@KINDS
async def test_each_version_with_the_members_that_the_client_needs_works(
    kind: type[Sdk], emulator: Emulator, version: str
) -> None:
    async with connected(kind, emulator, version=version) as sdk:
        room = await sdk("create_room")
        assert (await sdk("get_room", room.id)).id == room.id


@KINDS
async def test_with_its_own_default_version_it_fails_on_page_two(
    kind: type[Sdk], emulator: Emulator
) -> None:
    """A fault of client 1.2.0: it puts the name of an enum's member into the link it follows."""
    emulator.store.seed(31)
    sdk = kind(emulator.endpoint, DEVELOPMENT_KEY)
    with pytest.raises(HttpResponseError) as refused:
        await sdk.pages("list_rooms")
    await sdk.close()
    assert (refused.value.status_code, problem(refused.value).code) == (
        400,
        "UnsupportedApiVersion",
    )
    first, second = emulator.journal
    assert (first.status, second.status) == (200, 400)
    assert "api-version=ApiVersion.V2025_03_13" in second.target


CREATE, UPDATE, CHANGE = "create_room", "update_room", "add_or_update_participants"
PAST_END = ("The time range end is in the past.", "ValidUntil")
BAD_RANGE = ("The time range is incorrect, or larger than 180 days.", "ValidUntil")
BAD_START = ("Value is incorrect or more than 180 days in the future.", "ValidFrom")
HALF_RANGE = ("validFrom and validUntil should be set together.", "")
BAD_ROLE = (
    "Invalid participant role. The valid roles are: Presenter, Attendee, Consumer, Collaborator.",
    f"$.participants.{user(1)}.role",
)


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
async def test_a_window_that_breaks_a_rule_is_told_why(
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
        with pytest.raises(HttpResponseError) as refused:
            await sdk(method, **named)
        (told,) = problem(refused.value).details
        assert refused.value.status_code == 400
        assert (told.code, told.message, told.target) == ("BadArgument", *detail)


NOBODY = RoomParticipant(communication_identifier=CommunicationUserIdentifier("wrong_mri"))
PHONE = RoomParticipant(communication_identifier=PhoneNumberIdentifier("+14255550123"))
UNSUPPORTED = "Communication identifier {} is not supported."


@pytest.mark.parametrize(
    ("method", "participants", "message"),
    [
        (CREATE, [NOBODY], "Invalid format for communication identifier."),
        (CHANGE, [participant(1), NOBODY], UNSUPPORTED.format("wrong_mri")),
        (CHANGE, [PHONE], UNSUPPORTED.format("4:+14255550123")),
        ("remove_participants", [NOBODY], UNSUPPORTED.format("wrong_mri")),
    ],
)
@KINDS
async def test_participants_that_rooms_do_not_take_are_refused(
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
        with pytest.raises(HttpResponseError) as refused:
            await sdk(method, **named)
        assert refused.value.status_code == 400
        assert problem(refused.value).message == message


@KINDS
async def test_a_role_that_nobody_knows_is_refused(kind: type[Sdk], emulator: Emulator) -> None:
    async with connected(kind, emulator) as sdk:
        room = await sdk("create_room")
        kafka = [participant(1, "Kafka")]
        with pytest.raises(HttpResponseError) as refused:
            await sdk(CHANGE, room_id=room.id, participants=kafka)
        (told,) = problem(refused.value).details
        assert (told.message, told.target) == BAD_ROLE


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
async def test_an_id_of_no_room_is_refused_by_every_operation(
    kind: type[Sdk], emulator: Emulator, room_id: str, status: int, message: str
) -> None:
    async with connected(kind, emulator) as sdk:
        people = [participant(1)]
        for call in (
            sdk("get_room", room_id),
            sdk("update_room", room_id=room_id),
            sdk("delete_room", room_id),
            sdk.pages("list_participants", room_id),
            sdk(CHANGE, room_id=room_id, participants=people),
            sdk("remove_participants", room_id=room_id, participants=people),
        ):
            with pytest.raises(HttpResponseError) as refused:
                await call
            assert refused.value.status_code == status
            assert problem(refused.value).message == message
            assert isinstance(refused.value, ResourceNotFoundError) is (status == 404)


@KINDS
async def test_a_wrong_key_is_denied(kind: type[Sdk], emulator: Emulator) -> None:
    async with connected(kind, emulator, key="c3RyYW5nZXI=") as sdk:
        with pytest.raises(ClientAuthenticationError) as refused:
            await sdk("create_room")
    assert (refused.value.status_code, problem(refused.value).code) == (401, "Denied")


@KINDS
async def test_a_version_that_is_not_supported_is_refused(
    kind: type[Sdk], emulator: Emulator
) -> None:
    async with connected(kind, emulator, version="2022-02-01") as sdk:
        with pytest.raises(HttpResponseError) as refused:
            await sdk("create_room")
    assert problem(refused.value).code == "UnsupportedApiVersion"


@KINDS
async def test_its_create_is_retried_and_makes_one_room(
    kind: type[Sdk], emulator: Emulator
) -> None:
    """The client keeps its Repeatability-Request-ID over its own attempts."""
    emulator.faults.add(Fault(operation="CreateRoom", status=429, headers={"Retry-After": "0"}))
    async with connected(kind, emulator) as sdk:
        room = await sdk("create_room")
    first, second = emulator.journal
    assert [first.status, second.status] == [429, 201]
    name = "Repeatability-Request-ID"
    assert first.headers[name] == second.headers[name]
    assert emulator.store.rooms_page().items == [emulator.store.get(room.id)]
