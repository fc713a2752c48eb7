"""The examples for CI, by the published schemas of their systems; their commands run."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy.manifests import DEPLOY, IMAGE
from support.commands import free_addresses, run, started

from rooms_emulator import DEVELOPMENT_KEY
from rooms_emulator.command import CONTROL_KEY_VARIABLE

GITHUB, GITLAB = DEPLOY / "ci/github-actions.yaml", DEPLOY / "ci/gitlab-ci.yaml"
SCHEMAS = {GITHUB: "vendor.github-workflows", GITLAB: "vendor.gitlab-ci"}


def validated(path: Path, schema: str) -> int:
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [str(program), "--builtin-schema", schema, str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode


def job(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    found: dict[str, Any] = content["jobs"]["tests"] if path == GITHUB else content["tests"]
    return found


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_example_conforms_to_its_schema(path: Path, tmp_path: Path) -> None:
    """A copy with a misspelled key does not."""
    assert validated(path, SCHEMAS[path]) == 0
    wrong = tmp_path / path.name
    wrong.write_text(path.read_text(encoding="utf-8").replace("command:", "comand:"))
    assert validated(wrong, SCHEMAS[path]) == 1


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
async def test_job_controls_its_emulator(path: Path) -> None:
    """The service is this version, and the command of the job runs as written, on a free port."""
    tests = job(path)
    if path == GITHUB:
        service, variables = tests["services"]["emulator"], tests["env"]
        arguments, commands = shlex.split(service["command"]), [tests["steps"][0]["run"]]
        environment = service["env"]
        assert service["ports"] == ["8125:8125"]
    else:
        [service] = tests["services"]
        variables, arguments, commands = tests["variables"], service["command"], tests["script"]
        environment = variables
    image = service["image"] if path == GITHUB else service["name"]
    assert image.endswith(f"/{IMAGE}")
    assert variables["CONNECTION_STRING"].endswith(f":8125/;accesskey={DEVELOPMENT_KEY}")
    assert environment[CONTROL_KEY_VARIABLE] == variables[CONTROL_KEY_VARIABLE]
    [address] = free_addresses(1)
    port = address.rpartition(":")[2]
    real = [argument.replace("8125", port) for argument in arguments]
    async with started(*real, env=environment) as process:
        await process.line("(endpoint=.*)")
        for command in commands:
            typed = command.replace("emulator:8125", address).replace("127.0.0.1:8125", address)
            done = await run("-ec", typed, program="sh", env=variables)
            assert (done.code, done.out) == (0, '{"id":1}'), done.err
