"""JSON models of responses; members are in the order of the wire."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from rooms_emulator import timestamps
from rooms_emulator.identity.store import User
from rooms_emulator.identity.versions import IdentityVersion
from rooms_emulator.timestamps import TICKS_PER_SECOND


class AccessToken(msgspec.Struct, frozen=True, rename="camel"):
    """CommunicationIdentityAccessToken of the REST API."""

    token: str
    expires_on: str


class Identity(msgspec.Struct, frozen=True, rename="camel"):
    """CommunicationIdentity of the REST API."""

    custom_id: str | UnsetType
    last_token_issued_at: str | UnsetType
    id: str


class Created(msgspec.Struct, frozen=True, rename="camel"):
    """CommunicationIdentityAccessTokenResult of the REST API."""

    identity: Identity
    access_token: AccessToken | UnsetType = UNSET


def of_user(user: User, version: IdentityVersion) -> Identity:
    """Return the model of a user with the members of `version`."""
    if not version.has_custom_ids:
        return Identity(UNSET, UNSET, user.id)
    issued = user.last_token_issued_at
    return Identity(
        UNSET if user.custom_id is None else user.custom_id,
        UNSET if issued is None else timestamps.render(issued - issued % TICKS_PER_SECOND),
        user.id,
    )
