"""The arguments of the commands as messages of the contract; None leaves a field unset."""

from __future__ import annotations

from collections.abc import Iterable

from acs.identity.v1 import users_pb2
from acs.rooms.debug.v1 import dry_run_pb2
from acs.rooms.v1 import access_tokens_pb2, join_pb2, participants_pb2, rooms_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from rooms_gateway.cli.client.inputs import (
    DryRun,
    Guest,
    Instant,
    Participant,
    RoomFilter,
    TokenOptions,
)


def timestamp(instant: Instant | None) -> Timestamp | None:
    """Return a time."""
    return instant and Timestamp(seconds=instant.seconds, nanos=instant.nanos)


def room_filter(given: RoomFilter) -> rooms_pb2.RoomFilter | None:
    """Return the filter of a list; None without conditions."""
    if given == RoomFilter():
        return None
    return rooms_pb2.RoomFilter(
        valid_at=timestamp(given.valid_at),
        created_after=timestamp(given.created_after),
        created_before=timestamp(given.created_before),
        valid_until_before=timestamp(given.valid_until_before),
        pstn_dial_out_enabled=given.pstn_dial_out,
    )


def roster(participants: Iterable[Participant]) -> list[participants_pb2.Participant]:
    """Return participants."""
    return [
        participants_pb2.Participant(raw_id=raw_id, role=_role(role))
        for raw_id, role in participants
    ]


def guest(given: Guest) -> join_pb2.Guest:
    """Return a guest."""
    message = join_pb2.Guest(role=_role(given.role), label=given.label)
    if given.kind == "new_user":
        message.new_user.SetInParent()
    else:
        setattr(message, given.kind, given.id)
    return message


def user(raw_id: str) -> users_pb2.User:
    """Return the reference to a user."""
    return users_pb2.User(raw_id=raw_id)


def token_options(options: TokenOptions | None) -> access_tokens_pb2.TokenOptions | None:
    """Return the scopes and the lifetime of an access token."""
    if options is None:
        return None
    lifetime = None if options.lifetime is None else Duration(seconds=options.lifetime)
    return access_tokens_pb2.TokenOptions(
        scopes=[
            access_tokens_pb2.TokenScope.Value(f"TOKEN_SCOPE_{scope.upper().replace('.', '_')}")
            for scope in options.scopes
        ],
        lifetime=lifetime,
    )


def dry_run(requested: DryRun | None) -> dry_run_pb2.DryRun | None:
    """Return the request for a dry run."""
    return requested and dry_run_pb2.DryRun(show_identifiers=requested.show_identifiers)


def _role(name: str | None) -> participants_pb2.ParticipantRole.ValueType:
    return participants_pb2.ParticipantRole.Value(
        f"PARTICIPANT_ROLE_{(name or 'unspecified').upper()}"
    )
