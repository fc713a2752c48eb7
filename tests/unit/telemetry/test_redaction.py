"""Messages as text for logs, without the values of `sensitive` fields."""

from __future__ import annotations

from typing import Any

import pytest
from acs.options.v1.redaction_pb2 import sensitive
from acs.rooms.debug.v1 import dry_run_pb2
from acs.rooms.v1 import participants_pb2, rooms_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st
from support.contract import MESSAGES

from rooms_gateway.telemetry.redaction import MAX_TEXT, REDACTED, redacted

CANARY = "canary"


def is_redacted(field: Any) -> bool:
    return bool(field.GetOptions().Extensions[sensitive])


MARKED = [field for message in MESSAGES for field in message.fields if is_redacted(field)]


def fill(message: Message, words: st.DataObject, *, within_redacted: bool = False) -> int:
    """Set random fields; return the number of marked texts set outside of marked messages."""
    count = 0
    for field in message.DESCRIPTOR.fields:
        one_of = field.containing_oneof
        if one_of is not None and message.WhichOneof(one_of.name) is not None:
            continue
        if not words.draw(st.booleans()):
            continue
        secret = within_redacted or is_redacted(field)
        is_text = field.type == FieldDescriptor.TYPE_STRING
        count += is_redacted(field) and is_text and not within_redacted
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            # The contract has maps from string to string only.
            getattr(message, field.name)[CANARY if secret else "key"] = CANARY if secret else "a"
        elif field.message_type is not None:
            nested = getattr(message, field.name)
            for _ in range(words.draw(st.integers(1, 2)) if field.is_repeated else 1):
                inner = nested.add() if field.is_repeated else nested
                inner.SetInParent()
                count += fill(inner, words, within_redacted=secret)
        elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            text: Any = CANARY if secret else words.draw(st.text("ab\n\x1b\u202e\"'", min_size=1))
            text = text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
            set_value(message, field, text)
        else:
            set_value(message, field, 1)
    return count


def set_value(message: Message, field: Any, value: Any) -> None:
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


@pytest.mark.proves("S57")
@pytest.mark.parametrize("descriptor", MESSAGES, ids=lambda each: each.full_name)
def test_text_of_a_message_omits_redacted_fields(descriptor: Descriptor) -> None:
    # For each message of the contract, so that all have many examples together.
    @settings(max_examples=25)
    @given(st.data())
    def prove(words: st.DataObject) -> None:
        message = GetMessageClass(descriptor)()
        count = fill(message, words)
        text = redacted(message)
        assert CANARY not in text
        assert text.isprintable()
        assert text.isascii() or text.endswith("…")
        if len(text) <= MAX_TEXT:
            assert text.count(REDACTED) == count

    prove()


@pytest.mark.parametrize("field", MARKED, ids=lambda each: each.full_name)
def test_redacted_text_is_named_without_its_value(field: FieldDescriptor) -> None:
    descriptor = field.containing_type
    assert descriptor is not None
    message = GetMessageClass(descriptor)()
    set_value(message, field, CANARY)
    assert redacted(message) == f'{field.name}: "{REDACTED}"'


def test_a_marked_list_does_not_show_its_length() -> None:
    request = participants_pb2.RemoveParticipantsRequest(remove_raw_ids=[CANARY, CANARY])
    assert redacted(request) == f'remove_raw_ids: "{REDACTED}"'


def test_the_message_itself_is_not_changed() -> None:
    message = participants_pb2.Participant(raw_id=CANARY)
    redacted(message)
    assert message.raw_id == CANARY


def test_contract_redacts_personal_data() -> None:
    """Raw ids, phone numbers and bodies of REST requests are marked."""
    names = {field.full_name.removeprefix("acs.rooms.") for field in MARKED}
    assert {"v1.Participant.raw_id", "debug.v1.RestRequest.body"} <= names
    assert any("PhoneNumber" in name for name in names)


def test_other_fields_are_shown() -> None:
    request = rooms_pb2.UpdateRoomRequest(room_id="99", pstn_dial_out_enabled=False)
    request.valid_from.seconds = 7
    assert redacted(request) == (
        'room_id: "99" valid_from { seconds: 7 } pstn_dial_out_enabled: false'
    )


