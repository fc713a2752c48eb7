"""The emulator as a whole: connects its parts, starts and stops them."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path
from random import Random, SystemRandom
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from aiohttp import web

from rooms_emulator import control
from rooms_emulator.auth.access_key import DEVELOPMENT_KEY
from rooms_emulator.auth.authenticator import Authenticator, BearerRule
from rooms_emulator.clock import Clock
from rooms_emulator.completion import Completion
from rooms_emulator.control import ControlApi
from rooms_emulator.control_access import ControlAccess
from rooms_emulator.faults.plan import FaultPlan
from rooms_emulator.faults.rules import Faults
from rooms_emulator.http import wire
from rooms_emulator.http.addresses import split_host_port
from rooms_emulator.http.headers import ResponseHeaders
from rooms_emulator.http.listener import Listener
from rooms_emulator.http.origins import Origins
from rooms_emulator.identity import routes as identity_routes
from rooms_emulator.identity.operations import IdentityOperations
from rooms_emulator.identity.service import IdentityService
from rooms_emulator.identity.store import Identities
from rooms_emulator.journal import Journal
from rooms_emulator.output.access_log import Access
from rooms_emulator.page import document
from rooms_emulator.quotas.limits import Quotas
from rooms_emulator.rooms import routes as rooms_routes
from rooms_emulator.rooms.legacy.operations import LegacyOperations
from rooms_emulator.rooms.repeatability import RememberedCreates
from rooms_emulator.rooms.service import RoomsService
from rooms_emulator.rooms.store import Store
from rooms_emulator.service import RequestPipeline
from rooms_emulator.state.file import StateFile


class Emulator:
    """An emulator of the Rooms and Identity REST APIs of Azure Communication Services.

    It runs in the event loop that starts it and is an async context manager. It keeps its port
    from the first start on, and rooms and users until `reset`, also between shutdown and the next
    start.

    - `listen`: address to listen on, `host:port`; port 0 selects a free port.
    - `access_key`: key that requests must be signed with, base64.
    - `bearer`: predicate on bearer tokens; by default none is accepted.
    - `clock`: returns the real time in nanoseconds since 1970.
    - `random`: source of ids; a seeded one makes runs reproducible.
    - `new_room_id`: generator of room ids; by default ids in the service's form.
    - `date_margin`: largest accepted difference of the signed date to the clock, in seconds.
    - `participants_page_size`: number of participants in a page; by default all.
    - `room_retention`: time from the end of its window after which a room is deleted, in seconds
      of the emulator's clock; by default rooms are kept.
    - `journal_length`: number of requests that the journal keeps; None keeps all.
    - `legacy`: support api-version 2022-02-01 too, and the signatures that its clients make over
      plain HTTP. Production supports neither.
    - `faults`: faults at the start, which `reset` restores.
    - `fault_seed`: seed of the draws for faults; by default that of `faults`, or a random one,
      which `faults.seed` returns.
    - `quotas`: quotas at the start, such as `CreateRoom=100/1s`, which `reset` restores, unused.
    - `control_listen`: additional address for the control API alone, `host:port`; it stays
      reachable while the emulator refuses connections. By default there is none.
    - `control_key`: key that requests to the control API must have, 16 to 256 visible ASCII
      characters; by default none.
    - `control_allow_remote`: accept control requests of other hosts too; needs `control_key`.
    - `file`: file that keeps rooms, users, their resource and the ids of repeatable requests
      between runs. Each change is on the disk before its response is sent; changes by Python code
      are with the next response, and at shutdown.
    - `access_log`: called with each request when its response is ready.
    - `tls`: context of a server with a certificate, such as that of `DevelopmentTls`; all
      addresses then serve HTTPS only.
    - `public_url`: origin of `connection_string` and of the links in lists, such as
      `https://rooms.test:8443`; by default links have the origin that the request was sent to.
    - `trust_forwarded`: take that origin from `Forwarded` and `X-Forwarded-*`, which a proxy sets.

    Raises ValueError if an address, a URL, a key or a quota is malformed, `faults` or `quotas`
    names an unknown operation, two quotas have the same name, or `control_allow_remote` is set
    without `control_key`.
    """

    def __init__(
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
        room_retention: float | None = None,
        journal_length: int | None = 1000,
        legacy: bool = False,
        faults: FaultPlan | None = None,
        fault_seed: int | None = None,
        quotas: Iterable[str] = (),
        control_listen: str | None = None,
        control_key: str | None = None,
        control_allow_remote: bool = False,
        file: str | Path | None = None,
        access_log: Callable[[Access], None] | None = None,
        tls: ssl.SSLContext | None = None,
        public_url: str | None = None,
        trust_forwarded: bool = False,
    ) -> None:
        self._listener = Listener(listen, tls)
        self._control_listener = None if control_listen is None else Listener(control_listen, tls)
        self._origins = Origins(public_url, trust_forwarded=trust_forwarded)
        random = random or SystemRandom()
        self._clock = Clock(clock)
        self._store = Store(
            self._clock,
            random,
            new_room_id=new_room_id,
            participants_page_size=participants_page_size,
            retention=room_retention,
        )
        self._authenticator = Authenticator(
            (access_key,), self._clock, bearer, date_margin=date_margin, legacy=legacy
        )
        self._identities = Identities(random)
        creates = RememberedCreates()
        self._file = (
            None if file is None else StateFile(file, self._store, self._identities, creates)
        )
        plan = faults or FaultPlan()
        seed = plan.seed if fault_seed is None else fault_seed
        operations = (*rooms_routes.OPERATIONS, *identity_routes.OPERATIONS)
        self._faults = Faults(
            operations,
            SystemRandom().getrandbits(32) if seed is None else seed,
        )
        self._faults.replace(plan.faults)
        families = {**rooms_routes.OPERATION_FAMILIES, **identity_routes.OPERATION_FAMILIES}
        self._quotas = Quotas(operations, families, self._clock)
        self._quotas.replace(quotas)
        self._journal = Journal(journal_length)
        hosts = {split_host_port(address)[0] for address in (listen, control_listen) if address}
        if public_url is not None:
            hosts.add(urlsplit(public_url).hostname or "")
        self._control_access = ControlAccess(
            control_key, control_allow_remote, frozenset(map(str.lower, hosts))
        )
        self._control = ControlApi(
            store=self._store,
            identities=self._identities,
            creates=creates,
            authenticator=self._authenticator,
            faults=self._faults,
            quotas=self._quotas,
            journal=self._journal,
            clock=self._clock,
            plan=FaultPlan(plan.faults, self._faults.seed),
            refuse=self.refuse,
            access=self._control_access,
        )
        pipeline = RequestPipeline(
            authenticator=self._authenticator,
            store=self._store,
            faults=self._faults,
            quotas=self._quotas,
            journal=self._journal,
            clock=self._clock,
            origins=self._origins,
            refuse=self.refuse,
            save=self._save,
        )
        response_headers = ResponseHeaders(
            self._clock, random, https=tls is not None or self._origins.may_be_https
        )
        self._rooms = RoomsService(
            pipeline,
            LegacyOperations(self._store, creates, self._clock),
            response_headers,
            legacy=legacy,
        )
        self._identity = IdentityService(
            pipeline, IdentityOperations(self._identities, self._clock), response_headers
        )
        self._page = document.response()
        self._completion = Completion(self._save, access_log)
        self._running = AsyncExitStack()

    @property
    def endpoint(self) -> str:
        """The address to call, such as `http://127.0.0.1:8125`, with the actual port."""
        return self._listener.endpoint

    @property
    def control_endpoint(self) -> str:
        """The address of the control API: that of `control_listen`, or else `endpoint`."""
        return (self._control_listener or self._listener).endpoint

    @property
    def control_access(self) -> ControlAccess:
        """Which requests may use the control API."""
        return self._control_access

    @property
    def connection_string(self) -> str:
        """The connection string for Communication Services clients; it contains the access key."""
        endpoint = self._origins.public or self.endpoint
        return f"endpoint={endpoint}/;accesskey={self._authenticator.keys[0]}"

    @property
    def authenticator(self) -> Authenticator:
        """The accepted credentials: `keys` and `bearer`, both of which can be set at any time."""
        return self._authenticator

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
        """The faults to inject."""
        return self._faults

    @property
    def quotas(self) -> Quotas:
        """The quotas of operations."""
        return self._quotas

    @property
    def journal(self) -> Journal:
        """The latest requests."""
        return self._journal

    @property
    def clock(self) -> Clock:
        """The clock of the emulated services."""
        return self._clock

    def reset(self) -> None:
        """Restore the initial state, without rooms, users and requests."""
        self._control.reset()

    def refuse(self, seconds: float) -> None:
        """Refuse new connections for `seconds`, and close the existing ones.

        Requests in flight get their responses. 0 ends a refusal.
        """
        self._listener.refuse(seconds)

    async def start(self) -> None:
        """Load the file, if there is one, and listen.

        Raises OSError if an address cannot be bound, RuntimeError if the emulator is running, and
        StateFileError, a ValueError, if the file is malformed, in use or not writable.
        """
        if self._listener.is_open:
            raise RuntimeError("the emulator is already running")
        async with AsyncExitStack() as started:
            if self._file is not None:
                self._file.open()
                started.push_async_callback(self._file.close)
            await self._listener.start(self._handle)
            started.push_async_callback(self._listener.stop)
            if self._control_listener is not None:
                await self._control_listener.start(self._handle_control)
                started.push_async_callback(self._control_listener.stop)
            self._running = started.pop_all()

    async def stop(self) -> None:
        """Stop listening, close all connections, and save the state. Does nothing if not running.

        Raises StateFileError if the file cannot be written.
        """
        await self._running.aclose()

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
            return await self._handle_control(request)
        if IdentityService.serves(request.raw_path):
            return await self._completion.respond(request, self._identity.handle)
        return await self._completion.respond(request, self._rooms.handle)

    async def _handle_control(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path == control.HEALTH and request.method == "GET":
            return web.Response(status=HTTPStatus.NO_CONTENT)
        path = request.raw_path.partition("?")[0]
        if request.method == "GET" and path == control.PREFIX:
            return await wire.send(request, self._page)
        if path == control.OVERVIEW:
            # Without a line in the access log: the page polls it.
            return await self._control.handle(request)
        return await self._completion.respond(request, self._control.handle)

    async def _save(self) -> None:
        if self._file is not None:
            await self._file.save()
