"""Commands for a gateway with several resources, as processes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.commands import run, started
from support.gateways import until
from support.several_resources import requests, several

from rooms_emulator import Emulator


@dataclass(frozen=True, slots=True)
class Files:
    """A settings file with the resources eu and us, and the emulators behind them."""

    settings: Path
    eu: Emulator
    us: Emulator

    def write(self, *, us: str | None = None, **more: str) -> None:
        """Write the file; `us` replaces the connection string of a resource, `more` adds some."""
        tables = {"eu": self.eu.connection_string, "us": us or self.us.connection_string, **more}
        self.settings.write_text(
            "".join(
                f'[resources.{name}]\nconnection-string = "{text}"\n'
                for name, text in tables.items()
            )
        )
        self.settings.chmod(0o600)


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[Files]:
    async with Emulator() as eu, Emulator() as us:
        found = Files(tmp_path / "gateway.toml", eu, us)
        found.write()
        yield found


REFUSING = "endpoint=http://127.0.0.1:1;accesskey=a2V5"


async def test_check_checks_each_resource(files: Files) -> None:
    done = await run("check", "--config", files.settings)
    assert (done.code, done.err) == (0, "")
    assert [line for line in done.out.splitlines() if line.endswith(":")] == [
        "resource eu:",
        "resource us:",
    ]
    files.write(us=REFUSING)
    done = await run("check", "--config", files.settings, "--json")
    report = json.loads(done.out)
    assert (done.code, report["passed"]) == (1, False)
    assert {name: each["passed"] for name, each in report["resources"].items()} == {
        "eu": True,
        "us": False,
    }


async def test_check_reports_files_that_cannot_be_read(files: Files) -> None:
    files.settings.write_text(
        "[resources.eu]\nendpoint = 'https://eu.example'\naccess-key-file = '/no/such/file'"
    )
    done = await run("check", "--config", files.settings)
    assert done.code == 1
    assert "FAILED  files       resources.eu: access-key-file: cannot read /no/such/" in done.out


async def test_check_at_startup_demands_all(files: Files) -> None:
    files.write(us=REFUSING)
    arguments = ("serve", "--config", files.settings, "--listen", "127.0.0.1:0")
    done = await run(*arguments, "--check-upstream")
    assert (done.code, done.out) == (7, "")
    assert "resource us: --check-upstream: connection: 127.0.0.1:1: connection refused" in done.err
    async with started(*arguments) as process:
        await process.address()


async def test_client_commands_name_a_resource() -> None:
    async with several() as running:
        address = ("--address", running.gateway.addresses[0])
        done = await run("rooms", "create", *address, "--resource", "us")
        assert (done.code, done.err) == (0, "")
        assert requests(running.us) == 1
        done = await run("rooms", "list", *address, env={"ROOMS_GATEWAY_RESOURCE": "eu"})
        assert done.code == 0
        await until(lambda: running.manager.serving["us"])
        done = await run("health", *address, "--resource", "us")
        assert (done.code, done.out) == (0, "SERVING\n")
        done = await run("health", *address, "--resource", "asia")
        assert done.code == 1
        done = await run("rooms", "list", *address, "--resource", "E U")
        assert done.code == 2


@pytest.mark.proves("S93")
async def test_a_changed_file_is_followed(files: Files) -> None:
    """An invalid one is logged, and the resources stay."""
    arguments = ("serve", "--config", files.settings, "--listen", "127.0.0.1:0")
    async with Emulator() as asia, started(*arguments) as process:
        client = ("rooms", "create", "--address", await process.address(), "--resource")
        assert (await run(*client, "asia")).code != 0
        files.settings.write_text("[resources.eu")
        await until(lambda: "keeping the current resources" in process.err)
        assert (await run(*client, "us")).code == 0
        files.write(asia=asia.connection_string)
        await until(lambda: "the resource asia is at" in process.err)
        assert (await run(*client, "asia")).code == 0
