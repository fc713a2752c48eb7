"""Pages on monitoring and credentials: commands run as written, and error texts are exact."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from support.commands import COMMAND, Finished, free_addresses, run

PAGES = Path(__file__).parents[2] / "docs/how-to"
EMULATOR, GATEWAY, ADMIN = "127.0.0.1:8125", "127.0.0.1:50051", "127.0.0.1:9464"
CONTOSO = "https://contoso.communication.azure.com"


def page(name: str) -> str:
    return PAGES.joinpath(name).read_text(encoding="utf-8")


def block(text: str, heading: str) -> str:
    """Return the first shell commands below a heading."""
    found = re.search(r"^```sh\n(.*?)^```$", text.partition(heading)[2], re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


async def typed(commands: str, folder: Path) -> Finished:
    """Run `commands` as a user types them, on free ports; end what runs in the background."""
    emulator, gateway, admin = free_addresses(3)
    for written, real in ((EMULATOR, emulator), (ADMIN, admin)):
        commands = commands.replace(written, real)
    env = {
        "PATH": os.pathsep.join([str(Path(COMMAND).parent), os.environ["PATH"]]),
        "ROOMS_GATEWAY_LISTEN": gateway,
        "ROOMS_GATEWAY_ADDRESS": gateway,
        "ROOMS_GATEWAY_LOG_FORMAT": "console",
    }
    script = f"cd '{folder}'\ntrap 'kill $(jobs -p); wait' EXIT\n{commands}"
    return await run("-ec", script, program="bash", env=env)


async def test_probes_and_metrics_respond(tmp_path: Path) -> None:
    done = await typed(block(page("observe.md"), "# Monitor the gateway"), tmp_path)
    assert done.code == 0, done.err
    assert "\nready\n# HELP" in done.out
    assert "grpc_server_started_total" in done.out


async def test_a_rotated_key_costs_one_attempt(tmp_path: Path) -> None:
    done = await typed(block(page("rotate-keys.md"), "## Try it without Azure"), tmp_path)
    assert done.code == 0, done.err
    [first, second] = re.findall(r"code=OK .*attempts=(\d)", done.err)
    assert (first, second) == ("1", "2")
    text = page("rotate-keys.md").partition("A gateway logs:")[2]
    switched = re.findall(r"^WARNING (.*)$", text, re.MULTILINE)[0]
    assert f"WARNING {switched}\n" in done.err


async def test_error_of_a_key_file_is_as_on_the_page(tmp_path: Path) -> None:
    """At startup, where the error has the same text as at a reload."""
    (tmp_path / "access-key").write_text("not-base64!\n")
    done = await run("serve", "--endpoint", CONTOSO, "--access-key-file", tmp_path / "access-key")
    assert done.code == 2
    logged = r"access_keys access-key: (.*); keeping the current access keys\n"
    [shown] = re.findall(logged, page("rotate-keys.md"))
    assert shown in done.err


@pytest.mark.parametrize(
    "sitecustomize",
    ["", "import sys\nsys.modules['azure.identity'] = None\n"],
    ids=["no token file", "no library"],
)
async def test_startup_errors_of_entra_id_are_exact(tmp_path: Path, sitecustomize: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(sitecustomize)
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    arguments = ("serve", "--endpoint", CONTOSO, "--entra", "workload-identity")
    env = {"PYTHONPATH": paths, "AZURE_FEDERATED_TOKEN_FILE": ""}
    done = await run("-m", "rooms_gateway", *arguments, program=sys.executable, env=env)
    assert done.code == 4
    assert done.err in page("workload-identity.md")