def test_role_is_shown_by_name_or_number() -> None:
    known = participants_pb2.Participant(role=participants_pb2.PARTICIPANT_ROLE_PRESENTER)
    assert redacted(known) == "role: PARTICIPANT_ROLE_PRESENTER"
    assert redacted(participants_pb2.Participant.FromString(b"\x10\x63")) == "role: 99"


def test_an_unknown_field_is_not_shown() -> None:
    unknown = rooms_pb2.GetRoomRequest.FromString(b"\xfa\x3e\x06canary")
    assert redacted(unknown) == ""


def test_the_content_of_an_any_is_not_shown() -> None:
    packed = Packed(type_url="a/b\ncanary")
    assert redacted(packed) == ""
    packed.Pack(participants_pb2.Participant(raw_id=CANARY))
    assert redacted(packed) == ""


@pytest.mark.parametrize(
    "message",
    [
        participants_pb2.UpsertParticipantsRequest(
            participants=[
                participants_pb2.Participant(role=participants_pb2.PARTICIPANT_ROLE_PRESENTER)
            ]
            * 350
        ),
        participants_pb2.UpsertParticipantsRequest(
            participants=[participants_pb2.Participant()] * 100_000
        ),
        rooms_pb2.GetRoomRequest(room_id="x" * 1_000_000),
        dry_run_pb2.RestRequest(headers={f"{n:06}": "a" for n in range(10_000)}),
    ],
    ids=["valid", "items", "string", "map"],
)
def test_a_large_message_is_cut(message: Message) -> None:
    text = redacted(message)
    assert text.endswith("…")
    assert len(text) == MAX_TEXT + 1


def test_a_cut_list_shows_its_first_items() -> None:
    marked = participants_pb2.Participant(
        raw_id=CANARY, role=participants_pb2.PARTICIPANT_ROLE_PRESENTER
    )
    text = redacted(participants_pb2.UpsertParticipantsRequest(participants=[marked] * 350))
    item = f'participants {{ raw_id: "{REDACTED}" role: PARTICIPANT_ROLE_PRESENTER }} '
    assert text.startswith(item * (MAX_TEXT // len(item)))


# --- maps of messages, which the contract does not have ---


@pytest.fixture(scope="module")
def directory() -> type[Message]:
    """Return a message class with one unmarked and one marked map of messages."""
    file = descriptor_pb2.FileDescriptorProto(name="maps.proto", package="maps", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    participant = file.message_type.add(name="Participant")
    number = participant.field.add(name="phone", number=1, type=kinds.TYPE_STRING)
    number.options.Extensions[sensitive] = True
    participant.field.add(name="floor", number=2, type=kinds.TYPE_INT32)
    holder = file.message_type.add(name="Directory")
    for index, (name, secret) in enumerate([("open", False), ("closed", True)], 1):
        entry = holder.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=kinds.TYPE_STRING)
        entry.field.add(
            name="value", number=2, type=kinds.TYPE_MESSAGE, type_name=".maps.Participant"
        )
        field = holder.field.add(
            name=name,
            number=index,
            label=kinds.LABEL_REPEATED,
            type=kinds.TYPE_MESSAGE,
            type_name=f".maps.Directory.{entry.name}",
        )
        field.options.Extensions[sensitive] = secret
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("maps.Directory"))


def test_a_marked_field_in_a_map_is_not_shown(directory: Any) -> None:
    message = directory()
    message.open["a"].phone = CANARY
    message.open["a"].floor = 3
    assert redacted(message) == f'open {{ key: "a" value {{ phone: "{REDACTED}" floor: 3 }} }}'


def test_a_marked_map_is_cleared(directory: Any) -> None:
    message = directory()
    message.closed[CANARY].floor = 3
    assert redacted(message) == ""


def test_a_large_map_of_messages_is_cut(directory: Any) -> None:
    message = directory()
    for number in range(10_000):
        message.open[f"{number:05}"].phone = CANARY
    text = redacted(message)
    assert text.startswith(f'open {{ key: "00000" value {{ phone: "{REDACTED}" }} }}')
    assert text.endswith("…")
    assert CANARY not in text
