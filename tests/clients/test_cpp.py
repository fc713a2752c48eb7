"""The CMake package, used from an empty folder as `docs/how-to/clients/cpp.md` describes."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from support.paths import ROOT
from support.walks import FORMS, code_of, walk

CLIENT = ROOT / "clients/cpp"
ARCHIVE = ROOT / "dist/clients/cpp/rooms_gateway_client-0.1.0.tar.gz"
PAGE = ROOT / "docs/how-to/clients/cpp.md"

pytestmark = [
    pytest.mark.needs("client-cpp"),
    pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the project of the page."""
    folder = tmp_path_factory.mktemp("cpp")
    shutil.copy(ARCHIVE, folder)
    (folder / "CMakeLists.txt").write_text(code_of(PAGE, "cmake"))
    (folder / "main.cpp").write_text(code_of(PAGE, "cpp"))
    *build, _ = code_of(PAGE, "sh").splitlines()
    for command in build:
        cmake(*shlex.split(command), cwd=folder)
    return folder


def cmake(*command: str | Path, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("form", FORMS)
async def test_page_works_from_an_empty_folder(form: str, project: Path, tmp_path: Path) -> None:
    command = shlex.split(code_of(PAGE, "sh").splitlines()[-1])
    assert command.pop() == "127.0.0.1:50051"
    await walk(form, tmp_path, *command, cwd=project)


@pytest.mark.parametrize(("language", "file"), [("cpp", "main.cpp"), ("cmake", "CMakeLists.txt")])
def test_page_has_the_example(language: str, file: str) -> None:
    assert code_of(PAGE, language) == (CLIENT / "example" / file).read_text()


async def test_installed_package_is_found(project: Path, tmp_path: Path) -> None:
    """The example builds and runs with `find_package` in place of FetchContent."""
    consumer, prefix = tmp_path / "consumer", tmp_path / "prefix"
    cmake("cmake", "-B", "build", "-DROOMS_GATEWAY_CLIENT_INSTALL=ON", cwd=project)
    built = "build/_deps/rooms_gateway_client-build"
    cmake("cmake", "--install", built, "--prefix", prefix, cwd=project)
    consumer.mkdir()
    shutil.copy(project / "main.cpp", consumer)
    before, _, rest = code_of(PAGE, "cmake").partition("include(FetchContent)\n")
    _, _, after = rest.partition("FetchContent_MakeAvailable(rooms_gateway_client)\n")
    found = "find_package(rooms_gateway_client 0.1 REQUIRED)\n"
    (consumer / "CMakeLists.txt").write_text(before + found + after)
    cmake("cmake", "-B", "build", f"-DCMAKE_PREFIX_PATH={prefix}", cwd=consumer)
    cmake("cmake", "--build", "build", cwd=consumer)
    await walk("tcp", tmp_path, "build/example", cwd=consumer)


def test_version_is_that_of_the_archive() -> None:
    version = ARCHIVE.name.removesuffix(".tar.gz").partition("-")[2]
    manifest = (CLIENT / "CMakeLists.txt").read_text()
    assert f"project(rooms_gateway_client VERSION {version} " in manifest


@pytest.mark.parametrize(("google_rpc", "compiled"), [("", True), ("googleapis", False)])
def test_google_rpc_may_come_from_elsewhere(
    google_rpc: str, compiled: bool, tmp_path: Path
) -> None:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    options = (
        f"-DROOMS_GATEWAY_CLIENT_GOOGLE_RPC={google_rpc}",
        "-DCMAKE_EXPORT_COMPILE_COMMANDS=1",
    )
    cmake(
        "cmake", "-S", ARCHIVE.name.removesuffix(".tar.gz"), "-B", "build", *options, cwd=tmp_path
    )
    commands = json.loads((tmp_path / "build/compile_commands.json").read_text())
    assert any("/acs/rooms/v1/" in each["file"] for each in commands)
    assert any("/google/rpc/" in each["file"] for each in commands) == compiled
