"""The systemd units: systemd-analyze, settings, and notifications."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from deploy.manifests import DEPLOY
from support.commands import COMMAND, PATIENCE, REFUSING, invoke, started

from rooms_emulator import DEVELOPMENT_KEY

UNIT = DEPLOY / "systemd/rooms-gateway.service"
SOCKET = UNIT.with_suffix(".socket")
TEMPLATE = "rooms-gateway@.service"
SHARED = DEPLOY / f"systemd/{TEMPLATE}.d/10-shared-port.conf"
INSTANCE = "rooms-gateway@9465.service"
TEXT = UNIT.read_text(encoding="utf-8")
INSTALLED = "/opt/rooms-gateway/bin/rooms-gateway"

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def values(key: str, text: str = TEXT) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def analyze(verb: str, unit: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", verb, *options, str(unit)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(params=[UNIT.name, INSTANCE])
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Write the unit with the command of this environment, which systemd checks to exist.

    The template is a copy, not a link: systemd treats a link as an alias, and a template may not be
    an alias of a unit that is none.
    """
    folder = tmp_path / SHARED.parent.name
    folder.mkdir()
    shutil.copy(SHARED, folder)
    for name in (UNIT.name, TEMPLATE):
        (tmp_path / name).write_text(TEXT.replace(INSTALLED, COMMAND), encoding="utf-8")
    return tmp_path / str(request.param)


@needs_systemd
def test_unit_passes_systemd_verify(unit: Path) -> None:
    done = analyze("verify", unit, "--man=no")
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("unit", [UNIT.name], indirect=True)
def test_socket_unit_passes_systemd_verify(unit: Path) -> None:
    passed = unit.with_name(SOCKET.name)
    passed.write_bytes(SOCKET.read_bytes())
    done = analyze("verify", passed, "--man=no")
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_misspelled_option_is_reported(unit: Path) -> None:
    file = unit if unit.exists() else unit.with_name(TEMPLATE)
    file.write_text(TEXT.replace("DynamicUser", "DynamicUsers"), encoding="utf-8")
    assert "DynamicUsers" in analyze("verify", unit, "--man=no").stderr


@needs_systemd
@pytest.mark.parametrize("unit", [INSTANCE], indirect=True)
def test_misspelled_option_in_drop_in_is_reported(unit: Path) -> None:
    file = unit.parent / SHARED.parent.name / SHARED.name
    file.write_text("[Service]\nUsers=other\n", encoding="utf-8")
    assert "Users" in analyze("verify", unit, "--man=no").stderr


@pytest.mark.proves("S73")
@needs_systemd
def test_exposure_of_the_unit_is_at_most_2_of_10(unit: Path) -> None:
    # In tenths of a point.
    done = analyze("security", unit, "--offline=true", "--threshold=20", "--no-pager")
    assert done.returncode == 0, done.stdout + done.stderr


def test_settings_of_the_unit_are_valid(tmp_path: Path) -> None:
    (tmp_path / "access-key").write_text(DEVELOPMENT_KEY, encoding="ascii")
    assert [value.partition(":")[0] for value in values("LoadCredential")] == ["access-key"]
    [command] = values("ExecStart")
    program, *arguments = command.split()
    assert program == INSTALLED
    # %d is the folder of the credentials.
    pairs = [pair.replace("%d", str(tmp_path)).partition("=") for pair in values("Environment")]
    variables = {name: value for name, _, value in pairs}
    done = invoke(*arguments, "--config-test", env=variables)
    assert (done.code, done.err) == (0, "")
    path = variables["ROOMS_GATEWAY_LISTEN"].removeprefix("unix:")
    assert [f"/run/{name}" for name in values("RuntimeDirectory")] == [str(Path(path).parent)]
    assert int(values("TimeoutStopSec")[0]) > float(variables["ROOMS_GATEWAY_DRAIN_GRACE"])


async def test_instances_of_the_template_share_a_port(
    tmp_path: Path,
) -> None:
    (tmp_path / "access-key").write_text(DEVELOPMENT_KEY, encoding="ascii")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def variables(instance: str) -> dict[str, str]:
        """Return the environment as systemd makes it: a later assignment overrides an earlier."""
        text = TEXT + SHARED.read_text(encoding="utf-8")
        pairs = [
            pair.replace("%d", str(tmp_path)).replace("%i", instance).partition("=")
            for pair in values("Environment", text)
        ]
        own = {name: value for name, _, value in pairs}
        assert own["ROOMS_GATEWAY_LISTEN"] == "127.0.0.1:50051"
        return own | {"ROOMS_GATEWAY_LISTEN": f"127.0.0.1:{port}"}

    # The kernel lets only processes of one user share a port.
    assert values("User", SHARED.read_text(encoding="utf-8")) == ["rooms-gateway"]
    # The name of the instance is the admin port.
    async with (
        started("serve", env=variables("0")) as one,
        started("serve", env=variables("0")) as other,
    ):
        assert await one.address() == await other.address()
        for gateway in (one, other):
            gateway.signal(signal.SIGTERM)
            assert await gateway.exit_code() == 0


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
async def test_systemd_is_notified_until_shutdown(tmp_path: Path, *, abstract: bool) -> None:
    assert values("Type") == ["notify"]
    name = f"@{tmp_path}/notify" if abstract else f"{tmp_path}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0", 1) if abstract else name)
        manager.setblocking(False)
        loop = asyncio.get_running_loop()

        async def received(message: bytes) -> None:
            async with asyncio.timeout(PATIENCE):
                while (other := await loop.sock_recv(manager, 100)) != message:
                    assert other == b"WATCHDOG=1"

        env = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "200000"}
        async with started("serve", *REFUSING, "--listen", "127.0.0.1:0", env=env) as gateway:
            await received(b"READY=1")
            # The ready line is printed before the notification.
            assert await gateway.address()
            assert await loop.sock_recv(manager, 100) == b"WATCHDOG=1"
            assert await loop.sock_recv(manager, 100) == b"WATCHDOG=1"
            gateway.signal(signal.SIGTERM)
            await received(b"STOPPING=1")
            assert await gateway.exit_code() == 0
    assert gateway.err == ""


@pytest.mark.parametrize(
    "env", [{}, {"WATCHDOG_PID": "1", "WATCHDOG_USEC": "1000"}, {"WATCHDOG_USEC": "soon"}]
)
async def test_unreachable_systemd_is_one_warning(tmp_path: Path, env: dict[str, str]) -> None:
    env = {"NOTIFY_SOCKET": f"{tmp_path}/nothing", **env}
    async with started("serve", *REFUSING, "--listen", "127.0.0.1:0", env=env) as gateway:
        assert await gateway.address()
        gateway.signal(signal.SIGTERM)
        assert await gateway.exit_code() == 0
    assert gateway.err.count("cannot notify systemd of READY=1") == 1
    assert "WATCHDOG" not in gateway.err


def test_sysusers_file_declares_the_group() -> None:
    lines = UNIT.with_name("rooms-gateway.sysusers.conf").read_text(encoding="utf-8").splitlines()
    assert [line.split()[:2] for line in lines if not line.startswith("#")] == [
        ["g", group] for group in values("Group")
    ]
