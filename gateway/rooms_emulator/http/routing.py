"""Routing of requests to operations, by method and path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import unquote

from rooms_emulator import problems
from rooms_emulator.http.messages import Response

Operations = TypeVar("Operations")
Call = TypeVar("Call")


@dataclass(frozen=True, slots=True)
class Route(Generic[Operations, Call]):
    """One operation of a REST API."""

    method: str
    path: str
    """Path template; `{}` is one segment with the id of a resource."""
    operation: str
    """Name of the operation in the journal and in faults."""
    run: Callable[[Operations, Call], Response]
    media_type: str | None = None
    """Required media type of the body; None if the body is not read, or is optional."""


@dataclass(frozen=True, slots=True)
class Match(Generic[Operations, Call]):
    """Result of routing one request."""

    route: Route[Operations, Call] | None = None
    """None if the path is unknown or does not have the method."""
    resource_id: str = ""
    """Decoded id in the path; empty if the path has none."""
    allowed: tuple[str, ...] = ()
    """Methods of the path; empty if the path is unknown."""

    @property
    def operation(self) -> str:
        """Name of the operation; empty if there is none."""
        return self.route.operation if self.route else ""

    def require(self) -> Route[Operations, Call]:
        """Return the route. Raises ServiceError with status 404 or 405 if there is none."""
        if self.route is not None:
            return self.route
        raise problems.no_operation(self.allowed)


class Router(Generic[Operations, Call]):
    """Finds the route of a request among the routes of one API."""

    def __init__(self, routes: Iterable[Route[Operations, Call]]) -> None:
        by_path: dict[str, dict[str, Route[Operations, Call]]] = {}
        for route in routes:
            by_path.setdefault(route.path, {})[route.method] = route
        self._paths = [
            (re.compile(path.replace("{}", "([^/]+)")), methods)
            for path, methods in by_path.items()
        ]

    def find(self, method: str, path: str) -> Match[Operations, Call]:
        """Route a method and a path, which is as on the request line, not decoded."""
        for pattern, methods in self._paths:
            if match := pattern.fullmatch(path):
                resource_id = unquote(match[1]) if pattern.groups else ""
                return Match(methods.get(method), resource_id, tuple(methods))
        return Match()
