"""A Node client that loads the protos with grpc-js, without generated code."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, ResourceInfo
from google.rpc.status_pb2 import Status
from support.commands import run
from support.paths import ROOT
from support.samples import user

from rooms_gateway.app import Gateway

CLIENT = ROOT / "tests" / "clients" / "node" / "gateway.mjs"

pytestmark = pytest.mark.needs("node-clients")


def detail(failure: dict[str, Any], kind: type[Message]) -> Any:
    """Decode a detail of the failure as the client received it."""
    found = kind()
    status = Status.FromString(base64.b64decode(failure["status"]))
    assert status.code == failure["code"]
    assert any(packed.Unpack(found) for packed in status.details)
    return found


@pytest.mark.parametrize("which", [0, 1], ids=["tcp", "unix"])
async def test_rooms_walk(gateway: Gateway, which: int) -> None:
    """Create, get, update, participants, lists, delete and errors."""
    assert gateway.emulator is not None
    gateway.emulator.store.seed(69)
    done = await run(CLIENT, gateway.addresses[which], ROOT / "protos", program="node")
    assert (done.code, done.err) == (0, "")
    steps = {line["step"]: line["value"] for line in map(json.loads, done.out.splitlines())}

    room = steps["create"]
    assert room["pstnDialOutEnabled"] is True
    assert steps["get"] == room
    start = room["validFrom"]
    end = {"seconds": {**start["seconds"], "low": start["seconds"]["low"] + 3600}, "nanos": 100}
    assert steps["update of the window"] == {**room, "validUntil": end}
    assert steps["update to false"] == {
        **room,
        "validUntil": end,
        "pstnDialOutEnabled": False,
    }

    # The client sets no defaults, so empty fields without presence are missing.
    [roster] = steps["roster"]
    assert [
        (participant["rawId"], participant["role"]) for participant in roster["participants"]
    ] == [
        (user(1), "PARTICIPANT_ROLE_PRESENTER"),
        (user(3), "PARTICIPANT_ROLE_CONSUMER"),
    ]
    assert "nextPageToken" not in roster
    assert steps["list"] == [30, 30, 10]
    assert steps["list in two parts"] == [30, 30, 10]

    assert detail(steps["nothing to change"], ErrorInfo).reason == "ERROR_REASON_REQUEST_INVALID"
    past = steps["past end"]
    assert detail(past, ErrorInfo).reason == "ERROR_REASON_UPSTREAM_REJECTED_REQUEST"
    assert [item.field for item in detail(past, BadRequest).field_violations] == ["valid_until"]
    for step in ("deleted room", "roster of a deleted room"):
        assert detail(steps[step], ErrorInfo).reason == "ERROR_REASON_ROOM_NOT_FOUND"
        assert detail(steps[step], ResourceInfo).resource_name == room["id"]
        assert detail(steps[step], RequestInfo).request_id
