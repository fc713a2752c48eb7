"""AdmitParticipants and CreateRoomWithGuests: no token without a place on the roster."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from acs.identity.v1.users_pb2 import CreateUserRequest
from acs.rooms.debug.v1.dry_run_pb2 import DryRun
from acs.rooms.v1 import join_pb2 as pb
from acs.rooms.v1 import participants_pb2
from acs.rooms.v1.access_tokens_pb2 import TokenOptions
from acs.rooms.v1.error_reason_pb2 import ErrorReason
from acs.rooms.v1.rooms_pb2 import UpdateRoomRequest
from google.protobuf.empty_pb2 import Empty
from msgspec import structs
from support.fast_gateway import Quick, quick_gateway
from support.gateways import UNKNOWN_ROOM, Running, failure_of, gateway_for, upstream_of
from support.rosters import create, moment
from support.samples import INVALID, NOT_FOUND, communication_user, phone_number, user
from support.signed_requests import parts

from rooms_emulator import Emulator, Fault

PRESENTER = participants_pb2.PARTICIPANT_ROLE_PRESENTER
ATTENDEE = participants_pb2.PARTICIPANT_ROLE_ATTENDEE
ROSTER_FULL = (grpc.StatusCode.FAILED_PRECONDITION, "ERROR_REASON_ROSTER_FULL")


def guest(raw_id: str = "", **others: Any) -> pb.Guest:
    """Return a guest with a raw id, or a new user."""
    return pb.Guest(raw_id=raw_id, **others) if raw_id else pb.Guest(new_user=Empty(), **others)


async def new_user(quick: Quick | Running) -> str:
    return (await quick.identity.CreateUser(CreateUserRequest())).user.raw_id


def roster(emulator: Emulator, room: str) -> dict[str, str]:
    return {each.raw_id: each.role for each in emulator.store.roster(room)}


def operations(emulator: Emulator) -> list[str | None]:
    return [entry.operation for entry in emulator.journal]


def check(emulator: Emulator, room: str, results: list[pb.AdmittedGuest]) -> None:
    """Assert that each token is that of its guest, and that the guest is on the roster."""
    for result in results:
        if result.HasField("access_token"):
            raw_id = result.participant.raw_id
            assert raw_id in roster(emulator, room)
            assert f"8:{parts(result.access_token.token)[1]['skypeid']}" == raw_id
        else:
            assert result.error.reason


@pytest.mark.proves("join-admit")
async def test_guests_of_every_kind(running: Running) -> None:
    """The results have the order and the labels of the request."""
    room = await create(running)
    known, typed = [await new_user(running) for _ in range(2)]
    sent = len(running.emulator.journal)
    request = pb.AdmitParticipantsRequest(
        room_id=room.id,
        guests=[
            guest(known, label="known", role=PRESENTER),
            pb.Guest(identifier=communication_user(typed), label="typed"),
            guest(label="new"),
        ],
    )
    response = await running.join.AdmitParticipants(request)
    results = list(response.results)
    assert [each.label for each in results] == ["known", "typed", "new"]
    assert [each.participant.role for each in results] == [PRESENTER, ATTENDEE, ATTENDEE]
    assert all(each.HasField("access_token") for each in results)
    assert response.room == room
    assert not response.tokens_expire_before_open
    assert len(roster(running.emulator, room.id)) == 3
    check(running.emulator, room.id, results)
    seen = operations(running.emulator)[sent:]
    assert sorted(seen[:2], key=str) == ["GetRoom", "ListParticipants"]
    assert seen[2:4] == ["CreateIdentity", "UpdateParticipants"]
    assert seen[4:] == ["IssueAccessToken"] * 3


async def test_unchanged_participants_are_not_sent(running: Running) -> None:
    """A role that is sent again would end the participant's presence in a call."""
    same, keeps, changes = [await new_user(running) for _ in range(3)]
    present = [
        participants_pb2.Participant(raw_id=raw_id, role=PRESENTER)
        for raw_id in (same, keeps, changes)
    ]
    room = await create(running, participants=present)
    guests = [guest(same, role=PRESENTER), guest(keeps), guest(changes, role=ATTENDEE)]
    request = pb.AdmitParticipantsRequest(room_id=room.id, guests=guests)
    response = await running.join.AdmitParticipants(request)
    assert [each.participant.role for each in response.results] == [PRESENTER, PRESENTER, ATTENDEE]
    [change] = [e for e in running.emulator.journal if e.operation == "UpdateParticipants"]
    assert json.loads(change.body) == {"participants": {changes: {"role": "Attendee"}}}
    again = await running.join.AdmitParticipants(request)
    check(running.emulator, room.id, list(again.results))
    assert operations(running.emulator).count("UpdateParticipants") == 1


