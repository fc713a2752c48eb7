"""The wheel and the sdist, as users install them: in an environment without this repository."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from importlib.metadata import requires, version
from importlib.resources import files
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from support.paths import ROOT

PATIENCE = 110

OTHER_PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "other"
version = "1"

[tool.hatch.build.targets.wheel]
packages = ["buf"]
"""

# Validates a request, and imports the other distribution's module before or after the gateway's.
VALIDATE = """
import sys

other = "before" in sys.argv
if other:
    import buf.validate.validate_pb2

from acs.rooms.v1.rooms_pb2 import GetRoomRequest
from rooms_gateway.errors import InvalidRequestError
from rooms_gateway.server.calls.validation import validate

def rejected():
    try:
        validate(GetRoomRequest(room_id="a/b"))
    except InvalidRequestError as error:
        return [violation.field for violation in error.violations]

assert rejected() == ["room_id"]
if "after" in sys.argv:
    import buf.validate.validate_pb2

assert rejected() == ["room_id"]
print(*sorted(name for name in sys.modules if name.partition(".")[0] == "buf"))
"""

USERS_TEST = """
from gateway import ports

def test_module():
    assert ports.GRPC == 50051

def test_plugin(pytestconfig):
    assert pytestconfig.pluginmanager.has_plugin("rooms_gateway")
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment with the wheel, and the libraries of the environment that runs this."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin/python"

    def run(self, *arguments: str | Path, cwd: Path) -> str:
        """Run Python with `arguments`, which must succeed; return its output."""
        return call(self.python, *arguments, cwd=cwd)

    def uv(self, command: str, *arguments: str | Path) -> None:
        where = ("--quiet", "--offline", "--python", self.python)
        call(sys.executable, "-m", "uv", "pip", command, *where, *arguments, cwd=self.folder)


def call(*command: str | Path, cwd: Path) -> str:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=kept,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def build(target: str, source: Path, out: Path) -> Path:
    call(
        *(sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", out),
        cwd=source,
    )
    [built] = out.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def client_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT / "generated/python", tmp_path_factory.mktemp("client-wheel"))


@pytest.fixture(scope="module")
def environment(
    wheel: Path, client_wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True, with_pip=False)
    [packages] = folder.glob("lib/python3*/site-packages")
    # Python ignores .pth files in a folder that is added by one: the sources are not on the path.
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    environment = Environment(folder)
    environment.uv("install", "--no-deps", wheel, client_wheel)
    return environment


@pytest.fixture(scope="module")
def other_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a distribution with a different version of `buf.validate`."""
    contract = files("acs").joinpath("descriptors.binpb").read_bytes()
    [described] = [
        file
        for file in FileDescriptorSet.FromString(contract).file
        if file.name == "buf/validate/validate.proto"
    ]
    described.ClearField("source_code_info")
    described.message_type.add(name="OfAnotherVersion")
    imported = [
        f"import {name.removesuffix('.proto').replace('/', '.')}_pb2"
        for name in described.dependency
    ]
    source = tmp_path_factory.mktemp("other")
    package = source / "buf/validate"
    package.mkdir(parents=True)
    (source / "pyproject.toml").write_text(OTHER_PROJECT, encoding="utf-8")
    (package / "validate_pb2.py").write_text(
        "\n".join(
            [
                *imported,
                "from google.protobuf.descriptor_pool import Default",
                f"DESCRIPTOR = Default().AddSerializedFile({described.SerializeToString()!r})",
            ]
        ),
        encoding="utf-8",
    )
    return build("wheel", source, tmp_path_factory.mktemp("other-wheel"))


def test_top_level_of_the_wheel(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {
        *("rooms_gateway", "rooms_emulator"),
        f"rooms_gateway-{version('rooms-gateway')}.dist-info",
    }
    assert "rooms_gateway/py.typed" in names


def test_top_level_of_the_client_wheel(client_wheel: Path) -> None:
    names = zipfile.ZipFile(client_wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {
        "acs",
        f"rooms_gateway_client-{version('rooms-gateway-client')}.dist-info",
    }
    assert {"acs/py.typed", "acs/descriptors.binpb", "acs/service_config.json"} <= set(names)


def test_both_distributions_have_one_version() -> None:
    assert version("rooms-gateway-client") == version("rooms-gateway")
    assert f"rooms-gateway-client=={version('rooms-gateway')}" in (requires("rooms-gateway") or [])


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_sdist_has_every_tracked_file(tmp_path: Path) -> None:
    """All targets of the Makefile work from it, except those that compare with a branch."""
    with tarfile.open(build("sdist", ROOT, tmp_path)) as sdist:
        names = {member.name.partition("/")[2] for member in sdist.getmembers()}
    tracked = set(call("git", "ls-files", cwd=ROOT).splitlines())
    assert tracked - names == set()


@pytest.mark.parametrize("command", ["rooms-gateway", "-m rooms_gateway"])
def test_commands_of_the_wheel(environment: Environment, command: str, tmp_path: Path) -> None:
    script = environment.folder / "bin" / command
    arguments = [script] if script.exists() else command.split()
    printed = environment.run(*arguments, "--version", cwd=tmp_path)
    assert printed == f"rooms-gateway, version {version('rooms-gateway')}\n"


@pytest.mark.parametrize("runner", ["pytest", "-m pytest"])
def test_a_users_package_named_gateway(
    environment: Environment, runner: str, tmp_path: Path
) -> None:
    """The plugin is loaded, and the tests of the project import the project's package."""
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway/__init__.py").touch()
    (tmp_path / "gateway/ports.py").write_text("GRPC = 50051\n", encoding="utf-8")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_ports.py").write_text(USERS_TEST, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n", encoding="utf-8")
    script = Path(sys.executable).with_name(runner)
    arguments = [script] if script.exists() else runner.split()
    assert "2 passed" in environment.run(*arguments, cwd=tmp_path)


def test_another_distribution_ships_buf_validate(
    environment: Environment, other_wheel: Path, tmp_path: Path
) -> None:
    """Requests are validated before it is installed, with it, and after it is uninstalled."""
    assert environment.run("-c", VALIDATE, cwd=tmp_path) == "\n"
    environment.uv("install", "--no-deps", other_wheel)
    try:
        assert environment.run("-c", VALIDATE, cwd=tmp_path) == "\n"
        for order in ("before", "after"):
            printed = environment.run("-c", VALIDATE, order, cwd=tmp_path)
            assert "buf.validate.validate_pb2" in printed
    finally:
        environment.uv("uninstall", "other")
    assert environment.run("-c", VALIDATE, cwd=tmp_path) == "\n"


def test_uninstalling_leaves_files_of_others(
    wheel: Path, environment: Environment, other_wheel: Path, tmp_path: Path
) -> None:
    environment.uv("install", "--no-deps", other_wheel)
    try:
        environment.uv("uninstall", "rooms-gateway")
        environment.run("-c", "import buf.validate.validate_pb2", cwd=tmp_path)
    finally:
        environment.uv("install", "--no-deps", wheel)
        environment.uv("uninstall", "other")
