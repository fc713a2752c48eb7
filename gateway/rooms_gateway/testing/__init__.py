"""The emulator and the gateway as processes, for tests of services that call them.

Knows both by their command line and their HTTP alone, and needs no pytest; the fixtures are in
``rooms_gateway.pytest_plugin``. See ``docs/how-to/test-your-failures.md``.
"""

from rooms_gateway.testing.control import ControlError
from rooms_gateway.testing.emulator import OrderedFault, RoomsEmulator
from rooms_gateway.testing.gateway import RoomsGateway
from rooms_gateway.testing.processes import ProcessError
from rooms_gateway.testing.requests import Effect, Request, Struck

__all__ = [
    "ControlError",
    "Effect",
    "OrderedFault",
    "ProcessError",
    "Request",
    "RoomsEmulator",
    "RoomsGateway",
    "Struck",
]
