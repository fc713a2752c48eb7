"""The public surface of Microsoft's clients, read off the clients themselves."""

from __future__ import annotations

import enum
import inspect
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from azure.communication import rooms
from azure.communication.rooms import aio

CLIENTS = Path(__file__).parent / "clients" / "node"
NODE = shutil.which("node")
HAS_NODE_CLIENTS = NODE is not None and (CLIENTS / "node_modules").is_dir()

_JAVASCRIPT = CLIENTS / "node_modules" / "@azure" / "communication-rooms" / "dist" / "esm"
_PRINT_METHODS = """
import { RoomsClient } from "@azure/communication-rooms";
console.log(JSON.stringify(Object.getOwnPropertyNames(RoomsClient.prototype)));
"""


def of_python() -> set[str]:
    """Name every method, argument, field and value of azure-communication-rooms."""
    return {
        *_methods(rooms.RoomsClient),
        *_methods(aio.RoomsClient),
        *(f"{name}{part}" for name in rooms.__all__ for part in _parts(getattr(rooms, name))),
    } - {"RoomsClient"}


def _methods(client: type) -> set[str]:
    found = {f"RoomsClient({name})" for name in inspect.signature(client).parameters} - {
        "RoomsClient(kwargs)"
    }
    for name, method in inspect.getmembers(client, callable):
        if not name.startswith("_"):
            found.add(f"RoomsClient.{name}")
            for argument in inspect.signature(method).parameters.values():
                if argument.kind is not argument.VAR_KEYWORD and argument.name != "self":
                    found.add(f"RoomsClient.{name}({argument.name})")
    return found


def _parts(exported: Any) -> list[str]:
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
    """Name every method of RoomsClient and every field that goes in or comes out of it.

    Methods come from the running client; what is private, and what the fields are, only its type
    declarations say.
    """
    printed = subprocess.run(
        [str(NODE), "--input-type=module", "--eval", _PRINT_METHODS],
        cwd=CLIENTS, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    declared = (_JAVASCRIPT / "roomsClient.d.ts").read_text(encoding="utf-8")
    hidden = {
        "constructor",
        *re.findall(r"^    private (?:readonly )?(\w+)", declared, re.MULTILINE),
    }
    methods = {f"RoomsClient.{name}" for name in json.loads(printed.stdout) if name not in hidden}
    return methods | set(_fields("models.d.ts")) | set(_fields("options.d.ts"))


def _fields(file: str) -> list[str]:
    text = (_JAVASCRIPT / "models" / file).read_text(encoding="utf-8")
    found = []
    for interface, body in re.findall(
        r"^export interface (\w+)[^{]*\{(.*?)^\}", text, re.MULTILINE | re.DOTALL
    ):
        found += [
            f"{interface}.{field}" for field in re.findall(r"^    (\w+)\??:", body, re.MULTILINE)
        ]
    return found + [
        f"{alias}.{value}"
        for alias, values in re.findall(r'^export type (\w+) = ("[^;]*);', text, re.MULTILINE)
        for value in re.findall(r'"(\w+)"', values)
    ]
