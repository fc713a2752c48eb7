"""Gateway and emulator against a model of both services, for any order of calls.

Every step is a call through a real channel, some with an injected fault that retries must hide.
The state of the emulator must equal the state of the model.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import grpc
import hypothesis.strategies as st
from acs.rooms.v1 import participants_pb2 as participants_pb
from acs.rooms.v1 import rooms_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, consumes, initialize, invariant, precondition, rule
from support.gateways import UNKNOWN_ROOM, by_raw_id, collect, failure_of
from support.samples import user
from support.user_model import FAULT, UserMachine

from rooms_emulator.faults.model import Fault
from rooms_emulator.timestamps import TICKS_PER_DAY, TICKS_PER_SECOND

Role: TypeAlias = participants_pb.ParticipantRole.ValueType
DAY = 86400

ROLES = {
    participants_pb.PARTICIPANT_ROLE_UNSPECIFIED: participants_pb.PARTICIPANT_ROLE_ATTENDEE,
    participants_pb.PARTICIPANT_ROLE_PRESENTER: participants_pb.PARTICIPANT_ROLE_PRESENTER,
    participants_pb.PARTICIPANT_ROLE_ATTENDEE: participants_pb.PARTICIPANT_ROLE_ATTENDEE,
    participants_pb.PARTICIPANT_ROLE_CONSUMER: participants_pb.PARTICIPANT_ROLE_CONSUMER,
    participants_pb.PARTICIPANT_ROLE_COLLABORATOR: participants_pb.PARTICIPANT_ROLE_COLLABORATOR,
}
"""Role in a request, and the role that the Rooms service stores."""

ROLES_BY_RAW_ID = st.dictionaries(
    st.integers(0, 6).map(user), st.sampled_from(list(ROLES)), max_size=5
)
SOME_ROLES_BY_RAW_ID = st.dictionaries(
    st.integers(0, 6).map(user), st.sampled_from(list(ROLES)), min_size=1, max_size=5
)
GONE = st.sets(st.integers(0, 6).map(user), min_size=1, max_size=4)


@dataclass(slots=True)
class ModelRoom:
    """Expected state of a room."""

    room: pb.Room
    roster: dict[str, Role] = field(default_factory=dict)
    """Raw id to role, in roster order."""

    def change(self, upsert: dict[str, Role], remove: set[str]) -> None:
        for raw_id in remove:
            self.roster.pop(raw_id, None)
        for raw_id, role in upsert.items():
            self.roster[raw_id] = ROLES[role]


def participants(of: dict[str, Role]) -> list[participants_pb.Participant]:
    return [participants_pb.Participant(raw_id=raw_id, role=role) for raw_id, role in of.items()]


class Service(UserMachine):
    """Calls in any order, on a few rooms, participants and users."""

    rooms = Bundle("rooms")
    deleted = Bundle("deleted")

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, ModelRoom] = {}
        """Rooms by id, oldest first."""

    @initialize()
    def seed_deleted_rooms(self) -> None:
        self.emulator.store.seed(40, deleted=True)

    @rule(
        target=rooms,
        roles=ROLES_BY_RAW_ID,
        dial_out=st.none() | st.booleans(),
        again=st.booleans(),
        fault=FAULT,
    )
    def create(
        self, *, roles: dict[str, Role], dial_out: bool | None, again: bool, fault: Fault | None
    ) -> str:
        self.inject(fault)
        request = pb.CreateRoomRequest(
            participants=participants(roles),
            pstn_dial_out_enabled=dial_out,
            request_id=str(uuid.uuid4()) if again else "",
        )
        room = self.run(self.gateway.rooms.CreateRoom(request)).room
        assert room.id not in self.model
        assert room.pstn_dial_out_enabled is bool(dial_out)
        assert room.valid_until.seconds - room.valid_from.seconds == 180 * DAY
        self.model[room.id] = ModelRoom(room)
        self.model[room.id].change(roles, set())
        if again:
            repeated = self.run(self.gateway.rooms.CreateRoom(request))
            assert repeated.replayed
            assert repeated.room == room
        return room.id

    @rule(room=rooms, fault=FAULT)
    def get(self, *, room: str, fault: Fault | None) -> None:
        self.inject(fault)
        found = self.run(self.gateway.rooms.GetRoom(pb.GetRoomRequest(room_id=room)))
        assert found.room == self.model[room].room

    @rule(room=rooms, fault=FAULT)
    def get_with_roster(self, *, room: str, fault: Fault | None) -> None:
        self.inject(fault)
        request = pb.GetRoomRequest(room_id=room, include_participants=True)
        found = self.run(self.gateway.rooms.GetRoom(request))
        assert found.room == self.model[room].room
        assert {one.raw_id: one.role for one in found.participants} == self.model[room].roster

    @rule(
        room=rooms,
        dial_out=st.none() | st.booleans(),
        start=st.none() | st.integers(-400, 100),
        days=st.none() | st.integers(101, 179),
        fault=FAULT,
    )
    def update(
        self,
        *,
        room: str,
        dial_out: bool | None,
        start: int | None,
        days: int | None,
        fault: Fault | None,
    ) -> None:
        self.inject(fault)
        known = self.model[room].room
        now = self.emulator.clock.now() // TICKS_PER_SECOND
        request = pb.UpdateRoomRequest(room_id=room, pstn_dial_out_enabled=dial_out)
        if start is not None:
            request.valid_from.FromSeconds(now + start)
        if days is not None:
            request.valid_until.FromSeconds(now + days * DAY)
        if dial_out is None and start is None and days is None:
            failed = self.run(failure_of(self.gateway.rooms.UpdateRoom(request)))
            assert (failed.code, failed.reason) == (
                grpc.StatusCode.INVALID_ARGUMENT,
                "ERROR_REASON_REQUEST_INVALID",
            )
            return
        expected = pb.Room()
        expected.CopyFrom(known)
        if dial_out is not None:
            expected.pstn_dial_out_enabled = dial_out
        if start is not None:
            expected.valid_from.CopyFrom(request.valid_from)
        if days is not None:
            expected.valid_until.CopyFrom(request.valid_until)
        if start is not None or days is not None:
            length = _ticks(expected.valid_until) - _ticks(expected.valid_from)
            if length > 180 * TICKS_PER_DAY:
                failed = self.run(failure_of(self.gateway.rooms.UpdateRoom(request)))
                assert failed.reason == "ERROR_REASON_UPSTREAM_REJECTED_REQUEST"
                return
        changed = self.run(self.gateway.rooms.UpdateRoom(request)).room
        assert changed == expected
        self.model[room].room = changed

    @rule(target=deleted, room=consumes(rooms), fault=FAULT)
    def delete(self, *, room: str, fault: Fault | None) -> str:
        self.inject(fault)
        # Succeeds also if the first response is lost and the retry gets 404.
        self.run(self.gateway.rooms.DeleteRoom(pb.DeleteRoomRequest(room_id=room)))
        del self.model[room]
        return room

    @rule(room=rooms, roles=SOME_ROLES_BY_RAW_ID, fault=FAULT)
    def upsert(self, *, room: str, roles: dict[str, Role], fault: Fault | None) -> None:
        self.inject(fault)
        request = participants_pb.UpsertParticipantsRequest(
            room_id=room, participants=participants(roles)
        )
        self.run(self.gateway.participants.UpsertParticipants(request))
        self.model[room].change(roles, set())

    @rule(
        room=rooms,
        raw_id=UserMachine.users | UserMachine.deleted_users,
        role=st.sampled_from(list(ROLES)),
        fault=FAULT,
    )
    def invite(self, *, room: str, raw_id: str, role: Role, fault: Fault | None) -> None:
        """Rosters accept deleted users too, and keep those that are deleted later."""
        self.upsert(room=room, roles={raw_id: role}, fault=fault)

    @rule(room=rooms, gone=GONE, fault=FAULT)
    def remove(self, *, room: str, gone: set[str], fault: Fault | None) -> None:
        self.inject(fault)
        request = participants_pb.RemoveParticipantsRequest(
            room_id=room, remove_raw_ids=sorted(gone)
        )
        self.run(self.gateway.participants.RemoveParticipants(request))
        self.model[room].change({}, gone)

    @rule(room=rooms, roles=ROLES_BY_RAW_ID, gone=GONE, fault=FAULT)
    def change_roster(
        self, *, room: str, roles: dict[str, Role], gone: set[str], fault: Fault | None
    ) -> None:
        self.inject(fault)
        request = participants_pb.UpdateParticipantsRequest(
            room_id=room, participants=participants(roles), remove_raw_ids=sorted(gone)
        )
        call = self.gateway.participants.UpdateParticipants(request)
        if gone & roles.keys():
            assert self.run(failure_of(call)).reason == "ERROR_REASON_REQUEST_INVALID"
            return
        self.run(call)
        self.model[room].change(roles, gone)

    @rule(room=rooms, pages=st.integers(1, 3), fault=FAULT)
    def read_roster(self, *, room: str, pages: int, fault: Fault | None) -> None:
        """Pages resumed by their tokens are the whole roster, in its order."""
        self.inject(fault)
        read: list[participants_pb.Participant] = []
        token = ""
        while True:
            request = participants_pb.ListParticipantsRequest(
                room_id=room, page_token=token, max_pages=pages
            )
            read_pages = self.run(collect(self.gateway.participants.ListParticipants(request)))
            assert len(read_pages) <= pages
            read += by_raw_id(read_pages)
            token = read_pages[-1].next_page_token if read_pages else ""
            if not token:
                break
        assert [(one.raw_id, one.role) for one in read] == list(self.model[room].roster.items())

    @precondition(lambda self: self.model)
    @rule(pages=st.integers(0, 2), fault=FAULT)
    def list_rooms(self, *, pages: int, fault: Fault | None) -> None:
        self.inject(fault)
        read: list[pb.Room] = []
        token = ""
        while True:
            request = pb.ListRoomsRequest(page_token=token, max_pages=pages)
            read_pages = self.run(collect(self.gateway.rooms.ListRooms(request)))
            read += [room for page in read_pages for room in page.rooms]
            token = read_pages[-1].next_page_token if read_pages else ""
            if not token:
                break
        assert read == [known.room for known in reversed(self.model.values())]

    @rule(room=deleted | st.just(UNKNOWN_ROOM), kind=st.sampled_from(["get", "delete", "roster"]))
    def call_on_a_deleted_room(self, *, room: str, kind: str) -> None:
        # After a lost response, a 404 for the retry of a delete would be a success.
        self.inject(None)
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "get": lambda: self.gateway.rooms.GetRoom(pb.GetRoomRequest(room_id=room)),
            "delete": lambda: self.gateway.rooms.DeleteRoom(pb.DeleteRoomRequest(room_id=room)),
            "roster": lambda: collect(
                self.gateway.participants.ListParticipants(
                    participants_pb.ListParticipantsRequest(room_id=room)
                )
            ),
        }
        failed = self.run(failure_of(calls[kind]))
        assert (failed.code, failed.reason) == (
            grpc.StatusCode.NOT_FOUND,
            "ERROR_REASON_ROOM_NOT_FOUND",
        )

    @invariant()
    def the_store_equals_the_model(self) -> None:
        assert len(self.emulator.store) == len(self.model)
        for room_id, known in self.model.items():
            assert [one.raw_id for one in self.emulator.store.roster(room_id)] == [*known.roster]


def _ticks(instant: Timestamp) -> int:
    return instant.seconds * TICKS_PER_SECOND + instant.nanos // 100


TestService = Service.TestCase
TestService.settings = settings(
    max_examples=50,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
