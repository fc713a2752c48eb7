"""The methods of a server, as generated code registers them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import grpc


class Method(NamedTuple):
    """How the calls of a method are served."""

    behavior: Callable[..., Any]
    """A coroutine function, or an asynchronous generator function."""
    streams_requests: bool
    streams_responses: bool
    yields: bool
    """Whether the behavior is an asynchronous generator function."""
    deserialize: Callable[[bytes], Any] | None
    serialize: Callable[[Any], bytes] | None


class Methods:
    """Finds the method of a path. Handlers are asked in the order in which they were added."""

    def __init__(self) -> None:
        self._registered: dict[str, Any] = {}
        self._generic: list[grpc.GenericRpcHandler] = []
        self._found: dict[bytes, Method] = {}

    def add_generic(self, handlers: Iterable[Any]) -> None:
        """Add handlers that know the methods of a path."""
        self._generic.extend(handlers)

    def add_registered(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Add the handlers of a service, by the names of its methods."""
        self._registered.update({f"/{service}/{name}": each for name, each in handlers.items()})

    def find(self, path: bytes, metadata: tuple[tuple[str, str | bytes], ...]) -> Method | None:
        """Return the method of `path`; None if there is none."""
        method = self._found.get(path)
        if method is None:
            name = path.decode("latin-1")
            handler = self._registered.get(name) or self._ask(name, metadata)
            if handler is None:
                return None
            # Only methods that exist, so that clients cannot fill the memory with names.
            method = self._found[path] = _method_of(handler)
        return method

    def _ask(self, path: str, metadata: tuple[tuple[str, str | bytes], ...]) -> Any:
        details = _Details(path, metadata)
        for handler in self._generic:
            found = handler.service(details)
            if found is not None:
                return found
        return None


class _Details(grpc.HandlerCallDetails):
    def __init__(self, method: str, metadata: tuple[tuple[str, str | bytes], ...]) -> None:
        self.method = method
        self.invocation_metadata = metadata


def _method_of(handler: Any) -> Method:
    behavior = (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )
    called = behavior if inspect.isroutine(behavior) else type(behavior).__call__
    yields = inspect.isasyncgenfunction(called)
    return Method(
        behavior,
        handler.request_streaming,
        handler.response_streaming,
        yields,
        handler.request_deserializer,
        handler.response_serializer,
    )
