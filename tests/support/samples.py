"""Samples for requests: identifiers, participants, and the outcomes of failing calls."""

from __future__ import annotations

from acs.rooms.v1 import participants_pb2 as pb
from grpc import StatusCode


def communication_user(raw_id: str) -> pb.CommunicationIdentifier:
    return pb.CommunicationIdentifier(communication_user=pb.CommunicationUser(id=raw_id))


def phone_number(value: str) -> pb.CommunicationIdentifier:
    return pb.CommunicationIdentifier(phone_number=pb.PhoneNumber(value=value))


def teams_user(
    user_id: str, cloud: str = "", *, is_anonymous: bool = False
) -> pb.CommunicationIdentifier:
    return pb.CommunicationIdentifier(
        microsoft_teams_user=pb.MicrosoftTeamsUser(
            user_id=user_id, is_anonymous=is_anonymous, cloud=_cloud(cloud)
        )
    )


def teams_app(app_id: str, cloud: str = "") -> pb.CommunicationIdentifier:
    return pb.CommunicationIdentifier(
        microsoft_teams_app=pb.MicrosoftTeamsApp(app_id=app_id, cloud=_cloud(cloud))
    )


def unknown(raw_id: str) -> pb.CommunicationIdentifier:
    return pb.CommunicationIdentifier(unknown=pb.UnknownIdentifier(id=raw_id))


def _cloud(name: str) -> pb.Cloud.ValueType:
    return pb.Cloud.Value(f"CLOUD_{name.upper()}") if name else pb.CLOUD_UNSPECIFIED


def user(number: int) -> str:
    """Make the raw id of a communication user, one for each number."""
    resource = "b60f5cc1-83a7-485a-a45c-7288de014884"
    return f"8:acs:{resource}_{number:08x}-7637-da8c-08d5-363a0d005464"


A, B, C, D = map(user, range(4))

ALICE = pb.Participant(raw_id=A, role=pb.ROLE_PRESENTER)

BOB = pb.Participant(identifier=communication_user(B), role=pb.ROLE_CONSUMER)

CAROL = pb.Participant(raw_id=C, identifier=communication_user(C))

DAVE = pb.Participant(identifier=unknown(D))

INVALID = (StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")

"""Refused before anything was sent."""

REJECTED = (StatusCode.INVALID_ARGUMENT, "SERVICE_REJECTED_REQUEST")

TOKEN_INVALID = (StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")

NOT_FOUND = (StatusCode.NOT_FOUND, "ROOM_NOT_FOUND")

THROTTLED = (StatusCode.RESOURCE_EXHAUSTED, "THROTTLED")

OVERLOADED = (StatusCode.RESOURCE_EXHAUSTED, "GATEWAY_OVERLOADED")

UNAVAILABLE = (StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")

UNREADABLE = (StatusCode.INTERNAL, "SERVICE_ANSWER_UNREADABLE")
