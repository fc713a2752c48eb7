"""A request that breaks a `buf.validate` rule is rejected with its fields, and nothing is sent."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import grpc
import pytest
from acs.identity.v1.users_pb2 import (
    CreateUserRequest,
    DeleteUserRequest,
    ExchangeTeamsUserTokenRequest,
    IssueTokenRequest,
    RevokeTokensRequest,
    User,
)
from acs.rooms.v1.access_tokens_pb2 import (
    TOKEN_SCOPE_UNSPECIFIED,
    TOKEN_SCOPE_VOIP_JOIN,
    TokenOptions,
)
from acs.rooms.v1.bulk_rooms_pb2 import BulkCreateRoomsRequest, BulkDeleteRoomsRequest
from acs.rooms.v1.error_reason_pb2 import ERROR_REASON_REQUEST_INVALID
from acs.rooms.v1.identifiers_pb2 import (
    CommunicationIdentifier,
    CommunicationUser,
    MicrosoftTeamsApp,
    MicrosoftTeamsUser,
    PhoneNumber,
    UnknownIdentifier,
)
from acs.rooms.v1.join_pb2 import (
    AdmitParticipantsRequest,
    CreateRoomWithGuestsRequest,
    ExplainJoinRequest,
    Guest,
)
from acs.rooms.v1.participants_pb2 import (
    Participant,
    RemoveParticipantsRequest,
    SyncParticipantsRequest,
    UpdateParticipantsRequest,
    UpsertParticipantsRequest,
)
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, DeleteRoomRequest, UpdateRoomRequest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from support.gateways import (
    A_UUID,
    ROOM_REQUESTS,
    UNKNOWN_ROOM,
    Running,
    collect,
    failure_of,
    send,
)
from support.samples import INVALID, user
from validation_rules import RuleReader

from rooms_gateway.server.assembly import SERVICES
from rooms_gateway.services.convert.identifiers import from_raw_id

PARTICIPANT = Participant(raw_id=user(0))
GUEST = Guest(raw_id=user(0))
USER = User(raw_id=user(0))
MANY = [Participant(raw_id=user(number)) for number in range(351)]
MANY_IDS = [participant.raw_id for participant in MANY]


BAD_IDENTIFIERS = [
    (CommunicationIdentifier(), ".kind"),
    (
        CommunicationIdentifier(communication_user=CommunicationUser(id="x")),
        ".communication_user.id",
    ),
    (CommunicationIdentifier(phone_number=PhoneNumber()), ".phone_number.value"),
    (
        CommunicationIdentifier(microsoft_teams_user=MicrosoftTeamsUser()),
        ".microsoft_teams_user.user_id",
    ),
    (
        CommunicationIdentifier(microsoft_teams_user=MicrosoftTeamsUser(user_id="x", cloud=9)),  # type: ignore[arg-type] # on purpose
        ".microsoft_teams_user.cloud",
    ),
    (
        CommunicationIdentifier(microsoft_teams_app=MicrosoftTeamsApp()),
        ".microsoft_teams_app.app_id",
    ),
    (
        CommunicationIdentifier(microsoft_teams_app=MicrosoftTeamsApp(app_id="x", cloud=9)),  # type: ignore[arg-type] # on purpose
        ".microsoft_teams_app.cloud",
    ),
    (CommunicationIdentifier(unknown=UnknownIdentifier()), ".unknown.id"),
]


def bad_participants(
    field: str, make: Callable[[list[Participant]], Message]
) -> list[tuple[Message, str]]:
    return [
        (make([PARTICIPANT, Participant()]), f"{field}[1].raw_id"),
        *(
            (make([Participant(identifier=identifier)]), f"{field}[0].identifier{below}")
            for identifier, below in BAD_IDENTIFIERS
        ),
        (make([Participant(raw_id="x" * 257)]), f"{field}[0].raw_id"),
        (make([PARTICIPANT, Participant(raw_id="x", role=5)]), f"{field}[1].role"),  # type: ignore[arg-type] # on purpose
        (make([Participant(raw_id="x", role=-1)]), f"{field}[0].role"),  # type: ignore[arg-type] # on purpose
        (
            make([Participant(raw_id="x", unrecognized_role="é" * 65)]),
            f"{field}[0].unrecognized_role",
        ),
        (make(MANY), field),
    ]


def bad_identifiers(
    field: str, make: Callable[[list[CommunicationIdentifier]], Message]
) -> list[tuple[Message, str]]:
    return [
        *((make([identifier]), f"{field}[0]{below}") for identifier, below in BAD_IDENTIFIERS),
        (make([from_raw_id(raw_id) for raw_id in MANY_IDS]), field),
    ]


def bad_ids(field: str, make: Callable[[list[str]], Message]) -> list[tuple[Message, str]]:
    return [
        (make(["x", ""]), f"{field}[1]"),
        (make(["x" * 257]), f"{field}[0]"),
        (make(MANY_IDS), field),
    ]


def bad_guests(make: Callable[[list[Guest]], Message]) -> list[tuple[Message, str]]:
    return [
        (make([]), "guests"),
        (make([Guest(raw_id=raw_id) for raw_id in MANY_IDS]), "guests"),
        (make([GUEST, Guest()]), "guests[1].user"),
        (make([Guest(raw_id="")]), "guests[0].raw_id"),
        (make([Guest(raw_id="x" * 257)]), "guests[0].raw_id"),
        (make([Guest(custom_id="")]), "guests[0].custom_id"),
        (make([Guest(custom_id="x" * 257)]), "guests[0].custom_id"),
        *(
            (make([Guest(identifier=identifier)]), f"guests[0].identifier{below}")
            for identifier, below in BAD_IDENTIFIERS
        ),
        (make([Guest(raw_id="x", role=5)]), "guests[0].role"),  # type: ignore[arg-type] # on purpose
        (make([Guest(raw_id="x", label="é" * 257)]), "guests[0].label"),
    ]


def bad_users(make: Callable[[User | None], Message]) -> list[tuple[Message, str]]:
    return [
        (make(None), "user"),
        (make(User(raw_id="x" * 257)), "user.raw_id"),
        *(
            (make(User(identifier=identifier)), f"user.identifier{below}")
            for identifier, below in BAD_IDENTIFIERS
        ),
    ]


def bad_token_options(make: Callable[[TokenOptions], Message]) -> list[tuple[Message, str]]:
    return [
        (
            make(TokenOptions(scopes=[TOKEN_SCOPE_VOIP_JOIN, TOKEN_SCOPE_UNSPECIFIED])),
            "token_options.scopes[1]",
        ),
        (make(TokenOptions(scopes=[6])), "token_options.scopes[0]"),  # type: ignore[list-item] # on purpose
        (make(TokenOptions(scopes=[TOKEN_SCOPE_VOIP_JOIN] * 6)), "token_options.scopes"),
        *(
            (make(TokenOptions(lifetime=Duration(seconds=seconds))), "token_options.lifetime")
            for seconds in (-1, 0, 3599, 86_401)
        ),
    ]


def exchange(
    teams_token: str = "x", app_id: str = A_UUID, user_id: str = A_UUID
) -> ExchangeTeamsUserTokenRequest:
    return ExchangeTeamsUserTokenRequest(teams_token=teams_token, app_id=app_id, user_id=user_id)


BAD_ROOM_IDS = [
    "",
    "x" * 65,
    "..",
    ".",
    "a/b",
    "a%2fb",
    "a b",
    "a?b",
    "a#b",
    "é",
    "a\n",
    "\na",
    "a\0",
]

BROKEN_RULES: list[tuple[Message, str]] = [
    *((make(room_id), "room_id") for make in ROOM_REQUESTS for room_id in BAD_ROOM_IDS),
    *bad_participants(
        "participants", lambda participants: CreateRoomRequest(participants=participants)
    ),
    *bad_participants(
        "participants",
        lambda participants: UpsertParticipantsRequest(
            room_id=UNKNOWN_ROOM, participants=participants
        ),
    ),
    *bad_participants(
        "participants",
        lambda participants: UpdateParticipantsRequest(
            room_id=UNKNOWN_ROOM, participants=participants
        ),
    ),
    *bad_participants(
        "participants",
        lambda participants: SyncParticipantsRequest(
            room_id=UNKNOWN_ROOM, participants=participants
        ),
    ),
    (
        SyncParticipantsRequest(room_id=UNKNOWN_ROOM, expected_fingerprint="x" * 65),
        "expected_fingerprint",
    ),
    *bad_ids(
        "remove_raw_ids",
        lambda raw_ids: RemoveParticipantsRequest(room_id=UNKNOWN_ROOM, remove_raw_ids=raw_ids),
    ),
    *bad_identifiers(
        "remove_identifiers",
        lambda identifiers: RemoveParticipantsRequest(
            room_id=UNKNOWN_ROOM, remove_identifiers=identifiers
        ),
    ),
    *bad_identifiers(
        "remove_identifiers",
        lambda identifiers: UpdateParticipantsRequest(
            room_id=UNKNOWN_ROOM, remove_identifiers=identifiers
        ),
    ),
    *bad_ids(
        "remove_raw_ids",
        lambda raw_ids: UpdateParticipantsRequest(room_id=UNKNOWN_ROOM, remove_raw_ids=raw_ids),
    ),
    (UpsertParticipantsRequest(room_id=UNKNOWN_ROOM), "participants"),
    (RemoveParticipantsRequest(room_id=UNKNOWN_ROOM), ""),
    (UpdateParticipantsRequest(room_id=UNKNOWN_ROOM), ""),
    (UpdateRoomRequest(room_id=UNKNOWN_ROOM), ""),
    *bad_guests(
        lambda guests: AdmitParticipantsRequest(room_id=UNKNOWN_ROOM, guests=guests),
    ),
    *bad_guests(lambda guests: CreateRoomWithGuestsRequest(guests=guests)),
    *bad_participants(
        "participants",
        lambda participants: CreateRoomWithGuestsRequest(guests=[GUEST], participants=participants),
    ),
    *bad_token_options(
        lambda options: AdmitParticipantsRequest(
            room_id=UNKNOWN_ROOM, guests=[GUEST], token_options=options
        ),
    ),
    *bad_token_options(
        lambda options: CreateRoomWithGuestsRequest(guests=[GUEST], token_options=options)
    ),
    *bad_token_options(lambda options: CreateUserRequest(token_options=options)),
    *bad_token_options(lambda options: IssueTokenRequest(user=USER, token_options=options)),
    *bad_users(lambda user: IssueTokenRequest(user=user)),
    *bad_users(lambda user: RevokeTokensRequest(user=user)),
    *bad_users(lambda user: DeleteUserRequest(user=user)),
    (CreateRoomWithGuestsRequest(guests=[GUEST], request_id="not a uuid"), "request_id"),
    (CreateUserRequest(custom_id="x" * 257), "custom_id"),
    (exchange(teams_token=""), "teams_token"),
    (exchange(teams_token="x" * 65_537), "teams_token"),
    *((exchange(app_id=text), "app_id") for text in ("", "not a uuid", f"{A_UUID}\n")),
    *((exchange(user_id=text), "user_id") for text in ("", "not a uuid", f"{A_UUID}\n")),
    (ExplainJoinRequest(room_id=UNKNOWN_ROOM), "raw_id"),
    (ExplainJoinRequest(room_id=UNKNOWN_ROOM, raw_id="x" * 257), "raw_id"),
    (ExplainJoinRequest(room_id=UNKNOWN_ROOM, raw_id="x", token="x" * 65_537), "token"),
    *(
        (
            ExplainJoinRequest(room_id=UNKNOWN_ROOM, identifier=identifier),
            f"identifier{below}",
        )
        for identifier, below in BAD_IDENTIFIERS
    ),
    (CreateRoomRequest(request_id="not a uuid"), "request_id"),
    (CreateRoomRequest(request_id="99c0b1e0-4be6-4d4f-a52d-55bd9ee4ff04\n"), "request_id"),
]


BROKEN_ITEMS: list[tuple[Any, str]] = [
    *(
        (BulkCreateRoomsRequest(key="k", request=request), f"request.{field}")
        for request, field in BROKEN_RULES
        if isinstance(request, CreateRoomRequest)
    ),
    (BulkCreateRoomsRequest(key="k"), "request"),
    (BulkCreateRoomsRequest(request=CreateRoomRequest()), "key"),
    (BulkCreateRoomsRequest(key="k" * 257, request=CreateRoomRequest()), "key"),
    (BulkCreateRoomsRequest(job_id="x", key="k", request=CreateRoomRequest()), "job_id"),
    *(
        (BulkDeleteRoomsRequest(request=DeleteRoomRequest(room_id=room_id)), "request.room_id")
        for room_id in BAD_ROOM_IDS
    ),
    (BulkDeleteRoomsRequest(key="k"), "request"),
    (BulkDeleteRoomsRequest(key="k" * 257, request=DeleteRoomRequest(room_id="7")), "key"),
]
"""Items of bulk streams, which have the rules of their unary RPCs."""

ROWS = [*BROKEN_RULES, *BROKEN_ITEMS]


@pytest.mark.proves("S31")
async def test_broken_rule_of_an_item_names_its_field(running: Running) -> None:
    """No request is sent upstream, and the stream goes on."""
    for item, field in BROKEN_ITEMS:
        creates = isinstance(item, BulkCreateRoomsRequest)
        call = running.rooms.BulkCreateRooms if creates else running.rooms.BulkDeleteRooms
        results: list[Any] = await collect(call(iter([item, item])))
        for result in results:
            assert result.error.reason == ERROR_REASON_REQUEST_INVALID, item
            named = field.removeprefix("request.")
            assert result.error.message.startswith(f"{named}: "), item
        assert len(results) == 2
    assert running.requests() == 0


@pytest.mark.proves("S31")
async def test_broken_rule_names_its_field(
    running: Running,
) -> None:
    """No request is sent upstream."""
    for request, field in BROKEN_RULES:
        failed = await failure_of(send(running, request))
        assert failed.code is grpc.StatusCode.INVALID_ARGUMENT, request
        assert failed.reason == "ERROR_REASON_REQUEST_INVALID", request
        assert list(failed.violations) == [field], request
        assert failed.violations[field], request
        identity = request.DESCRIPTOR.file.package == "acs.identity.v1"
        version = "2023-10-01" if identity else "2025-03-13"
        assert failed.metadata == {"apiVersion": version, "attempts": "0"}, request
    assert running.requests() == 0


@pytest.mark.proves("S31")
def test_every_rule_in_the_protos_has_a_row() -> None:
    """Each rule is broken by a row, once for every path to its field in a request."""
    broken = {(type(request).__name__, re.sub(r"\[\d+\]", "", field)) for request, field in ROWS}
    # The index in the violation distinguishes a rule on an item from one on its list.
    broken |= {
        (type(request).__name__, re.sub(r"\[\d+\]$", "[]", field))
        for request, field in ROWS
        if field.endswith("]")
    }
    contract = files("acs").joinpath("descriptors.binpb").read_bytes()
    rules = RuleReader(FileDescriptorSet.FromString(contract))
    ruled = {
        (method.input_type.name, path)
        for service in SERVICES
        for method in service.methods
        for path in _ruled_paths(rules, method.input_type)
    }
    assert ruled
    assert ruled <= broken


def _ruled_paths(rules: RuleReader, message: Descriptor, prefix: str = "") -> list[str]:
    """Return the paths of `message` that have a rule; "" for a rule on the message itself."""
    paths = []
    if rules.read(message.GetOptions()).ListFields():
        paths.append(prefix.removesuffix("."))
    paths += [
        f"{prefix}{oneof.name}"
        for oneof in message.oneofs
        if rules.read(oneof.GetOptions()).ListFields()
    ]
    for field in message.fields:
        path = f"{prefix}{field.name}"
        of_field = rules.read(field.GetOptions())
        if of_field.ListFields():
            paths.append(path)
            if of_field.repeated.HasField("items"):
                paths.append(f"{path}[]")
        if field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type is not None:
            paths += _ruled_paths(rules, field.message_type, f"{path}.")
    return paths


async def test_all_broken_rules_are_reported_at_once(running: Running) -> None:
    participants = [
        Participant(raw_id="x" * 257),
        PARTICIPANT,
        Participant(raw_id="x", unrecognized_role="y" * 65),
    ]
    failed = await failure_of(
        send(running, UpsertParticipantsRequest(room_id="a/b", participants=participants))
    )
    assert set(failed.violations) == {
        "room_id",
        "participants[0].raw_id",
        "participants[2].unrecognized_role",
    }


async def test_violations_above_20_are_only_counted(
    running: Running,
) -> None:
    request = UpsertParticipantsRequest(room_id=UNKNOWN_ROOM, participants=[Participant()] * 350)
    failed = await failure_of(send(running, request))
    assert len(failed.violations) == 20
    assert failed.metadata["omittedViolations"] == "330"


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [
        (0, -1),
        (0, 1_000_000_000),
        (0, 2_147_483_647),
        (-62_135_596_801, 0),
        (253_402_300_800, 0),
        (9_223_372_036_854_775_807, 0),
        (-9_223_372_036_854_775_808, 0),
    ],
)
async def test_timestamp_out_of_range_names_its_field(
    running: Running, seconds: int, nanos: int
) -> None:
    """No request is sent upstream."""
    time = Timestamp(seconds=seconds, nanos=nanos)
    for field in ("valid_from", "valid_until"):
        for request in (CreateRoomRequest(), UpdateRoomRequest(room_id=UNKNOWN_ROOM)):
            getattr(request, field).CopyFrom(time)
            failed = await failure_of(send(running, request))
            assert (failed.code, failed.reason) == INVALID
            assert list(failed.violations) == [field]
    assert running.requests() == 0


async def test_minimum_and_maximum_timestamps_are_sent(running: Running) -> None:
    first = Timestamp(seconds=-62_135_596_800)
    last = Timestamp(seconds=253_402_300_799, nanos=999_999_999)
    failed = await failure_of(send(running, CreateRoomRequest(valid_from=first, valid_until=last)))
    assert failed.reason == "ERROR_REASON_UPSTREAM_REJECTED_REQUEST"
    assert running.sent() == {
        "validFrom": "0001-01-01T00:00:00Z",
        "validUntil": "9999-12-31T23:59:59.999999999Z",
    }


@pytest.mark.parametrize(
    "request_id", ["99c0b1e0-4be6-4d4f-a52d-55bd9ee4ff04", "99C0B1E0-4BE6-4D4F-A52D-55BD9EE4FF04"]
)
async def test_a_uuid_in_either_case_is_a_request_id(running: Running, request_id: str) -> None:
    await send(running, CreateRoomRequest(request_id=request_id))
    assert running.last().headers["Repeatability-Request-ID"] == request_id


@pytest.mark.parametrize(
    "serialized",
    [b"\xff\xff\xff", b"\x0a\x05ab", b"\x0a\x01\xff", b"\x0b" * 1000],
    ids=["no field", "truncated", "invalid UTF-8", "endless nesting"],
)
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_malformed_bytes_are_an_invalid_request(
    running: Running,
    service: ServiceDescriptor,
    serialized: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Malformed bytes are not logged as a defect."""
    channel: Any = running.channel
    for method in service.methods:
        path = f"/{service.full_name}/{method.name}"
        call = (
            collect(channel.unary_stream(path)(serialized))
            if method.server_streaming
            else channel.unary_unary(path)(serialized)
        )
        failed = await failure_of(call)
        assert (failed.code, failed.reason) == INVALID
        name = method.input_type.full_name
        assert failed.message == (
            f"the request is not a valid {name}: do client and gateway use the same proto?"
        )
    assert running.requests() == 0
    assert all(record.levelno <= logging.INFO for record in caplog.records)
