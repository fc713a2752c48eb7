"""The Compose file, by the loader and schema of the Compose specification."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from deploy.manifests import DEPLOY, IMAGE
from support.commands import free_addresses, invoke, started
from support.paths import ROOT
from support.tools import TOOLS

from rooms_emulator import DEVELOPMENT_KEY
from rooms_emulator.command import CONTROL_KEY_VARIABLE as KEY
from rooms_gateway.testing.control import Control, ControlError

FILE = DEPLOY / "compose/compose.yaml"

pytestmark = pytest.mark.needs("compose-go")


def load(path: Path) -> subprocess.CompletedProcess[str]:
    command = [str(TOOLS / "compose-go"), "--format=json", str(path)]
    return subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)


def services() -> dict[str, Any]:
    done = load(FILE)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


def test_file_conforms_to_the_specification(tmp_path: Path) -> None:
    """Its loader rejects a copy with a misspelled key."""
    assert services().keys() == {"gateway", "emulator"}
    wrong = tmp_path / "compose.yaml"
    text = FILE.read_text(encoding="utf-8").replace("network_mode", "networkmode")
    wrong.write_text(text, encoding="utf-8")
    done = load(wrong)
    assert done.returncode == 1
    assert "networkmode" in done.stderr


@pytest.mark.proves("S72")
def test_services_run_this_version_unprivileged() -> None:
    for service in services().values():
        assert service["image"] == IMAGE
        assert Path(service["build"]["context"]) == ROOT
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["user"] == "65532:65532"


def test_published_ports_are_on_loopback() -> None:
    found = services()
    ports = found["emulator"]["ports"]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    listened = [
        found["emulator"]["command"][1].removeprefix("--listen="),
        found["gateway"]["environment"]["ROOMS_GATEWAY_LISTEN"],
    ]
    assert [f"0.0.0.0:{port['target']}" for port in ports] == listened
    assert found["gateway"]["network_mode"] == "service:emulator"


def test_gateway_has_the_address_of_the_emulator() -> None:
    found = services()
    gateway = found["gateway"]
    port = found["emulator"]["ports"][0]["target"]
    connection = f"endpoint=http://127.0.0.1:{port}/;accesskey={DEVELOPMENT_KEY}"
    assert gateway["environment"]["ROOMS_GATEWAY_CONNECTION_STRING"] == connection
    done = invoke(*gateway["command"], "--config-test", env=gateway["environment"])
    assert (done.code, done.err) == (0, "")


def test_health_check_is_that_of_the_image() -> None:
    for service in services().values():
        assert "test" not in service.get("healthcheck", {})


async def test_host_controls_the_emulator_with_the_key() -> None:
    """The key in the file is a default, which is long enough."""
    emulator = services()["emulator"]
    [address] = free_addresses(1)
    port = address.rpartition(":")[2]
    command = [argument.replace("8125", port) for argument in emulator["command"]]
    async with started(*command, env=emulator["environment"]) as process:
        await process.line("(endpoint=.*)")
        control = Control(f"http://{address}", emulator["environment"][KEY])
        await asyncio.to_thread(control.call, "POST", "reset")
        with pytest.raises(ControlError, match="requires the control key"):
            await asyncio.to_thread(Control(f"http://{address}").call, "POST", "reset")
    assert f"{KEY}: ${{{KEY}:-{emulator['environment'][KEY]}}}\n" in FILE.read_text("utf-8")
