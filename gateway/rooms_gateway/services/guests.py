"""Admission of guests to a room: users, one change of the roster, then access tokens.

The order is what makes an access token true: it is issued only after the Rooms service has
confirmed that its user is on the roster.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from acs.rooms.v1 import join_pb2 as pb
from acs.rooms.v1 import rooms_pb2
from acs.rooms.v1.access_tokens_pb2 import TokenOptions

from rooms_gateway.aio import map_concurrently
from rooms_gateway.call import Call
from rooms_gateway.errors import GatewayError, RosterFullError
from rooms_gateway.services.convert.error_targets import FieldLocator, ItemErrors
from rooms_gateway.services.convert.guests import Guest
from rooms_gateway.services.convert.participants import DEFAULT_ROLE, participant_from_rest
from rooms_gateway.services.convert.users import fill_token, token_to_rest
from rooms_gateway.upstream.identity_api import IdentityApi, Token, TokenRequest
from rooms_gateway.upstream.models import Participant, ParticipantProperties, Roster
from rooms_gateway.upstream.rooms_api import RoomsApi

MAX_PARTICIPANTS = 350
"""Participants of a room, by the service limits of Communication Services."""

CONCURRENT_REQUESTS = 16
"""Requests of one call at once. More would only wait for each other in the quota."""

MIN_MINUTES, MAX_MINUTES = 60, 1440
"""Lifetime of an access token, in minutes."""


@dataclass(slots=True)
class _Admission:
    """A guest on the way to the access token."""

    guest: Guest
    raw_id: str = ""
    role: str = ""
    token: Token | None = None
    error: GatewayError | None = None


class GuestAdmission:
    """Admits guests. The methods raise the errors of the APIs only before anything is changed."""

    def __init__(
        self,
        rooms: RoomsApi,
        identity: IdentityApi,
        to_item_error: ItemErrors,
        default_role: str = DEFAULT_ROLE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` returns seconds since the epoch."""
        self.default_role = default_role
        """The role of guests that have none and are not on the roster."""
        self._rooms = rooms
        self._identity = identity
        self._to_item_error = to_item_error
        self._clock = clock

    def check(self, guests: Sequence[Guest], roster: Mapping[str, str]) -> None:
        """Raise an error if it is known beforehand that the guests cannot be admitted.

        `roster` has the roles by raw id. Raises RosterFullError, and UnsupportedApiVersionError if
        guests have custom ids.
        """
        if any(guest.custom_id is not None for guest in guests):
            self._identity.check_custom_ids()
        named = {guest.raw_id for guest in guests if guest.raw_id is not None}
        created = sum(guest.is_new for guest in guests)
        _check_size(len(roster.keys() | named) + created)

    async def admit(
        self,
        room: rooms_pb2.Room,
        roster: Mapping[str, str],
        guests: Sequence[Guest],
        token: TokenOptions,
        call: Call,
    ) -> list[pb.AdmittedGuest]:
        """Admit guests to `room`, which has `roster`: roles by raw id. Return their results."""
        # Each request may be sent again: users are created without tokens, and cost nothing.
        call.idempotent = True
        admissions = [_Admission(guest) for guest in guests]

        async def find_user(admission: _Admission) -> None:
            admission.raw_id = await self._find_user(admission.guest, call)

        async def issue_token(admission: _Admission) -> None:
            admission.token = await self._identity.issue_token(admission.raw_id, options, call)

        await _for_each(find_user, admissions)
        await self._change_roster(room.id, roster, admissions, call)
        options = self._token_request(token, room)
        await _for_each(issue_token, admissions)
        return self._results(room.id, admissions)

    async def _find_user(self, guest: Guest, call: Call) -> str:
        if guest.raw_id is not None:
            return guest.raw_id
        return (await self._identity.create_user(None, guest.custom_id, call)).raw_id

    async def _change_roster(
        self, room_id: str, roster: Mapping[str, str], admissions: Sequence[_Admission], call: Call
    ) -> None:
        """Add guests in one request, without those that are on the roster with the same role."""
        changes: Roster = {}
        for each in admissions:
            if each.error is not None:
                continue
            present = roster.get(each.raw_id)
            each.role = each.guest.role or present or self.default_role
            if each.role != present:
                changes[each.raw_id] = ParticipantProperties(each.role)
        if not changes:
            return
        try:
            _check_size(len(roster.keys() | changes.keys()))
            await self._rooms.update_participants(room_id, changes, call)
        except GatewayError as error:
            for each in admissions:
                if each.raw_id in changes:
                    each.error = error

    def _token_request(self, options: TokenOptions, room: rooms_pb2.Room) -> TokenRequest:
        minutes = MAX_MINUTES
        if room.HasField("valid_until"):
            left = int(room.valid_until.seconds - self._clock()) // 60
            minutes = max(MIN_MINUTES, min(left, MAX_MINUTES))
        return token_to_rest(options, minutes)

    def _results(self, room_id: str, admissions: Sequence[_Admission]) -> list[pb.AdmittedGuest]:
        # With the users that were created, so that no identifier is left in the text of an error.
        request = pb.AdmitParticipantsRequest(
            room_id=room_id,
            guests=[
                pb.Guest(raw_id=each.raw_id)
                if each.raw_id
                else pb.Guest(custom_id=each.guest.custom_id or "")
                for each in admissions
            ],
        )
        locator = FieldLocator(request)
        results = []
        for each in admissions:
            result = pb.AdmittedGuest(label=each.guest.label)
            if each.raw_id:
                participant = participant_from_rest(Participant(each.raw_id, each.role))
                result.participant.CopyFrom(participant)
            if each.error is not None:
                result.error.CopyFrom(self._to_item_error(each.error, locator))
            elif each.token is not None:
                fill_token(result.access_token, each.token)
            results.append(result)
        return results


async def _for_each(
    step: Callable[[_Admission], Awaitable[None]], admissions: Sequence[_Admission]
) -> None:
    """Take a step for each guest without an error, and record its error."""

    async def take(admission: _Admission) -> None:
        try:
            await step(admission)
        except GatewayError as error:
            admission.error = error

    pending = [each for each in admissions if each.error is None]
    await map_concurrently(take, pending, CONCURRENT_REQUESTS)


def _check_size(size: int) -> None:
    if size > MAX_PARTICIPANTS:
        raise RosterFullError(
            f"the room would have {size} participants, and can have {MAX_PARTICIPANTS}: remove some"
        )
