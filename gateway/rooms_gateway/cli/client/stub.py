"""The RPCs of the gateway as methods with plain arguments that return the contract's responses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import grpc
from acs.identity.v1 import identity_service_pb2_grpc, users_pb2
from acs.rooms.v1 import (
    join_pb2,
    join_service_pb2_grpc,
    participants_pb2,
    participants_service_pb2_grpc,
    rooms_pb2,
    rooms_service_pb2_grpc,
)
from google.protobuf.message import Message

from rooms_gateway.cli.client import messages
from rooms_gateway.cli.client.inputs import (
    DryRun,
    Guest,
    Instant,
    Participant,
    RoomFilter,
    TokenOptions,
)

_BULK = (("rooms-priority", "bulk"),)


class Client:
    """Calls the gateway through `channel`; `timeout` is that of each call, in seconds; None: none.

    Every method raises grpc.RpcError if the call fails. An argument that is None leaves its field
    unset in the request.
    """

    def __init__(self, channel: grpc.Channel, timeout: float | None) -> None:
        self._rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        self._participants = participants_service_pb2_grpc.ParticipantsServiceStub(channel)
        self._identity = identity_service_pb2_grpc.IdentityServiceStub(channel)
        self._join = join_service_pb2_grpc.JoinServiceStub(channel)
        self._timeout = timeout

    def create_room(
        self,
        valid_from: Instant | None,
        valid_until: Instant | None,
        pstn_dial_out: bool | None,
        participants: Iterable[Participant],
        request_id: str,
        *,
        include_participants: bool,
        dry_run: DryRun | None,
    ) -> rooms_pb2.CreateRoomResponse:
        """Create a room; the gateway generates a `request_id` if it is empty."""
        request = rooms_pb2.CreateRoomRequest(
            valid_from=messages.timestamp(valid_from),
            valid_until=messages.timestamp(valid_until),
            pstn_dial_out_enabled=pstn_dial_out,
            participants=messages.roster(participants),
            request_id=request_id,
            include_participants=include_participants,
            dry_run=messages.dry_run(dry_run),
        )
        return self._rooms.CreateRoom(request, timeout=self._timeout)

    def get_room(self, room_id: str, *, include_participants: bool) -> rooms_pb2.GetRoomResponse:
        """Get a room."""
        request = rooms_pb2.GetRoomRequest(
            room_id=room_id, include_participants=include_participants
        )
        return self._rooms.GetRoom(request, timeout=self._timeout)

    def update_room(
        self,
        room_id: str,
        valid_from: Instant | None,
        valid_until: Instant | None,
        pstn_dial_out: bool | None,
        dry_run: DryRun | None,
    ) -> rooms_pb2.UpdateRoomResponse:
        """Update the fields of a room; an argument of None leaves its field."""
        request = rooms_pb2.UpdateRoomRequest(
            room_id=room_id,
            valid_from=messages.timestamp(valid_from),
            valid_until=messages.timestamp(valid_until),
            pstn_dial_out_enabled=pstn_dial_out,
            dry_run=messages.dry_run(dry_run),
        )
        return self._rooms.UpdateRoom(request, timeout=self._timeout)

    def delete_room(
        self, room_id: str, *, allow_missing: bool, dry_run: DryRun | None
    ) -> rooms_pb2.DeleteRoomResponse:
        """Delete a room, irreversibly."""
        request = rooms_pb2.DeleteRoomRequest(
            room_id=room_id, allow_missing=allow_missing, dry_run=messages.dry_run(dry_run)
        )
        return self._rooms.DeleteRoom(request, timeout=self._timeout)

    def list_rooms(
        self,
        page_token: str,
        max_pages: int,
        room_filter: RoomFilter,
        *,
        include_participants: bool,
    ) -> Iterable[rooms_pb2.ListRoomsResponse]:
        """Stream pages of rooms; 0 for `max_pages` streams all."""
        request = rooms_pb2.ListRoomsRequest(
            page_token=page_token,
            max_pages=max_pages,
            filter=messages.room_filter(room_filter),
            include_participants=include_participants,
        )
        return self._rooms.ListRooms(request, timeout=self._timeout)

    def export_page(
        self, page_token: str, room_filter: rooms_pb2.RoomFilter | None
    ) -> Iterable[rooms_pb2.ListRoomsResponse]:
        """Stream one page of rooms with their rosters, after requests of interactive calls."""
        request = rooms_pb2.ListRoomsRequest(
            page_token=page_token, max_pages=1, filter=room_filter, include_participants=True
        )
        return self._rooms.ListRooms(request, timeout=self._timeout, metadata=_BULK)

    def import_room(self, request: rooms_pb2.CreateRoomRequest) -> rooms_pb2.CreateRoomResponse:
        """Create a room, after requests of interactive calls."""
        return self._rooms.CreateRoom(request, timeout=self._timeout, metadata=_BULK)

    def bulk(self, rpc: str) -> Callable[[Iterator[Message]], Iterable[Any]]:
        """Return the callable of a bulk RPC, BulkCreateRooms or BulkDeleteRooms."""
        return partial(getattr(self._rooms, rpc), timeout=self._timeout)

    def upsert_participants(
        self, room_id: str, participants: Iterable[Participant], dry_run: DryRun | None
    ) -> participants_pb2.UpsertParticipantsResponse:
        """Add participants to a roster, or change their roles."""
        request = participants_pb2.UpsertParticipantsRequest(
            room_id=room_id,
            participants=messages.roster(participants),
            dry_run=messages.dry_run(dry_run),
        )
        return self._participants.UpsertParticipants(request, timeout=self._timeout)

    def remove_participants(
        self, room_id: str, raw_ids: Iterable[str], dry_run: DryRun | None
    ) -> participants_pb2.RemoveParticipantsResponse:
        """Remove participants from a roster."""
        request = participants_pb2.RemoveParticipantsRequest(
            room_id=room_id, remove_raw_ids=raw_ids, dry_run=messages.dry_run(dry_run)
        )
        return self._participants.RemoveParticipants(request, timeout=self._timeout)

    def update_participants(
        self,
        room_id: str,
        upsert: Iterable[Participant],
        remove: Iterable[str],
        dry_run: DryRun | None,
    ) -> participants_pb2.UpdateParticipantsResponse:
        """Add, change and remove participants in one atomic request."""
        request = participants_pb2.UpdateParticipantsRequest(
            room_id=room_id,
            participants=messages.roster(upsert),
            remove_raw_ids=remove,
            dry_run=messages.dry_run(dry_run),
        )
        return self._participants.UpdateParticipants(request, timeout=self._timeout)

    def sync_participants(
        self,
        room_id: str,
        participants: Iterable[Participant],
        expected_fingerprint: str,
        max_removals: int | None,
        dry_run: DryRun | None,
    ) -> participants_pb2.SyncParticipantsResponse:
        """Make a roster equal to `participants`."""
        request = participants_pb2.SyncParticipantsRequest(
            room_id=room_id,
            participants=messages.roster(participants),
            expected_fingerprint=expected_fingerprint,
            max_removals=max_removals,
            dry_run=messages.dry_run(dry_run),
        )
        return self._participants.SyncParticipants(request, timeout=self._timeout)

    def list_participants(
        self, room_id: str, page_token: str, max_pages: int
    ) -> Iterable[participants_pb2.ListParticipantsResponse]:
        """Stream pages of a roster; 0 for `max_pages` streams all."""
        request = participants_pb2.ListParticipantsRequest(
            room_id=room_id, page_token=page_token, max_pages=max_pages
        )
        return self._participants.ListParticipants(request, timeout=self._timeout)

    def create_user(
        self, custom_id: str, token: TokenOptions | None, dry_run: DryRun | None
    ) -> users_pb2.CreateUserResponse:
        """Create a user, with an access token unless `token` is None."""
        request = users_pb2.CreateUserRequest(
            custom_id=custom_id,
            token_options=messages.token_options(token),
            dry_run=messages.dry_run(dry_run),
        )
        return self._identity.CreateUser(request, timeout=self._timeout)

    def issue_token(
        self, raw_id: str, token: TokenOptions | None, dry_run: DryRun | None
    ) -> users_pb2.IssueTokenResponse:
        """Issue an access token for a user."""
        request = users_pb2.IssueTokenRequest(
            user=messages.user(raw_id),
            token_options=messages.token_options(token),
            dry_run=messages.dry_run(dry_run),
        )
        return self._identity.IssueToken(request, timeout=self._timeout)

    def revoke_tokens(self, raw_id: str, dry_run: DryRun | None) -> users_pb2.RevokeTokensResponse:
        """Revoke all access tokens of a user."""
        request = users_pb2.RevokeTokensRequest(
            user=messages.user(raw_id), dry_run=messages.dry_run(dry_run)
        )
        return self._identity.RevokeTokens(request, timeout=self._timeout)

    def delete_user(
        self, raw_id: str, *, allow_missing: bool, dry_run: DryRun | None
    ) -> users_pb2.DeleteUserResponse:
        """Delete a user, irreversibly."""
        request = users_pb2.DeleteUserRequest(
            user=messages.user(raw_id),
            allow_missing=allow_missing,
            dry_run=messages.dry_run(dry_run),
        )
        return self._identity.DeleteUser(request, timeout=self._timeout)

    def exchange_teams_token(
        self, teams_token: str, app_id: str, user_id: str, dry_run: DryRun | None
    ) -> users_pb2.ExchangeTeamsUserTokenResponse:
        """Exchange the Entra access token of a Teams user for an access token."""
        request = users_pb2.ExchangeTeamsUserTokenRequest(
            teams_token=teams_token,
            app_id=app_id,
            user_id=user_id,
            dry_run=messages.dry_run(dry_run),
        )
        return self._identity.ExchangeTeamsUserToken(request, timeout=self._timeout)

    def admit(
        self,
        room_id: str,
        guests: Iterable[Guest],
        token: TokenOptions | None,
        dry_run: DryRun | None,
    ) -> join_pb2.AdmitParticipantsResponse:
        """Add guests to a roster, and issue an access token for each."""
        request = join_pb2.AdmitParticipantsRequest(
            room_id=room_id,
            guests=map(messages.guest, guests),
            token_options=messages.token_options(token),
            dry_run=messages.dry_run(dry_run),
        )
        return self._join.AdmitParticipants(request, timeout=self._timeout)

    def create_room_with_guests(
        self,
        valid_from: Instant | None,
        valid_until: Instant | None,
        pstn_dial_out: bool | None,
        participants: Iterable[Participant],
        request_id: str,
        *,
        guests: Iterable[Guest],
        token: TokenOptions | None,
        dry_run: DryRun | None,
    ) -> join_pb2.CreateRoomWithGuestsResponse:
        """Create a room, and issue an access token for each guest."""
        request = join_pb2.CreateRoomWithGuestsRequest(
            valid_from=messages.timestamp(valid_from),
            valid_until=messages.timestamp(valid_until),
            pstn_dial_out_enabled=pstn_dial_out,
            participants=messages.roster(participants),
            request_id=request_id,
            guests=map(messages.guest, guests),
            token_options=messages.token_options(token),
            dry_run=messages.dry_run(dry_run),
        )
        return self._join.CreateRoomWithGuests(request, timeout=self._timeout)

    def explain_join(
        self, room_id: str, raw_id: str, time: Instant | None, access_token: str
    ) -> join_pb2.ExplainJoinResponse:
        """Find the obstacles to a join; None for `time` is now."""
        request = join_pb2.ExplainJoinRequest(
            room_id=room_id,
            raw_id=raw_id,
            time=messages.timestamp(time),
            token=access_token,
        )
        return self._join.ExplainJoin(request, timeout=self._timeout)
