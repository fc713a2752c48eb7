"""The commands of `docs/how-to/several-processes.md` print what the page shows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.commands import COMMAND, PATIENCE, free_addresses, run, started
from support.gateways import until
from support.paths import ROOT
from support.texts import examples, stable

PAGE = ROOT / "docs/how-to/several-processes.md"
TEXT = PAGE.read_text(encoding="utf-8")
INSTALL, RESTART = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
PATH = os.pathsep.join([str(Path(COMMAND).parent), os.environ["PATH"]])
EMULATOR, GATEWAY, *ADMINS = ADDRESSES = [f"127.0.0.1:{port}" for port in (8125, 50051, 9464, 9465)]


def with_addresses(text: str, addresses: Mapping[str, str]) -> str:
    for one, other in addresses.items():
        text = text.replace(one, other)
    return text


async def test_commands_print_what_the_page_shows() -> None:
    real = dict(zip(ADDRESSES, free_addresses(len(ADDRESSES)), strict=True))
    shown = {address: name for name, address in real.items()}
    env = {
        "PATH": PATH,
        "ROOMS_GATEWAY_LISTEN": real[GATEWAY],
        "ROOMS_GATEWAY_ADDRESS": real[GATEWAY],
    }
    async with AsyncExitStack() as parts:
        for command, expected in examples(TEXT):
            typed = with_addresses(command, real)
            if typed.endswith(" &"):
                arguments = shlex.split(typed.removesuffix(" &"))[1:]
                if arguments[0] == "emulator":
                    arguments += ["--listen", real[EMULATOR]]
                running = await parts.enter_async_context(started(*arguments, env=env))
                lines = expected.count("\n")
                await until(lambda: running.out.count("\n") >= lines or running.ended, PATIENCE)  # noqa: B023 - awaited here
                printed = running.out
                if arguments[0] == "emulator":
                    env["COMMUNICATION_CONNECTION_STRING"] = printed.splitlines()[-1]
            else:
                done = await run("-c", typed, program="bash", env=env)
                printed = done.out + done.err
            assert stable(with_addresses(printed, shown)) == stable(expected), command


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_installed_template_passes_systemd_verify(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("systemctl", "systemd-sysusers"):
        # systemd may not run here, and a test must not change it.
        (tools / tool).write_text(f'#!/bin/sh\necho {tool} "$@" >> {tmp_path}/calls\n')
        (tools / tool).chmod(0o755)
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    script = INSTALL.replace("/etc/", f"{tmp_path}/etc/")
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["bash", "-ec", f"{script}{RESTART}"], cwd=ROOT, env={"PATH": path}, check=True)
    units = tmp_path / "etc/systemd/system"
    template = units / "rooms-gateway@.service"
    text = template.read_text(encoding="utf-8")
    template.write_text(text.replace("/opt/rooms-gateway/bin/rooms-gateway", COMMAND))
    instances = [f"rooms-gateway@{address.rpartition(':')[2]}" for address in ADMINS]
    for instance in instances:
        verify = ["systemd-analyze", "verify", "--man=no", str(units / f"{instance}.service")]
        done = subprocess.run(verify, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "calls").read_text().splitlines() == [
        "systemd-sysusers",
        "systemctl daemon-reload",
        f"systemctl enable --now {' '.join(instances)}",
        *(f"systemctl restart {instance}" for instance in instances),
    ]


def test_relative_links_have_a_target() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", TEXT):
        assert (PAGE.parent / target).exists(), target
