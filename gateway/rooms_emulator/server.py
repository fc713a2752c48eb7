"""The emulator as a whole: its parts put together, started and stopped."""

import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random, SystemRandom
from types import TracebackType
from typing import Self

from aiohttp import web

from rooms_emulator import control
from rooms_emulator.auth.access_key import DEVELOPMENT_KEY, AccessKey
from rooms_emulator.auth.callers import BearerRule, Callers
from rooms_emulator.clock import Clock
from rooms_emulator.control import Control
from rooms_emulator.faults.plan import Plan
from rooms_emulator.faults.rules import Faults
from rooms_emulator.http.headers import ResponseHeaders
from rooms_emulator.http.listener import Listener
from rooms_emulator.identity.operations import IdentityOperations
from rooms_emulator.identity.routes import OPERATIONS as IDENTITY_OPERATIONS
from rooms_emulator.identity.service import IdentityService
from rooms_emulator.identity.store import Identities
from rooms_emulator.journal import Journal
from rooms_emulator.rooms import routes
from rooms_emulator.rooms.legacy import LegacyOperations
from rooms_emulator.rooms.repeatability import RememberedCreates
from rooms_emulator.rooms.store import Store
from rooms_emulator.service import Service


class Emulator:
    """An emulator of the Azure Communication Services Rooms REST API.

    It runs in the event loop that starts it, alone or beside its callers, and is its own async
    context manager. Once started it keeps its port, also over a stop and another start, and its
    rooms until ``reset``.

    Args:
        listen: where to listen, ``host:port``; port 0 takes a free one.
        access_key: the key that requests have to be signed with, base64.
        bearer: says which bearer tokens are accepted; by default none is.
        clock: tells the real time in nanoseconds since 1970.
        random: decides ids and delays of writes; give a seeded one for the same run again.
        new_room_id: makes room ids, in the service's form by default.
        date_margin: how far the ``x-ms-date`` of a request may be from the clock, in seconds.
        participants_page_size: how many participants a page holds; all of them by default.
        journal_length: how many requests the journal keeps; ``None`` keeps all.
        legacy: whether to speak api-version 2022-02-01 too, and to take the signatures that the
            clients of that time make over plain http. Production does neither.
        faults: what goes wrong from the start on, and again after a ``reset``.
        fault_seed: decides what is drawn for faults; by default that of ``faults``, or else one
            that is drawn, to be found at ``faults.seed``.
        control_listen: where to serve the control path alone, ``host:port``, so that it can be
            reached while connections are refused; by default nowhere.
        file: where to keep the rooms between runs: read at the start if it is there, written at
            the stop, as a whole or not at all. Ids of repeatable requests are not kept.

    Raises:
        ValueError: ``listen``, ``control_listen`` or ``access_key`` cannot be read, or ``faults``
            names an operation that there is not.

    """

    def __init__(  # noqa: PLR0913 - every one is optional
        self,
        *,
        listen: str = "127.0.0.1:0",
        access_key: str = DEVELOPMENT_KEY,
        bearer: BearerRule | None = None,
        clock: Callable[[], int] = time.time_ns,
        random: Random | None = None,
        new_room_id: Callable[[], str] | None = None,
        date_margin: float = 300.0,
        participants_page_size: int | None = None,
        journal_length: int | None = 1000,
        legacy: bool = False,
        faults: Plan | None = None,
        fault_seed: int | None = None,
        control_listen: str | None = None,
        file: Path | None = None,
    ) -> None:
        self._listener = Listener(listen)
        self._control_listener = None if control_listen is None else Listener(control_listen)
        self._file = file
        random = random or SystemRandom()
        self._clock = Clock(clock)
        self._store = Store(
            self._clock,
            random,
            new_room_id=new_room_id,
            participants_page_size=participants_page_size,
        )
        self._callers = Callers(
            (access_key,),
            lambda key: AccessKey(key, self._clock, date_margin, legacy=legacy),
            bearer,
        )
        self._identities = Identities(random)
        faults = faults or Plan()
        seed = faults.seed if fault_seed is None else fault_seed
        self._faults = Faults(
            (*routes.OPERATIONS, *IDENTITY_OPERATIONS),
            SystemRandom().getrandbits(32) if seed is None else seed,
        )
        self._faults.replace(faults.faults)
        self._journal = Journal(journal_length)
        creates = RememberedCreates()
        self._control = Control(
            store=self._store,
            identities=self._identities,
            creates=creates,
            callers=self._callers,
            faults=self._faults,
            journal=self._journal,
            clock=self._clock,
            plan=Plan(faults.faults, self._faults.seed),
            refuse=self.refuse,
        )
        stamp = ResponseHeaders(self._clock, random)
        self._service = Service(
            callers=self._callers,
            operations=LegacyOperations(self._store, creates, self._clock),
            store=self._store,
            faults=self._faults,
            journal=self._journal,
            clock=self._clock,
            stamp=stamp,
            refuse=self.refuse,
            legacy=legacy,
        )
        self._identity_service = IdentityService(
            self._service, IdentityOperations(self._identities, self._clock), stamp
        )
        self._parts = AsyncExitStack()

    @property
    def endpoint(self) -> str:
        """The address to call, such as ``http://127.0.0.1:8125``, with the port that is used."""
        return self._listener.endpoint

    @property
    def control_endpoint(self) -> str:
        """Where the control path is served, also while connections are refused if it can be."""
        return (self._control_listener or self._listener).endpoint

    @property
    def connection_string(self) -> str:
        """What Communication Services clients are configured with; it holds the access key."""
        return f"endpoint={self.endpoint}/;accesskey={self._callers.keys[0]}"

    @property
    def callers(self) -> Callers:
        """Who is let in: ``callers.keys`` and ``callers.bearer`` may be set at any time."""
        return self._callers

    @property
    def store(self) -> Store:
        """The rooms."""
        return self._store

    @property
    def identities(self) -> Identities:
        """The communication users."""
        return self._identities

    @property
    def faults(self) -> Faults:
        """The faults that strike requests."""
        return self._faults

    @property
    def journal(self) -> Journal:
        """The latest requests."""
        return self._journal

    @property
    def clock(self) -> Clock:
        """The time of the emulated service."""
        return self._clock

    def reset(self) -> None:
        """Make it as at the start: no rooms, identities, faults or requests, real time."""
        self._control.reset()

    def refuse(self, seconds: float) -> None:
        """Refuse connections for so many seconds from now, and close those that there are.

        What is being answered is still answered. 0 seconds end a refusal.
        """
        self._listener.refuse(seconds)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: nobody can listen there, such as because somebody else does already; or the
                file cannot be read.
            RuntimeError: the emulator is running.
            ValueError: the file holds something else.

        """
        if self._listener.is_open:
            raise RuntimeError("the emulator is running already")
        if self._file is not None and self._file.exists():
            self._load(self._file)
        async with AsyncExitStack() as parts:
            await self._listener.start(self._handle)
            parts.push_async_callback(self._listener.stop)
            if self._control_listener is not None:
                await self._control_listener.start(self._control.handle)
                parts.push_async_callback(self._control_listener.stop)
            self._parts = parts.pop_all()

    async def stop(self) -> None:
        """Stop listening, close all connections, and save the rooms; nothing if not running.

        Raises:
            OSError: the file cannot be written.

        """
        running = self._listener.is_open
        await self._parts.aclose()
        if running and self._file is not None:
            self._save(self._file)

    def _load(self, file: Path) -> None:
        try:
            self._store.load(file.read_bytes())
        except ValueError as error:
            raise ValueError(f"{file} does not hold the rooms of an emulator: {error}") from None

    def _save(self, file: Path) -> None:
        fresh = file.with_name(f"{file.name}.{os.getpid()}")
        fresh.write_bytes(self._store.dump())
        fresh.replace(file)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path.startswith(control.PREFIX):
            return await self._control.handle(request)
        if IdentityService.serves(request.raw_path):
            return await self._identity_service.handle(request)
        return await self._service.handle(request)
