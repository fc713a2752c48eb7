from __future__ import annotations

import grpc
import pytest
from google.protobuf.message import Message
from support.fast_gateway import roomy

from rooms_gateway.server.assembly import JOIN_SERVICE, add_service
from rooms_gateway.server.calls import validation
from rooms_gateway.server.calls.shared import Calls
from rooms_gateway.services.join import JoinServicer


class Recorder:
    """Replaces the validator, and records the types of its requests."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def collect_violations(self, request: Message) -> list[object]:
        self.seen.add(request.DESCRIPTOR.name)
        return []


async def test_rules_are_compiled_at_startup(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no first call waits for them."""
    recorder = Recorder()
    monkeypatch.setattr(validation, "_validator", recorder)
    calls = Calls(default_timeout=30, admission=roomy())
    add_service(grpc.aio.server(), calls, JOIN_SERVICE, JoinServicer, "2025-03-13")
    assert recorder.seen == {method.input_type.name for method in JOIN_SERVICE.methods}
