"""Compilers of other languages take the folder `protos` as it is."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from support.paths import ROOT
from support.tools import TOOLS

FOLDERS = ROOT / "tests/clients"
PAGE = (ROOT / "docs/how-to/clients.md").read_text("utf-8")
[COMMANDS] = re.findall(r"^```sh\n(mkdir.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.timeout(900)


def installed(*programs: str) -> pytest.MarkDecorator:
    missing = [each for each in programs if shutil.which(each) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@installed("protoc", "cargo")
def test_tonic_prost_build() -> None:
    """A build script with tonic-prost-build uses the protoc of the system."""
    manifest = FOLDERS / "rust-protoc/Cargo.toml"
    command = ("cargo", "check", "--quiet", "--manifest-path", manifest)
    target = str(TOOLS / "rust/target")
    subprocess.run(command, env={**os.environ, "CARGO_TARGET_DIR": target}, check=True)


@installed("cmake", "grpc_cpp_plugin")
def test_cmake(tmp_path: Path) -> None:
    """`protobuf_generate` of CMake generates code of all files, and the code compiles."""
    shutil.copytree(ROOT / "protos", tmp_path, dirs_exist_ok=True)
    shutil.copy(FOLDERS / "cpp-protoc/CMakeLists.txt", tmp_path)
    for command in ("cmake -B build", "cmake --build build --parallel 2"):
        subprocess.run(shlex.split(command), cwd=tmp_path, stdout=subprocess.DEVNULL, check=True)


@installed("protoc")
@pytest.mark.parametrize(
    ("generator", "named", "generated"),
    [
        ("csharp", "`Acs.Rooms.V1`", "namespace Acs.Rooms.V1 "),
        ("objc", "class prefix `RGW`", "@interface RGWRoom "),
        ("php", r"`Acs\Rooms\V1`", r"namespace Acs\Rooms\V1;"),
        ("ruby", "`Acs::Rooms::V1`", "module Acs\n  module Rooms\n    module V1\n"),
    ],
)
@pytest.mark.needs("client-protos")
def test_page_for_other_languages(
    generator: str, named: str, generated: str, tmp_path: Path
) -> None:
    """The command of the page generates messages under the names in its table."""
    [archive] = (ROOT / "dist/clients/protos").glob("rooms-gateway-protos-*.tar.gz")
    shutil.unpack_archive(archive, tmp_path, filter="data")
    command = COMMANDS.replace("--ruby_out", f"--{generator}_out")
    subprocess.run(["sh", "-ec", command], cwd=tmp_path, check=True)
    files = [each for each in (tmp_path / "gen").rglob("*") if each.is_file()]
    assert named in PAGE
    assert any(generated in each.read_text(errors="replace") for each in files)
