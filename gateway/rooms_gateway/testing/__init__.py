"""The emulator and the gateway as processes, for tests of services that call them.

Knows both by their command line and their HTTP alone, and needs no pytest; the fixtures are in
``gateway.pytest_plugin``. See ``docs/how-to/test-your-failures.md``.
"""

from gateway.testing.control import ControlError
from gateway.testing.emulator import OrderedFault, RoomsEmulator
from gateway.testing.gateway import RoomsGateway
from gateway.testing.processes import ProcessFailed
from gateway.testing.requests import Effect, Request, Struck

__all__ = [
    "ControlError",
    "Effect",
    "OrderedFault",
    "ProcessFailed",
    "Request",
    "RoomsEmulator",
    "RoomsGateway",
    "Struck",
]
