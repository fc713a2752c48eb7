"""Raw ids as the parsers of Microsoft's SDKs parse them, as messages of the contract."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from acs.rooms.v1 import identifiers_pb2
from azure.communication.rooms import CommunicationIdentifier
from azure.communication.rooms._shared.models import identifier_from_raw_id

from support.paths import ROOT
from support.samples import communication_user, phone_number, teams_app, teams_user, unknown

CLIENTS = ROOT / "tests/clients/node"

needs_node = pytest.mark.needs("node-clients")

TEAMS_EXTENSION_USER = "teams_extension_user"
"""The one kind that the JavaScript parser knows and the contract does not."""

Parsed = identifiers_pb2.CommunicationIdentifier | str
"""An identifier, or the name of a kind that the contract does not know."""


def by_python(raw_id: str) -> Parsed:
    """Parse with azure-communication-rooms."""
    return from_python(identifier_from_raw_id(raw_id))


def from_python(identifier: CommunicationIdentifier) -> Parsed:
    kind = identifier.kind.value
    properties = identifier.properties
    if kind == "communication_user":
        return communication_user(properties["id"])
    if kind == "phone_number":
        return phone_number(properties["value"])
    if kind == "microsoft_teams_user":
        # For anonymous users, the Python client returns PUBLIC and the others return no cloud.
        cloud = "" if properties["is_anonymous"] else properties["cloud"].value
        return teams_user(properties["user_id"], cloud, is_anonymous=properties["is_anonymous"])
    if kind == "microsoft_teams_app":
        return teams_app(properties["app_id"], properties["cloud"].value)
    return unknown(identifier.raw_id) if kind == "unknown" else kind


@contextmanager
def node_parser() -> Iterator[Callable[[Sequence[str]], list[tuple[Parsed, str]]]]:
    """Run @azure/communication-common; yield a function that parses raw ids.

    It returns each identifier with the raw id that the client makes of it.
    """
    with subprocess.Popen(
        ["node", "identifiers.mjs"],
        cwd=CLIENTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        stdin, stdout = node.stdin, node.stdout

        def parse(raw_ids: Sequence[str]) -> list[tuple[Parsed, str]]:
            stdin.write(json.dumps(raw_ids) + "\n")
            stdin.flush()
            parsed = json.loads(stdout.readline())
            return [(_from_node(each["identifier"]), each["rawId"]) for each in parsed]

        yield parse
        stdin.close()


def _from_node(properties: dict[str, Any]) -> Parsed:
    kind = properties["kind"]
    if kind == "communicationUser":
        return communication_user(properties["communicationUserId"])
    if kind == "phoneNumber":
        return phone_number(properties["phoneNumber"])
    if kind == "microsoftTeamsUser":
        return teams_user(
            properties["microsoftTeamsUserId"],
            properties.get("cloud", ""),
            is_anonymous=properties["isAnonymous"],
        )
    if kind == "microsoftTeamsApp":
        return teams_app(properties["teamsAppId"], properties["cloud"])
    return unknown(properties["id"]) if kind == "unknown" else TEAMS_EXTENSION_USER
