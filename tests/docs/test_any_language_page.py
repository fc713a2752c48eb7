"""docs/how-to/test-in-any-language.md: its commands, and the containers of Testcontainers.

There is no container engine: the command of the container runs as a process. tests/clients runs
the programs in Go, Java and Node.
"""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path

import pytest
from deploy.manifests import IMAGE
from support.commands import COMMAND, free_addresses, run, started
from support.paths import ROOT
from support.texts import examples, stable
from support.walks import code_of

PAGE = ROOT / "docs/how-to/test-in-any-language.md"
TEXT = PAGE.read_text(encoding="utf-8")
PATH = {"PATH": os.pathsep.join([str(Path(COMMAND).parent), os.environ["PATH"]])}
PORTS = (50051, 8126)


def without_ports(text: str) -> str:
    return re.sub(r"\b127\.0\.0\.1:\d+", "127.0.0.1:PORT", stable(text))


@pytest.mark.parametrize(("command", "output"), examples(TEXT), ids=lambda text: text[:40])
async def test_command_prints_what_the_page_shows(command: str, output: str) -> None:
    done = await run("-c", f"exec 2>&1; {command}", program="bash", env=PATH)
    assert without_ports(done.out) == without_ports(output)


async def test_log_is_appended_to_the_file(tmp_path: Path) -> None:
    [command] = [
        line
        for line in code_of(PAGE, "sh").splitlines()
        if line.startswith("rooms-gateway run --log")
    ]
    script = command.replace("npm test", "rooms-gateway rooms create")
    done = await run("-c", f"cd '{tmp_path}' && {script}", program="bash", env=PATH)
    assert done.code == 0, done.err
    assert re.search("CreateRoom.* code=OK", (tmp_path / "gateway.log").read_text("utf-8"))


def command_of_container(text: str) -> list[str]:
    """Return the command in a program for Testcontainers."""
    match = re.search(r"\.?[wW]ith_?[cC]ommand\(\s*(\[.*?\])", text, re.DOTALL)
    assert match is not None
    found: list[str] = ast.literal_eval(match[1])
    return found


@pytest.mark.parametrize("language", ["ts", "python"])
def test_container_has_image_ports_and_message(language: str) -> None:
    program = code_of(PAGE, language)
    if language == "python":
        compile(program, PAGE, "exec")
    assert re.findall(r'Container\("(.*?)"\)', program) == [IMAGE]
    [ports] = re.findall(r"[eE]xposed_?[pP]orts\((.*?)\)", program)
    assert tuple(json.loads(f"[{ports}]")) == PORTS
    [message] = re.findall(r'LogMessage\w*\("(.*?)"\)', program)
    assert f"echo {message} " in command_of_container(program)[-1]
    assert command_of_container(program) == command_of_container(code_of(PAGE, "ts"))
    assert f"docker build -t {IMAGE} ." in TEXT


async def test_command_of_the_container_serves_both_ports() -> None:
    [gateway, control] = free_addresses(2)
    arguments = command_of_container(code_of(PAGE, "ts"))
    for port, address in zip(PORTS, (gateway, control), strict=True):
        arguments = [each.replace(f"0.0.0.0:{port}", address) for each in arguments]
    async with started(*arguments) as container:
        assert await container.line("(ready)")
        url = f"http://{control}/_emulator/quotas"
        assert (await run("-sf", url, program="curl")).out == '{"quotas":[]}'
        done = await run("rooms", "create", "--address", gateway)
        assert done.code == 0, done.err
        # A container engine stops a container with SIGTERM.
        container.process.terminate()
        assert await container.exit_code() == 143
