"""Samples for requests: identifiers, participants, and the outcomes of failing calls."""

from __future__ import annotations

from acs.rooms.v1 import identifiers_pb2
from acs.rooms.v1 import participants_pb2 as pb
from grpc import StatusCode


def communication_user(raw_id: str) -> identifiers_pb2.CommunicationIdentifier:
    return identifiers_pb2.CommunicationIdentifier(
        communication_user=identifiers_pb2.CommunicationUser(id=raw_id)
    )


def phone_number(value: str) -> identifiers_pb2.CommunicationIdentifier:
    return identifiers_pb2.CommunicationIdentifier(
        phone_number=identifiers_pb2.PhoneNumber(value=value)
    )


def teams_user(
    user_id: str, cloud: str = "", *, is_anonymous: bool = False
) -> identifiers_pb2.CommunicationIdentifier:
    return identifiers_pb2.CommunicationIdentifier(
        microsoft_teams_user=identifiers_pb2.MicrosoftTeamsUser(
            user_id=user_id, is_anonymous=is_anonymous, cloud=_cloud(cloud)
        )
    )


def teams_app(app_id: str, cloud: str = "") -> identifiers_pb2.CommunicationIdentifier:
    return identifiers_pb2.CommunicationIdentifier(
        microsoft_teams_app=identifiers_pb2.MicrosoftTeamsApp(app_id=app_id, cloud=_cloud(cloud))
    )


def unknown(raw_id: str) -> identifiers_pb2.CommunicationIdentifier:
    return identifiers_pb2.CommunicationIdentifier(
        unknown=identifiers_pb2.UnknownIdentifier(id=raw_id)
    )


def _cloud(name: str) -> identifiers_pb2.CommunicationCloud.ValueType:
    return (
        identifiers_pb2.CommunicationCloud.Value(f"COMMUNICATION_CLOUD_{name.upper()}")
        if name
        else identifiers_pb2.COMMUNICATION_CLOUD_UNSPECIFIED
    )


def user(number: int) -> str:
    """Make the raw id of a communication user, one for each number."""
    resource = "b60f5cc1-83a7-485a-a45c-7288de014884"
    return f"8:acs:{resource}_{number:08x}-7637-da8c-08d5-363a0d005464"


A, B, C, D = map(user, range(4))

ALICE = pb.Participant(raw_id=A, role=pb.PARTICIPANT_ROLE_PRESENTER)

BOB = pb.Participant(identifier=communication_user(B), role=pb.PARTICIPANT_ROLE_CONSUMER)

CAROL = pb.Participant(raw_id=C, identifier=communication_user(C))

DAVE = pb.Participant(identifier=unknown(D))

INVALID = (StatusCode.INVALID_ARGUMENT, "ERROR_REASON_REQUEST_INVALID")

"""Refused before anything was sent."""

REJECTED = (StatusCode.INVALID_ARGUMENT, "ERROR_REASON_UPSTREAM_REJECTED_REQUEST")

TOKEN_INVALID = (StatusCode.INVALID_ARGUMENT, "ERROR_REASON_PAGE_TOKEN_INVALID")

NOT_FOUND = (StatusCode.NOT_FOUND, "ERROR_REASON_ROOM_NOT_FOUND")

THROTTLED = (StatusCode.RESOURCE_EXHAUSTED, "ERROR_REASON_THROTTLED")

OVERLOADED = (StatusCode.RESOURCE_EXHAUSTED, "ERROR_REASON_GATEWAY_OVERLOADED")

UNAVAILABLE = (StatusCode.UNAVAILABLE, "ERROR_REASON_UPSTREAM_UNAVAILABLE")

UNREADABLE = (StatusCode.INTERNAL, "ERROR_REASON_UPSTREAM_RESPONSE_INVALID")
