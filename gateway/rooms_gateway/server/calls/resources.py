"""The resources of a gateway as calls find them, and the choice among them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from google.protobuf.descriptor import MethodDescriptor

from rooms_gateway.call import Call
from rooms_gateway.errors import GatewayError, PermissionDeniedError, ResourceUnknownError
from rooms_gateway.server.admission import Admission, ConcurrencyLimiter
from rooms_gateway.server.auth.policy import Caller
from rooms_gateway.server.calls.messages import UnreadResponses
from rooms_gateway.telemetry import logs
from rooms_gateway.upstream.endpoint import Endpoint

METADATA = "rooms-resource"
"""The key of the metadata by which a call names its resource."""

_NAME = re.compile(r"[a-z0-9-]{1,63}")

_OMITTED = f"this gateway has several resources: name one in the metadata {METADATA}"
_UNNAMED = f"this gateway has one resource, without a name: omit the metadata {METADATA}"


class Method(NamedTuple):
    """One RPC on one resource."""

    behavior: Any
    """Called with request and call; grpc's own types know only synchronous handlers."""
    api_version: str
    """That of the REST API behind it."""
    limiter: ConcurrencyLimiter
    unread: UnreadResponses

    @classmethod
    def of(
        cls,
        method: MethodDescriptor,
        behavior: Any,
        api_version: str,
        admission: Admission,
        unread: UnreadResponses,
    ) -> Method:
        """Return the RPC with the slots of `admission`, which `unread` releases."""
        limiter = admission.streams if method.server_streaming else admission.calls
        return cls(behavior, api_version, limiter, unread)


@dataclass(frozen=True, slots=True)
class Served:
    """What serves the calls of a resource that is open."""

    endpoint: Endpoint
    methods: Mapping[str, Method]
    """By `/package.Service/Method`."""
    admission: Admission
    unread: UnreadResponses


class Resource:
    """One named resource, and the number of its calls."""

    def __init__(self, name: str, served: Served | GatewayError) -> None:
        """Start without calls; `served` is their error if the resource is not open."""
        self.name = name
        self.served = served
        self.running = 0
        """Calls in flight."""
        self._idle = asyncio.Event()

    def begin(self) -> Served:
        """Count a call. Raises the error of a resource that is not open."""
        if isinstance(self.served, GatewayError):
            # A new one, because an error collects the tracebacks of all calls that raise it.
            raise type(self.served)(str(self.served))
        self.running += 1
        return self.served

    def end(self) -> None:
        """Record the end of a call."""
        self.running -= 1
        if not self.running:
            self._idle.set()

    async def wait_idle(self) -> None:
        """Return when no call is in flight."""
        while self.running:
            self._idle.clear()
            await self._idle.wait()


class ResourceTable:
    """The resources by name; empty in a gateway with a single one, which has no name."""

    def __init__(self) -> None:
        self.by_name: dict[str, Resource] = {}
        self.default: str | None = None
        """Name of the resource of calls that name none."""

    @property
    def open(self) -> list[Served]:
        """What serves the resources that are open."""
        each = [resource.served for resource in self.by_name.values()]
        return [served for served in each if isinstance(served, Served)]

    def begin(
        self, call: Call, named: tuple[str | bytes, ...], caller: Caller | None
    ) -> tuple[Resource, Served]:
        """Choose the resource of a call, and count the call; its end is to be recorded.

        Raises what `choose` raises, and the error of a resource that is not open.
        """
        resource = self.choose(named, caller)
        call.resource = resource.name
        logs.resource.set(resource.name)
        served = resource.begin()
        call.trace.resource_chosen(resource.name, served.endpoint.host, served.endpoint.port)
        return resource, served

    def choose(self, named: tuple[str | bytes, ...], caller: Caller | None) -> Resource:
        """Return the resource of a call that has `named` in its metadata.

        Raises ResourceUnknownError, and PermissionDeniedError for every name that the policy does
        not allow, whether it exists or not.
        """
        permitted = None if caller is None else caller.resources
        name = _parse(named) if named else self._implied(caller)
        if permitted is not None and name not in permitted:
            raise PermissionDeniedError(
                f"the policy of this gateway does not allow the resource {name} for this caller: "
                "ask the gateway's operator"
            )
        resource = self.by_name.get(name)
        if resource is None:
            raise ResourceUnknownError(
                f"this gateway has no resource {name}: ask its operator"
                if self.by_name or not named
                else _UNNAMED
            )
        return resource

    def _implied(self, caller: Caller | None) -> str:
        """Return the name for a call that has none. Raises ResourceUnknownError."""
        permitted = None
        if caller is not None:
            permitted = caller.resources
            if caller.default_resource is not None:
                return caller.default_resource
        candidates = self.by_name.keys() if permitted is None else permitted
        if self.default is not None and self.default in candidates:
            return self.default
        if len(candidates) == 1:
            return next(iter(candidates))
        raise ResourceUnknownError(_OMITTED)


def _parse(named: tuple[str | bytes, ...]) -> str:
    if len(named) > 1:
        raise ResourceUnknownError(f"more than one {METADATA}: send only one")
    [name] = named
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise ResourceUnknownError(
            f"{METADATA} must be the name of a resource: letters a-z, digits and dashes"
        )
    return name
