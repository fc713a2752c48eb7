"""The Compose file, by the loader and schema of the Compose specification."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from deploy.manifests import DEPLOY, IMAGE
from support.commands import invoke, run, started
from support.paths import ROOT
from support.tools import TOOLS

from rooms_emulator import DEVELOPMENT_KEY

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


async def test_health_check_fails_without_an_emulator() -> None:
    _, program, *arguments = services()["emulator"]["healthcheck"]["test"]
    assert program == "python"
    async with started("emulator", "--listen", "127.0.0.1:0") as emulator:
        address = await emulator.line(r"rooms-gateway emulator is ready on http://127.0.0.1:(\d+)")
        command = [argument.replace("8125", address) for argument in arguments]
        assert await python(command) == 0
    assert await python(command) == 1


async def python(arguments: list[str]) -> int:
    return (await run(*arguments, program=sys.executable)).code
