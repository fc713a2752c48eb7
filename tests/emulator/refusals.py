"""Recorded errors of the service: pairs of a message and a target."""

from __future__ import annotations

from people import user

MALFORMED = "The request could not be understood by the server due to malformed syntax."
PAST_END = ("The time range end is in the past.", "ValidUntil")
BAD_RANGE = ("The time range is incorrect, or larger than 180 days.", "ValidUntil")
BAD_START = ("Value is incorrect or more than 180 days in the future.", "ValidFrom")
HALF_RANGE = ("validFrom and validUntil should be set together.", "")
ROLES = "Presenter, Attendee, Consumer, Collaborator"
BAD_ROLE = (
    f"Invalid participant role. The valid roles are: {ROLES}.",
    f"$.participants.{user(1)}.role",
)
UNKNOWN_ROOM = "9949484443000000"
