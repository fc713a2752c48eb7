"""The names that tests of users import, or get as fixtures."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

from rooms_gateway import pytest_plugin, testing

NAMES = [
    (
        testing,
        {
            "ControlError",
            "Effect",
            "GatewayProcess",
            "OrderedFault",
            "ProcessError",
            "Request",
            "RoomsEmulator",
            "RoomsGateway",
            "Struck",
        },
    ),
    (
        pytest_plugin,
        {
            "rooms_emulator",
            "rooms_emulator_control_key",
            "rooms_emulator_options",
            "rooms_gateway",
            "rooms_gateway_options",
        },
    ),
]


@pytest.mark.parametrize(("module", "names"), NAMES, ids=["testing", "pytest_plugin"])
def test_public_names_are_exactly_these(module: ModuleType, names: set[str]) -> None:
    assert len(module.__all__) == len(names)
    assert set(module.__all__) == names


@pytest.mark.parametrize(("module", "names"), NAMES, ids=["testing", "pytest_plugin"])
def test_each_public_name_has_a_docstring(module: ModuleType, names: set[str]) -> None:
    """Also the public methods of classes; an inherited docstring does not count."""
    for name in names:
        value = getattr(module, name)
        assert value.__doc__
        for member, method in vars(value).items() if inspect.isclass(value) else ():
            if inspect.isfunction(method) and not member.startswith("_"):
                assert method.__doc__, f"{name}.{member}"
