"""The public surface of Microsoft's clients, as names."""

from __future__ import annotations

import enum
import inspect
import json
import re
import subprocess
from pathlib import Path
from typing import Any

from azure.communication import identity, rooms
from azure.communication.identity import aio as identity_aio
from azure.communication.rooms import aio
from azure.core.credentials import AccessToken

from support.microsoft_sdks import CLIENTS, NODE

_PACKAGES = CLIENTS / "node_modules" / "@azure"
_ROOMS_TYPES = _PACKAGES / "communication-rooms" / "dist" / "esm"
_IDENTITY_TYPES = _PACKAGES / "communication-identity" / "types" / "communication-identity.d.ts"
_PRINT_METHODS = """
import {{ {client} }} from "@azure/{package}";
console.log(JSON.stringify(Object.getOwnPropertyNames({client}.prototype)));
"""


def of_python() -> set[str]:
    """Name every method, argument, field and value of azure-communication-rooms."""
    return {
        *_methods(rooms.RoomsClient),
        *_methods(aio.RoomsClient),
        *(f"{name}{part}" for name in rooms.__all__ for part in _parts(getattr(rooms, name))),
    } - {"RoomsClient"}


def of_python_identity() -> set[str]:
    """Name the same of azure-communication-identity, without the identifiers of both clients."""
    exported = set(identity.__all__) - set(rooms.__all__) - {"CommunicationIdentityClient"}
    return {
        *_methods(identity.CommunicationIdentityClient),
        *_methods(identity_aio.CommunicationIdentityClient),
        *(f"{name}{part}" for name in exported for part in _parts(getattr(identity, name))),
        *(f"AccessToken.{field}" for field in AccessToken._fields),
    }


def _methods(client: type) -> set[str]:
    kind = client.__name__
    found = {f"{kind}({name})" for name in inspect.signature(client).parameters} - {
        f"{kind}(kwargs)"
    }
    for name, method in inspect.getmembers(client, callable):
        if not name.startswith("_"):
            found.add(f"{kind}.{name}")
            found |= {f"{kind}.{name}({argument})" for argument in _arguments(method)}
    return found


def _arguments(method: Any) -> set[str]:
    named = {
        argument.name
        for argument in inspect.signature(method).parameters.values()
        if argument.kind is not argument.VAR_KEYWORD and argument.name != "self"
    }
    # Of arguments in **kwargs, there is only the documentation.
    return named | set(re.findall(r":keyword (\w+):", inspect.getdoc(method) or ""))


def _parts(exported: Any) -> list[str]:
    if inspect.isfunction(exported):
        return [""]
    if issubclass(exported, enum.Enum):
        return [f".{member}" for member in exported.__members__]
    # The clients take TypedDict from typing_extensions, which typing does not recognise.
    if hasattr(exported, "__required_keys__"):
        return [f".{key}" for key in exported.__annotations__]
    if getattr(exported, "_is_protocol", False):
        return [f".{name}" for name, _ in inspect.getmembers(exported, _is_property)]
    made = {"CommunicationRoom": exported, "RoomParticipant": _a_participant}.get(exported.__name__)
    return [f".{field}" for field in vars(made())] if made else [""]


def _is_property(member: object) -> bool:
    return isinstance(member, property)


def _a_participant() -> rooms.RoomParticipant:
    return rooms.RoomParticipant(communication_identifier=rooms.UnknownIdentifier("x"))


def of_javascript() -> set[str]:
    """Name every method of RoomsClient and every field that goes in or comes out of it."""
    return {
        *_javascript_methods(
            "communication-rooms", "RoomsClient", _ROOMS_TYPES / "roomsClient.d.ts"
        ),
        *_fields(_ROOMS_TYPES / "models" / "models.d.ts"),
        *_fields(_ROOMS_TYPES / "models" / "options.d.ts"),
    }


def of_javascript_identity() -> set[str]:
    """Name the same of CommunicationIdentityClient."""
    client = "CommunicationIdentityClient"
    return {
        *_javascript_methods("communication-identity", client, _IDENTITY_TYPES),
        *_fields(_IDENTITY_TYPES),
    }


def _javascript_methods(package: str, client: str, types: Path) -> set[str]:
    """Ask the running client for its methods; only its type declarations show the private ones."""
    printed = subprocess.run(
        [
            *(str(NODE), "--input-type=module", "--eval"),
            _PRINT_METHODS.format(client=client, package=package),
        ],
        cwd=CLIENTS, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    declared = types.read_text(encoding="utf-8")
    hidden = {
        "constructor",
        *re.findall(r"^    private (?:readonly )?(\w+)", declared, re.MULTILINE),
    }
    return {f"{client}.{name}" for name in json.loads(printed.stdout) if name not in hidden}


def _fields(types: Path) -> list[str]:
    text = types.read_text(encoding="utf-8")
    found = []
    for interface, body in re.findall(
        r"^export (?:declare )?interface (\w+)[^{]*\{(.*?)^\}", text, re.MULTILINE | re.DOTALL
    ):
        found += [
            f"{interface}.{field}" for field in re.findall(r"^    (\w+)\??:", body, re.MULTILINE)
        ]
    return found + [
        f"{alias}.{value}"
        for alias, values in re.findall(
            r'^export (?:declare )?type (\w+) = ("[^;]*);', text, re.MULTILINE
        )
        for value in re.findall(r'"([\w.]+)"', values)
    ]