async def test_tokens_last_until_the_room_closes(running: Running) -> None:
    """Within the bounds of the service, unless a lifetime is set."""
    emulator = running.emulator
    raw_id = await new_user(running)
    room = await create(running)
    cases = ((0.04, None, 60), (0.5, None, 720), (10, None, 1440), (10, 7200, 120))
    for days, seconds, minutes in cases:
        end = moment(emulator, days)
        await running.rooms.UpdateRoom(UpdateRoomRequest(room_id=room.id, valid_until=end))
        options = TokenOptions()
        if seconds is not None:
            options.lifetime.FromSeconds(seconds)
        request = pb.AdmitParticipantsRequest(
            room_id=room.id, guests=[guest(raw_id)], token_options=options
        )
        await running.join.AdmitParticipants(request)
        # A part of a minute is cut off.
        assert minutes - 5 <= running.sent()["expiresInMinutes"] <= minutes


async def test_tokens_that_expire_before_the_window(running: Running) -> None:
    room = await create(running, valid_from=moment(running.emulator, 3))
    request = pb.AdmitParticipantsRequest(room_id=room.id, guests=[guest()])
    assert (await running.join.AdmitParticipants(request)).tokens_expire_before_open


@pytest.mark.parametrize(
    ("guests", "field"),
    [
        ([], "guests"),
        ([pb.Guest()], "guests[0].user"),
        ([pb.Guest(raw_id="")], "guests[0].raw_id"),
        ([guest(user(1)), guest(user(1))], "guests[1].raw_id"),
        (
            [guest(user(1)), pb.Guest(identifier=communication_user(user(1)))],
            "guests[1].identifier",
        ),
        ([guest("4:+14255550123")], "guests[0].raw_id"),
        ([pb.Guest(identifier=phone_number("+14255550123"))], "guests[0].identifier"),
        ([guest(role=77)], "guests[0].role"),
        ([guest(label="x" * 257)], "guests[0].label"),
        ([guest()] * 351, "guests"),
    ],
)
async def test_invalid_guests(running: Running, guests: list[pb.Guest], field: str) -> None:
    request = pb.AdmitParticipantsRequest(room_id=UNKNOWN_ROOM, guests=guests)
    failed = await failure_of(running.join.AdmitParticipants(request))
    assert (failed.code, failed.reason) == INVALID
    assert field in failed.violations
    assert running.requests() == 0


async def test_unknown_room_creates_no_user(running: Running) -> None:
    request = pb.AdmitParticipantsRequest(room_id=UNKNOWN_ROOM, guests=[guest()])
    failed = await failure_of(running.join.AdmitParticipants(request))
    assert (failed.code, failed.reason) == NOT_FOUND
    assert len(running.emulator.identities) == 0


async def test_full_roster_creates_no_user(running: Running) -> None:
    [room] = running.emulator.store.seed(1, participants=349)
    request = pb.AdmitParticipantsRequest(room_id=room, guests=[guest(), guest()])
    failed = await failure_of(running.join.AdmitParticipants(request))
    assert (failed.code, failed.reason) == ROSTER_FULL
    assert len(running.emulator.identities) == 0
    one = pb.AdmitParticipantsRequest(room_id=room, guests=[guest()])
    assert (await running.join.AdmitParticipants(one)).results[0].HasField("access_token")


async def test_350_guests(running: Running) -> None:
    room = await create(running)
    guests = [guest(label=str(number)) for number in range(350)]
    request = pb.AdmitParticipantsRequest(room_id=room.id, guests=guests)
    response = await running.join.AdmitParticipants(request)
    assert [each.label for each in response.results] == [str(number) for number in range(350)]
    check(running.emulator, room.id, list(response.results))
    assert len({each.access_token.token for each in response.results}) == 350


