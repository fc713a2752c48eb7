"""`rooms-gateway run` with the test runners of other languages, as its page describes them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.commands import accepts_connections
from support.gateways import until
from support.go_module import go_environment
from support.maven import Page, create_project
from support.npm import consumer
from support.paths import ROOT
from support.texts import blocks
from support.walks import code_of, shell

PAGES = ROOT / "docs/how-to"
PAGE = PAGES / "test-in-any-language.md"
TEXT = PAGE.read_text(encoding="utf-8")
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

pytestmark = pytest.mark.timeout(600)


def fails_without(name: str, command: str, folder: Path, env: Mapping[str, str]) -> bool:
    """Return whether the command of a run fails if the variable is unset."""
    unset = command.replace(" -- ", f" -- env -u {name} ", 1)
    done = subprocess.run(
        ["sh", "-ec", unset],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        check=False,
    )
    return done.returncode != 0


@pytest.mark.needs("client-go")
def test_go(tmp_path: Path) -> None:
    (tmp_path / "rooms_test.go").write_text(code_of(PAGE, "go"), "utf-8")
    env = {**go_environment(), "PATH": PATH}
    [commands] = [each for each in blocks(TEXT, "sh") if each.startswith("go mod")]
    assert re.match(r"ok\s+example.com/rooms\s", shell(commands, tmp_path, env))
    last = commands.splitlines()[-1]
    assert "(cached)" not in shell(last, tmp_path, env)
    assert fails_without("ROOMS_GATEWAY_ADDRESS", last, tmp_path, env)


@pytest.mark.needs("client-java")
def test_java(tmp_path: Path) -> None:
    dependency, plugin = blocks(TEXT, "xml")
    pom = Page("java", program="").files["pom.xml"]
    end = "  </dependencies>\n"
    pom = pom.replace(end, f"{dependency}{end}\n{plugin}")
    create_project(
        tmp_path, {"pom.xml": pom, "src/test/java/RoomsTest.java": code_of(PAGE, "java")}
    )
    command = code_of(PAGE, "bash")
    shell(command, tmp_path, {"PATH": PATH})
    [report] = tmp_path.glob("target/surefire-reports/TEST-*.xml")
    assert 'tests="1" errors="0" skipped="0" failures="0"' in report.read_text("utf-8")
    assert fails_without("ROOMS_GATEWAY_ADDRESS", command, tmp_path, {"PATH": PATH})


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the package, the test files of the page, and its script `test`."""
    folder = consumer(PAGES / "clients/node.md", tmp_path_factory.mktemp("node"))
    (folder / "rooms.test.mjs").write_text(code_of(PAGE, "js"), "utf-8")
    (folder / "gateway.test.mjs").write_text(code_of(PAGE, "javascript"), "utf-8")
    return folder


@pytest.mark.needs("client-node")
def test_node(node: Path) -> None:
    env = {"PATH": PATH}
    [command] = re.findall(r'"test": "(.*)"', code_of(PAGE, "json"))
    assert f"`{command}`" in TEXT
    out = shell(command, node, env)
    assert "# pass 2\n" in out
    assert fails_without("ROOMS_GATEWAY_ADDRESS", command, node, env)


@pytest.mark.needs("client-node")
def test_gateway_in_a_node_test_file(node: Path) -> None:
    assert "# pass 1\n" in shell("node --test gateway.test.mjs", node, {"PATH": PATH})


@pytest.mark.needs("client-node")
@pytest.mark.parametrize(
    ("path", "flags", "message"),
    [
        (PATH, '["--gateway-options", "--max-attempts 0"]', "ended with exit code 125"),
        (PATH, '["--no-such-flag"]', "ended with exit code 2"),
        ("/usr/bin:/bin", "[]", "spawn rooms-gateway ENOENT"),
    ],
)
def test_gateway_that_does_not_start_rejects(
    path: str, flags: str, message: str, node: Path
) -> None:
    start = f"await startGateway({flags}).catch((error) => console.log(error.message))"
    assert message in shell(program(start), node, {"PATH": path})


@pytest.mark.needs("client-node")
async def test_gateway_ends_with_a_killed_node(node: Path) -> None:
    start = "console.log((await startGateway()).address); process.kill(process.pid, 'SIGKILL')"
    address = shell(f"{program(start)} || true", node, {"PATH": PATH}).strip()
    assert address
    await until(lambda: not accepts_connections(address))


def program(statement: str) -> str:
    """Return a command that runs a statement with `startGateway` in Node."""
    imported = 'import { startGateway } from "rooms-gateway-client/testing"'
    return f"node --input-type=module -e {shlex.quote(f'{imported}; {statement};')}"
