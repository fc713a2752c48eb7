"""Walk through azure-communication-rooms 1.0.0b2 as it is; print one JSON line for each step.

Usage: walk.py ENDPOINT ACCESS_KEY, in an environment of requirements.lock.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from azure.communication.rooms import RoleType, RoomJoinPolicy, RoomParticipant, RoomsClient
from azure.communication.rooms._shared.models import CommunicationUserIdentifier
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RESOURCE = "b60f5cc1-83a7-485a-a45c-7288de014884"
ADA, BOB, CARLA = (
    CommunicationUserIdentifier(f"8:acs:{RESOURCE}_00000026-7637-da8c-08d5-363a0d00000{number}")
    for number in range(1, 4)
)
TOMORROW = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
NEXT_WEEK = TOMORROW + timedelta(days=6)


def participant(user: Any, role: str | None = None) -> Any:
    return RoomParticipant(communication_identifier=user, role=role)


def roster(participants: Iterable[Any]) -> list[list[str]]:
    return [[each.communication_identifier.properties["id"], each.role] for each in participants]


def seen(room: Any) -> dict[str, Any]:
    return {
        "id": room.id,
        "created": room.created_on.isoformat(),
        "from": room.valid_from.isoformat(),
        "until": room.valid_until.isoformat(),
        "policy": room.room_join_policy,
        "roster": roster(room.participants),
    }


def step(name: str, result: Any) -> None:
    sys.stdout.write(json.dumps({"step": name, "result": result}) + "\n")


def refused(name: str, call: Callable[[], Any]) -> None:
    """Print how a call is refused, as the client tells it."""
    try:
        call()
    except HttpResponseError as error:
        step(name, {"status": error.status_code, "kind": type(error).__name__})
    else:
        step(name, "was not refused")


def main(endpoint: str, access_key: str) -> None:
    client = RoomsClient(endpoint, AzureKeyCredential(access_key))
    room = client.create_room(
        valid_from=TOMORROW,
        valid_until=NEXT_WEEK,
        room_join_policy=RoomJoinPolicy.COMMUNICATION_SERVICE_USERS,
        participants=[participant(ADA, RoleType.PRESENTER), participant(BOB)],
    )
    step("created", seen(room))
    room_id = room.id
    step("read", seen(client.get_room(room_id)))
    step(
        "updated",
        seen(
            client.update_room(
                room_id=room_id,
                valid_from=TOMORROW + timedelta(days=1),
                valid_until=NEXT_WEEK,
                room_join_policy=RoomJoinPolicy.INVITE_ONLY,
                participants=[participant(BOB, RoleType.CONSUMER)],
            )
        ),
    )
    client.add_participants(room_id=room_id, participants=[participant(ADA, RoleType.PRESENTER)])
    step("added", roster(client.get_participants(room_id).participants))
    refused(
        "added again",
        lambda: client.add_participants(room_id=room_id, participants=[participant(ADA)]),
    )
    client.update_participants(room_id=room_id, participants=[participant(ADA, RoleType.ATTENDEE)])
    step("changed", roster(client.get_participants(room_id).participants))
    refused(
        "changed a stranger",
        lambda: client.update_participants(room_id=room_id, participants=[participant(CARLA)]),
    )
    client.remove_participants(room_id=room_id, communication_identifiers=[BOB, CARLA])
    step("removed", roster(client.get_participants(room_id).participants))
    started = client.create_room()
    refused(
        "policy after the start",
        lambda: client.update_room(
            room_id=started.id, room_join_policy=RoomJoinPolicy.COMMUNICATION_SERVICE_USERS
        ),
    )
    client.delete_room(room_id)
    refused("read after delete", lambda: client.get_room(room_id))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
