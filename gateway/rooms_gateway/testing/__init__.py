"""Gateway and emulator as processes, for tests of services that call the gateway.

Uses their command line and HTTP only, and does not need pytest. `rooms_gateway.pytest_plugin` has
the fixtures (docs/how-to/test-your-failures.md), and `rooms-gateway run` serves tests in other
languages (docs/how-to/test-in-any-language.md).
"""

from __future__ import annotations

from rooms_gateway.testing.control import ControlError
from rooms_gateway.testing.emulator import OrderedFault, RoomsEmulator
from rooms_gateway.testing.gateway import GatewayProcess, RoomsGateway
from rooms_gateway.testing.processes import ProcessError
from rooms_gateway.testing.requests import Effect, Request, Struck

__all__ = [
    "ControlError",
    "Effect",
    "GatewayProcess",
    "OrderedFault",
    "ProcessError",
    "Request",
    "RoomsEmulator",
    "RoomsGateway",
    "Struck",
]
