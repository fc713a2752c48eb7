from __future__ import annotations

import re

import pytest
from acs.identity.v1.users_pb2 import (
    CreateUserRequest,
    ExchangeTeamsUserTokenRequest,
    IssueTokenRequest,
    User,
)
from acs.rooms.v1.join_pb2 import AdmitParticipantsRequest, Guest
from acs.rooms.v1.participants_pb2 import (
    Participant,
    RemoveParticipantsRequest,
    UpdateParticipantsRequest,
    UpsertParticipantsRequest,
)
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest, UpdateRoomRequest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from rooms_gateway.services.convert.error_targets import FieldLocator

A, B = "8:acs:a_a", "8:acs:b_b"
UPSERT = UpdateParticipantsRequest(participants=[Participant(raw_id=A), Participant(raw_id=B)])
PUT = UpsertParticipantsRequest(participants=UPSERT.participants)
CREATE = CreateRoomRequest(participants=UPSERT.participants)
MIXED = UpdateParticipantsRequest(participants=[Participant(raw_id=A)], remove_raw_ids=["x", B])
REMOVAL = RemoveParticipantsRequest(remove_raw_ids=[A, B])


@pytest.mark.parametrize(
    ("target", "request_", "field"),
    [
        ("ValidUntil", CreateRoomRequest(), "valid_until"),
        ("validFrom", UpdateRoomRequest(), "valid_from"),
        ("PstnDialOutEnabled", UpdateRoomRequest(), "pstn_dial_out_enabled"),
        ("Participants", UpsertParticipantsRequest(), "participants"),
        (f"$.participants.{B}.role", UPSERT, "participants[1].role"),
        (f"$.participants.{B}", UPSERT, "participants[1].raw_id"),
        (f"$.participants['{B}'].role", UPSERT, "participants[1].role"),
        (f"$.participants.{A}.role", MIXED, "participants[0].role"),
        (f"$.participants.{B}", MIXED, "remove_raw_ids[1]"),
        (f"$.participants.{B}", REMOVAL, "remove_raw_ids[1]"),
        (f"$.participants.{B}.role", PUT, "participants[1].role"),
        (f"$.participants.{B}.role", CREATE, "participants[1].role"),
        ("$.participants.8:acs:c_c.role", UPSERT, ""),
        (f"$.participants.{A}.role", GetRoomRequest(), ""),
        ("", CreateRoomRequest(), ""),
        ("$", CreateRoomRequest(), ""),
        ("updateParticipantsRequestDto", UPSERT, ""),
    ],
)  # fmt: skip
def test_targets_become_request_fields(target: str, request_: Message, field: str) -> None:
    assert FieldLocator(request_).field_of(target) == field


RAW_IDS = st.text(min_size=1, max_size=10) | st.lists(
    st.sampled_from(["a", ".role", ".", "'", "]", "[", "']", "$.participants.", "\n"]),
    min_size=1,
    max_size=4,
).map("".join)


@given(RAW_IDS)
def test_any_raw_id_is_located(raw_id: str) -> None:
    request = UpsertParticipantsRequest(participants=[Participant(raw_id=raw_id)])
    assert FieldLocator(request).field_of(f"$.participants.{raw_id}.role") == "participants[0].role"


@given(
    st.text(max_size=60), st.sampled_from([UPSERT, MIXED, CreateRoomRequest(), GetRoomRequest()])
)
def test_any_target_yields_a_known_field_or_none(target: str, request: Message) -> None:
    field = FieldLocator(request).field_of(target)
    assert field == "" or re.split(r"[.[]", field)[0] in request.DESCRIPTOR.fields_by_name


@pytest.mark.proves("S34")
def test_raw_ids_in_a_text_become_field_paths() -> None:
    request = UpdateParticipantsRequest(
        participants=[Participant(raw_id="8:acs:1"), Participant(raw_id="8:acs:12")],
        remove_raw_ids=["4:+1"],
    )
    text = "8:acs:12 and (4:+1) are not supported, nor is 8:acs:123."
    assert FieldLocator(request).redact(text) == (
        "participants[1].raw_id and (remove_raw_ids[0]) are not supported, nor is 8:acs:123.",
        ["participants[1].raw_id", "remove_raw_ids[0]"],
    )


@given(st.from_regex(r"8:acs:[A-Za-z0-9_-]{1,40}|4:\+[0-9]{3,15}", fullmatch=True), st.text())
def test_no_raw_id_of_the_request_remains(raw_id: str, other: str) -> None:
    request = RemoveParticipantsRequest(remove_raw_ids=[raw_id])
    redacted, fields = FieldLocator(request).redact(f"{other} '{raw_id}', {other}")
    assert f"'{raw_id}'" not in redacted
    assert fields == ["remove_raw_ids[0]"]


GUID = "8b3d7f0a-93f4-4f4f-8a51-ba9876543210"
GUESTS = AdmitParticipantsRequest(guests=[Guest(raw_id=A), Guest(custom_id="alice@example.org")])
EXCHANGE = ExchangeTeamsUserTokenRequest(teams_token="e30.e30.c2ln", user_id=GUID)


@pytest.mark.proves("S34", "S81")
@pytest.mark.parametrize(
    ("text", "request_", "redacted"),
    [
        (f"{A}, 8:acs:b_b", GUESTS, "guests[0], 8:acs:b_b"),
        ("no user alice@example.org.", GUESTS, "no user guests[1]."),
        (f"'{A}' is foreign", IssueTokenRequest(user=User(raw_id=A)), "'user' is foreign"),
        ("GET /identities/8%3Aacs%3aa_a/", IssueTokenRequest(user=User(raw_id=A)),
         "GET /identities/user/"),
        ("id alice: taken", CreateUserRequest(custom_id="alice"), "id custom_id: taken"),
        ("Bearer e30.e30.c2ln", EXCHANGE, "Bearer teams_token"),
        (f"8:orgid:{GUID}", EXCHANGE, "8:orgid:user_id"),
        ("in a word:e30.e30.c2ln-", EXCHANGE, "in a word:teams_token-"),
        # A user that is not known yet has no identifier.
        ("wait. . .", AdmitParticipantsRequest(guests=[Guest(raw_id="")]), "wait. . ."),
    ],
)  # fmt: skip
def test_users_and_tokens_in_a_text(text: str, request_: Message, redacted: str) -> None:
    """Raw ids are found as in paths of URLs too, and tokens within words."""
    assert FieldLocator(request_).redact(text)[0] == redacted


@pytest.mark.proves("S81")
@given(st.integers(0, 70_000), st.integers(1, 3))
def test_no_part_of_a_token_remains(before: int, times: int) -> None:
    """At any position of a text that is cut, and for the largest token."""
    token = "eyJ" + "aB3-_." * 10_922
    request = ExchangeTeamsUserTokenRequest(teams_token=token)
    text, _ = FieldLocator(request).redact("." * before + f" {token}" * times)
    assert "aB3" not in text


@pytest.mark.proves("S34")
@given(st.integers(7_000, 9_000), st.sampled_from(["8:acs:", "8:acs:é "]))
def test_no_part_of_a_raw_id_remains(before: int, prefix: str) -> None:
    """At any position of a text that is cut."""
    raw_id = prefix + "0123456789" * 24
    request = IssueTokenRequest(user=User(raw_id=raw_id))
    text, _ = FieldLocator(request).redact("." * before + f" {raw_id} {raw_id}")
    assert "0123" not in text
