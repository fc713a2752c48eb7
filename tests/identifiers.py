"""Typed identifiers for tests: one function for each kind. A cloud is its name, or empty."""

from __future__ import annotations

from acs.rooms.v1 import participants_pb2 as pb


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
