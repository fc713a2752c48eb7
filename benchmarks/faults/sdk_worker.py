"""Microsoft's Python clients in a separate process: reads calls as lines, and writes outcomes.

The clients are used as documented, with their defaults; the deadline is a timeout around the call,
as in a program that uses them directly. The api-version is plain text, because the default of the
client for rooms breaks its links to second pages under Python 3.11.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from typing import Any

from azure.communication.identity.aio import CommunicationIdentityClient
from azure.communication.rooms import RoomParticipant, UnknownIdentifier
from azure.communication.rooms.aio import RoomsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError

from benchmarks.faults.admissions.sdk_admission import admit
from benchmarks.faults.calls import ADMISSIONS, JOBS, PHONE, Kind
from benchmarks.faults.jobs.sdk_job import make
from benchmarks.faults.lateness import Lateness
from benchmarks.faults.verdicts import DEADLINE, OK, UNTYPED
from benchmarks.naive import code_of


async def send(client: Any, kind: Kind, room: str, raw_id: str, pause: float) -> str:
    """Make one call."""
    identifier: Any = UnknownIdentifier(PHONE if kind is Kind.REJECTED else raw_id)
    match kind:
        case Kind.CREATE:
            participants = [RoomParticipant(communication_identifier=identifier, role="Attendee")]
            return str((await client.create_room(participants=participants)).id)
        case Kind.GET:
            return str((await client.get_room(room)).id)
        case Kind.UPDATE:
            return str((await client.update_room(room_id=room, pstn_dial_out_enabled=True)).id)
        case Kind.DELETE:
            await client.delete_room(room)
        case Kind.ADD | Kind.REJECTED:
            participants = [RoomParticipant(communication_identifier=identifier, role="Attendee")]
            await client.add_or_update_participants(room_id=room, participants=participants)
        case Kind.REMOVE:
            await client.remove_participants(room_id=room, participants=[identifier])
        case Kind.LIST:
            found = [p async for p in client.list_participants(room)]
            return " ".join(p.communication_identifier.raw_id for p in found)
        case Kind.LIST_ROOMS:
            ids: list[str] = []
            async for page in client.list_rooms().by_page():
                ids += [one.id async for one in page]
                await asyncio.sleep(pause)
            return " ".join(ids)
    return room


async def handle(client: Any, identity: Any, lateness: Lateness, line: dict[str, Any]) -> None:
    """Make the call of a line, and write its outcome."""
    begun, text, value = time.monotonic(), "", ""
    results: list[Any] = []
    try:
        async with asyncio.timeout(line["cancel"] or line["deadline"]) as limit:
            kind = Kind(line["kind"])
            if kind in ADMISSIONS:
                value, results = await admit(client, identity, line)
            elif kind in JOBS:
                value = await make(client, line)
            else:
                value = await send(client, kind, line["room"], line["raw_id"], line["pause"])
        code = OK
    except TimeoutError as error:
        expected = "CANCELLED" if line["cancel"] else DEADLINE
        code, text = (expected if limit.expired() else UNTYPED), repr(error)
    except AzureError as error:
        code, text = code_of(error).name, f"{error!r} {error}"
    except Exception as error:  # noqa: BLE001 - untyped errors are counted
        code, text = UNTYPED, f"{error!r} {error}"
    seconds = time.monotonic() - begun
    overdue = lateness.overdue(begun, line["deadline"])
    outcome = {"code": code, "text": text, "seconds": seconds, "overdue": overdue, "value": value}
    sys.stdout.write(json.dumps({"id": line["id"], "results": results, **outcome}) + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Serve lines until standard input ends."""
    parts = dict(p.split("=", 1) for p in os.environ["COMMUNICATION_CONNECTION_STRING"].split(";"))
    key = AzureKeyCredential(parts["accesskey"])
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str]()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, "")

    async with (
        RoomsClient(parts["endpoint"], key, api_version="2025-03-13") as client,
        CommunicationIdentityClient(parts["endpoint"], key) as identity,
        Lateness() as late,
    ):
        print("sdk is ready", flush=True)
        threading.Thread(target=read, daemon=True).start()
        running = set()
        while line := await lines.get():
            task = asyncio.ensure_future(handle(client, identity, late, json.loads(line)))
            running.add(task)
            task.add_done_callback(running.discard)


if __name__ == "__main__":
    asyncio.run(main())
