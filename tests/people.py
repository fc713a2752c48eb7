"""Who is on rosters in tests."""

from __future__ import annotations

from acs.rooms.v1 import participants_pb2 as pb
from identifiers import communication_user, unknown


def user(number: int) -> str:
    """Make the raw id of a communication user, one for each number."""
    resource = "b60f5cc1-83a7-485a-a45c-7288de014884"
    return f"8:acs:{resource}_{number:08x}-7637-da8c-08d5-363a0d005464"


A, B, C, D = map(user, range(4))

ALICE = pb.Participant(raw_id=A, role=pb.ROLE_PRESENTER)
BOB = pb.Participant(identifier=communication_user(B), role=pb.ROLE_CONSUMER)
CAROL = pb.Participant(raw_id=C, identifier=communication_user(C))
DAVE = pb.Participant(identifier=unknown(D))