async def test_user_of_another_resource_has_an_error(running: Running) -> None:
    """The others are admitted; the text of the error has no identifier."""
    room = await create(running)
    request = pb.AdmitParticipantsRequest(room_id=room.id, guests=[guest(user(1)), guest()])
    foreign, admitted = (await running.join.AdmitParticipants(request)).results
    assert foreign.error.reason == ErrorReason.ERROR_REASON_USER_OF_ANOTHER_RESOURCE
    assert foreign.error.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert user(1) not in foreign.error.message
    assert admitted.HasField("access_token")


@pytest.fixture
async def impatient(emulator: Emulator) -> AsyncIterator[Quick]:
    async with quick_gateway(upstream_of(emulator), max_attempts=1, max_pacing_wait=0) as quick:
        yield quick


FAULTS = {
    "rejected": Fault(status=403),
    "unavailable": Fault(status=503),
    "lost": Fault(drop="after"),
    "throttled": Fault(status=429),
    "foreign": Fault(status=404, body="<html>"),
}


@pytest.mark.proves("S84", "join-no-stray-token")
@pytest.mark.parametrize("operation", ["CreateIdentity", "UpdateParticipants", "IssueAccessToken"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_no_fault_leads_to_a_stray_token(
    emulator: Emulator, impatient: Quick, operation: str, fault: Fault
) -> None:
    """A failed guest has an error, and the same call with its raw id succeeds."""
    [room] = emulator.store.seed(1)
    known = await new_user(impatient)
    emulator.faults.add(structs.replace(fault, operation=operation))
    request = pb.AdmitParticipantsRequest(room_id=room, guests=[guest(known), guest()])
    results = list((await impatient.join.AdmitParticipants(request)).results)
    assert any(each.HasField("error") for each in results)
    check(emulator, room, results)
    for each in results:
        assert known not in each.error.message
        assert not each.participant.raw_id or each.participant.raw_id not in each.error.message
    emulator.faults.clear()
    again = [guest(each.participant.raw_id) for each in results]
    async with quick_gateway(upstream_of(emulator)) as patient:
        request = pb.AdmitParticipantsRequest(room_id=room, guests=again)
        repeated = list((await patient.join.AdmitParticipants(request)).results)
    assert all(each.HasField("access_token") for each in repeated)
    check(emulator, room, repeated)


@pytest.mark.proves("S34", "S81")
@pytest.mark.parametrize("operation", ["CreateIdentity", "UpdateParticipants", "IssueAccessToken"])
async def test_errors_of_guests_name_no_users(emulator: Emulator, operation: str) -> None:
    """They name the guest by the place in the request, whatever form the service uses."""
    async with quick_gateway(
        upstream_of(emulator), identity_api_version="2025-03-02-preview"
    ) as quick:
        [room] = emulator.store.seed(1)
        known = await new_user(quick)
        text = f"No {known}, no /identities/{quote(known, safe='')}, no alice@example.org."
        body = json.dumps({"error": {"code": "Forbidden", "message": text}})
        emulator.faults.add(Fault(operation=operation, status=403, body=body, count=2))
        request = pb.AdmitParticipantsRequest(
            room_id=room, guests=[guest(known), pb.Guest(custom_id="alice@example.org")]
        )
        results = (await quick.join.AdmitParticipants(request)).results
    messages = [each.error.message for each in results if each.HasField("error")]
    assert messages
    for message in messages:
        assert message.startswith("No guests[0], no /identities/guests[0], no ")
        assert operation != "CreateIdentity" or message.endswith("no guests[1].")


async def test_custom_ids_find_their_users(emulator: Emulator) -> None:
    async with quick_gateway(
        upstream_of(emulator), identity_api_version="2025-03-02-preview"
    ) as quick:
        [room] = emulator.store.seed(1)
        request = pb.AdmitParticipantsRequest(room_id=room, guests=[pb.Guest(custom_id="alice")])
        first, second = [(await quick.join.AdmitParticipants(request)).results[0] for _ in range(2)]
        assert first.participant == second.participant
        assert list(roster(emulator, room)) == [first.participant.raw_id]


async def test_dry_run_shows_the_change(running: Running) -> None:
    guests = [guest(user(1), role=PRESENTER), guest()]
    request = pb.AdmitParticipantsRequest(
        room_id=UNKNOWN_ROOM, guests=guests, dry_run=DryRun(show_identifiers=True)
    )
    shown = (await running.join.AdmitParticipants(request)).rest_request
    assert shown.target.startswith(f"/rooms/{UNKNOWN_ROOM}/participants?")
    assert json.loads(shown.body)["participants"] == {
        user(1): {"role": "Presenter"},
        "<new user 1>": {"role": "Attendee"},
    }
    request.dry_run.show_identifiers = False
    hidden = (await running.join.AdmitParticipants(request)).rest_request
    assert list(json.loads(hidden.body)["participants"]) == ["<redacted 1>", "<new user 1>"]
    assert running.requests() == 0


@pytest.mark.proves("join-create-room")
async def test_room_with_guests(running: Running) -> None:
    silent = participants_pb2.Participant(raw_id=user(7), role=PRESENTER)
    request = pb.CreateRoomWithGuestsRequest(
        participants=[silent], guests=[guest(label="a"), guest(label="b", role=PRESENTER)]
    )
    response = await running.join.CreateRoomWithGuests(request)
    assert [each.label for each in response.results] == ["a", "b"]
    check(running.emulator, response.room.id, list(response.results))
    assert list(roster(running.emulator, response.room.id).values()) == [
        "Presenter",
        "Attendee",
        "Presenter",
    ]


async def test_repeated_create_admits_to_the_same_room(running: Running) -> None:
    """Guests that were removed since are added again before they get a token."""
    raw_id = await new_user(running)
    request = pb.CreateRoomWithGuestsRequest(
        request_id="4c2d4a56-6f2b-4a57-8a43-0d7d1bb4a111", guests=[guest(raw_id)]
    )
    first = await running.join.CreateRoomWithGuests(request)
    await running.participants.RemoveParticipants(
        participants_pb2.RemoveParticipantsRequest(room_id=first.room.id, remove_raw_ids=[raw_id])
    )
    second = await running.join.CreateRoomWithGuests(request)
    assert second.room == first.room
    check(running.emulator, first.room.id, list(second.results))


async def test_room_stays_if_a_guest_fails(emulator: Emulator, impatient: Quick) -> None:
    emulator.faults.add(Fault(operation="UpdateParticipants", status=503))
    request = pb.CreateRoomWithGuestsRequest(guests=[guest()])
    response = await impatient.join.CreateRoomWithGuests(request)
    assert response.room.id
    assert response.results[0].error.reason == ErrorReason.ERROR_REASON_UPSTREAM_UNAVAILABLE
    assert response.results[0].error.HasField("retry_delay")
    assert response.results[0].participant.raw_id
    check(emulator, response.room.id, list(response.results))


async def test_too_many_guests_create_no_room(running: Running) -> None:
    participants = [participants_pb2.Participant(raw_id=user(number)) for number in range(350)]
    request = pb.CreateRoomWithGuestsRequest(participants=participants, guests=[guest()])
    failed = await failure_of(running.join.CreateRoomWithGuests(request))
    assert (failed.code, failed.reason) == ROSTER_FULL
    assert running.requests() == 0


async def test_throttled_tokens_have_a_retry_delay() -> None:
    async with (
        Emulator(quotas=["IssueAccessToken=2/10m,window"]) as emulator,
        gateway_for(emulator, max_pacing_wait=0) as running,
    ):
        room = await create(running)
        request = pb.AdmitParticipantsRequest(room_id=room.id, guests=[guest()] * 5)
        results = list((await running.join.AdmitParticipants(request)).results)
        failed = [each for each in results if each.HasField("error")]
        assert len(failed) == 3
        for each in failed:
            assert each.error.reason == ErrorReason.ERROR_REASON_THROTTLED
            assert each.error.retry_delay.ToSeconds() > 0
        check(emulator, room.id, results)
