"""Microsoft's unmodified clients: their public surface, and walks through them."""

from __future__ import annotations

import asyncio
import enum
import inspect
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.communication import identity, rooms
from azure.communication.identity import aio as identity_aio
from azure.communication.rooms import CommunicationUserIdentifier, RoomParticipant, RoomsClient, aio
from azure.communication.rooms.aio import RoomsClient as AsyncRoomsClient
from azure.core.credentials import AccessToken, AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ODataV4Format

from rooms_emulator import DEVELOPMENT_KEY, Emulator
from support.paths import ROOT
from support.samples import user
from support.signed_requests import VERSION

CLIENTS = ROOT / "tests/clients/node"
NODE = shutil.which("node")

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
    if not isinstance(exported, type):
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


async def walk(script: str, emulator: Emulator) -> dict[str, Any]:
    """Run the walk; return the value that it printed for each step."""
    process = await asyncio.create_subprocess_exec(
        str(NODE),
        script,
        emulator.connection_string,
        cwd=CLIENTS,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    steps = [json.loads(line) for line in out.splitlines()]
    return {step["step"]: step["value"] for step in steps}


# The client calls datetime.utcnow, which Python 3.12 deprecated.
IGNORE_DEPRECATIONS = pytest.mark.filterwarnings(
    "ignore:datetime.datetime.utcnow:DeprecationWarning"
)


def participant(number: int, role: str = "Attendee") -> RoomParticipant:
    return RoomParticipant(
        communication_identifier=CommunicationUserIdentifier(user(number)), role=role
    )


def in_days(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


class Blocking:
    """The blocking client, with each call in a thread."""

    def __init__(self, endpoint: str, key: str, **options: str) -> None:
        self._client = RoomsClient(endpoint, AzureKeyCredential(key), **options)

    async def __call__(self, method: str, *arguments: Any, **named: Any) -> Any:
        return await asyncio.to_thread(getattr(self._client, method), *arguments, **named)

    async def pages(self, method: str, *arguments: Any) -> list[list[Any]]:
        def read() -> list[list[Any]]:
            pages = getattr(self._client, method)(*arguments).by_page()
            return [list(page) for page in pages]

        return await asyncio.to_thread(read)

    async def close(self) -> None:
        await asyncio.to_thread(self._client.close)


class NonBlocking:
    """The asynchronous client, with the same interface."""

    def __init__(self, endpoint: str, key: str, **options: str) -> None:
        self._client = AsyncRoomsClient(endpoint, AzureKeyCredential(key), **options)

    async def __call__(self, method: str, *arguments: Any, **named: Any) -> Any:
        return await getattr(self._client, method)(*arguments, **named)

    async def pages(self, method: str, *arguments: Any) -> list[list[Any]]:
        pages = getattr(self._client, method)(*arguments).by_page()
        return [[item async for item in page] async for page in pages]

    async def close(self) -> None:
        await self._client.close()


Sdk = Blocking | NonBlocking
KINDS = pytest.mark.parametrize("kind", [Blocking, NonBlocking], ids=["sync", "aio"])


@asynccontextmanager
async def connected(
    kind: type[Sdk], emulator: Emulator, key: str = DEVELOPMENT_KEY, version: str = VERSION
) -> AsyncIterator[Sdk]:
    sdk = kind(emulator.endpoint, key, api_version=version)
    try:
        yield sdk
    finally:
        await sdk.close()


def problem(raised: HttpResponseError) -> ODataV4Format:
    assert raised.error is not None
    return raised.error


async def roster(sdk: Sdk, room_id: str) -> list[tuple[str, str]]:
    pages = await sdk.pages("list_participants", room_id)
    return [(each.communication_identifier.raw_id, each.role) for page in pages for each in page]
