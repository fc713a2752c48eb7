"""Audit lines of any request and response: no identifier, label or token is in one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from acs.options.v1.redaction_pb2 import sensitive
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st
from support.contract import METHODS

from rooms_gateway.call import Call
from rooms_gateway.server.calls.audit import Audit, LinePerCall
from rooms_gateway.telemetry.audit.hash_key import HASH_LENGTH, HashKey
from rooms_gateway.telemetry.audit.line import AuditLine
from rooms_gateway.telemetry.audit.writer import AuditWriter

CANARY = "canary"
CHANGING = [
    method
    for method in METHODS
    if method.GetOptions().idempotency_level != MethodOptions.NO_SIDE_EFFECTS
]
OUTCOMES = [
    ("OK", ""),
    ("CANCELLED", ""),
    ("NOT_FOUND", "ERROR_REASON_ROOM_NOT_FOUND"),
    ("INVALID_ARGUMENT", "ERROR_REASON_REQUEST_INVALID"),
]


@st.composite
def messages(draw: st.DrawFn, kind: type[Message]) -> Message:
    """Draw a message with a canary in each sensitive text, and in texts that may hold any."""
    message = kind()
    for field in message.DESCRIPTOR.fields:
        one_of = field.containing_oneof
        if one_of is not None and message.WhichOneof(one_of.name) is not None:
            continue
        if not draw(st.booleans()):
            continue
        value: Any = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            value[CANARY] = CANARY
        elif field.message_type is not None:
            inner = value.add() if field.is_repeated else value
            inner.CopyFrom(draw(messages(type(inner))))
        elif field.type == FieldDescriptor.TYPE_STRING:
            # With characters that no room id has.
            text = CANARY if field.GetOptions().Extensions[sensitive] else f"8:acs:{CANARY}"
            if field.is_repeated:
                value.append(text)
            else:
                setattr(message, field.name, text)
        elif not field.is_repeated:
            setattr(message, field.name, 1)
    return message


@pytest.mark.proves("S89")
@pytest.mark.parametrize("method", CHANGING, ids=lambda each: each.full_name)
@pytest.mark.parametrize("with_key", [True, False], ids=["key", "no key"])
def test_line_has_no_text_of_a_message(
    tmp_path: Path, method: MethodDescriptor, *, with_key: bool
) -> None:
    (tmp_path / "key").write_text("k" * 32)
    lines = LinePerCall(
        Audit(
            writer=AuditWriter(tmp_path / "audit.log"),
            resource="contoso.communication.azure.com",
            hash_identifier=HashKey(tmp_path / "key").hash if with_key else None,
        ),
        method,
    )
    call = Call("id", math.inf, idempotent=True)

    @settings(max_examples=25)
    @given(
        messages(GetMessageClass(method.input_type)),
        messages(GetMessageClass(method.output_type)) | st.none(),
        st.sampled_from(OUTCOMES),
    )
    def prove(request: Message, response: Message | None, outcome: tuple[str, str]) -> None:
        text = lines.line(call, request, response, *outcome).decode()
        assert CANARY not in text
        assert text.endswith("}\n")
        assert text.count("\n") == 1
        line = json.loads(text)
        assert list(line) == list(AuditLine.__struct_fields__)
        hashes = [*line["identifier_hashes"], *line["removed_identifier_hashes"]]
        assert all(len(each) == HASH_LENGTH for each in hashes)
        assert not hashes or (with_key and outcome[1] != "ERROR_REASON_REQUEST_INVALID")

    prove()
