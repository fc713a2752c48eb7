"""`rooms-gateway emulator` with TLS: its output, its files, and the gateway as a client."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from support.authority import OURS, Files
from support.commands import run, started
from support.gateways import until

from rooms_emulator import DEVELOPMENT_KEY
from rooms_emulator.tls import trust

DEV = ("--listen", "127.0.0.1:0", "--tls-dev")


@pytest.mark.parametrize(
    ("program", "command"),
    [(None, ("emulator",)), (sys.executable, ("-m", "rooms_emulator"))],
)
async def test_prints_the_ca_and_how_to_trust_it(
    program: str | None, command: tuple[str, ...], tmp_path: Path
) -> None:
    env = {"XDG_DATA_HOME": str(tmp_path)}
    named = {} if program is None else {"program": program}
    async with started(*command, *DEV, env=env, **named) as process:
        ca = Path(await process.line("ca=(.*)"))
        assert ca == tmp_path / "rooms-gateway/emulator-ca.pem"
        string = rf"endpoint=(https://127\.0\.0\.1:\d+)/;accesskey={DEVELOPMENT_KEY}"
        endpoint = await process.line(string)
        assert process.out.splitlines()[0].endswith(f"is ready on {endpoint}")
        commands = trust.commands(ca, ca.with_suffix(".p12")).values()
        await until(lambda: all(f"  {each}\n" in process.err for each in commands))


async def test_runs_share_the_ca(tmp_path: Path) -> None:
    """Also those that start at the same time; quiet ones print its path too."""
    env = {"XDG_DATA_HOME": str(tmp_path)}

    async def check() -> str:
        async with started("emulator", *DEV, "--quiet", env=env) as process:
            ca = await process.line("ca=(.*)")
            string = await process.line("(endpoint=.*)")
            done = await run("check", "--connection-string", string, "--upstream-ca", ca)
            assert done.code == 0, done.out + done.err
            assert process.err == ""
        return ca

    found = [*await asyncio.gather(check(), check(), check()), await check()]
    assert {*found} == {str(tmp_path / "rooms-gateway/emulator-ca.pem")}


async def test_a_certificate_from_files(tmp_path: Path) -> None:
    """The gateway calls the emulator with the CA of the certificate, and rejects it without."""
    files = Files(tmp_path).write(OURS.issue(), OURS)
    flags = ("--listen", "127.0.0.1:0", *files.flags())
    async with started("emulator", *flags) as process:
        string = await process.line("(endpoint=https://.*)")
        trusting = await run("check", "--connection-string", string, "--upstream-ca", files.ca)
        assert trusting.code == 0, trusting.out + trusting.err
        other = await run("check", "--connection-string", string)
        assert other.code != 0
    assert "ca=" not in process.out


async def test_tls_permits_other_machines(tmp_path: Path) -> None:
    """Then --allow-plaintext is not required."""
    files = Files(tmp_path).write(OURS.issue())
    async with started("emulator", "--listen", "0.0.0.0:0", *files.flags()) as process:
        await process.line(r"(endpoint=https://127\.0\.0\.1:.*)")
