"""The protos and their archive, as compilers of other languages take them."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from support.paths import ROOT
from support.tools import GRPCURL

OLDEST = ROOT / ".tools/oldest-protoc/bin/python"

pytestmark = pytest.mark.needs("client-protos")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    [packed] = (ROOT / "dist/clients/protos").glob("rooms-gateway-protos-*.tar.gz")
    with tarfile.open(packed) as opened:
        opened.extractall(folder, filter="data")
    return folder


def test_archive_has_what_the_page_names(archive: Path) -> None:
    assert {each.name for each in archive.iterdir()} == {
        *("LICENSE", "client-protos", "descriptors.binpb", "protos", "service_config.json")
    }
    assert json.loads((archive / "service_config.json").read_bytes())["methodConfig"]


@pytest.mark.parametrize("root", ["protos", "client-protos"])
@pytest.mark.needs("oldest-protoc/installed")
def test_oldest_protoc_compiles(root: str, archive: Path, tmp_path: Path) -> None:
    """Protoc 3.21 compiles every file, with one include folder."""
    files = [
        str(path.relative_to(archive / root)) for path in archive.glob(f"{root}/acs/**/*.proto")
    ]
    done = subprocess.run(
        [
            OLDEST,
            "-W",
            "ignore",
            "-m",
            "grpc_tools.protoc",
            f"-I{root}",
            "--include_imports",
            f"--descriptor_set_out={tmp_path / 'out.binpb'}",
            *files,
        ],
        cwd=archive,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    compiled = FileDescriptorSet.FromString((tmp_path / "out.binpb").read_bytes())
    names = {file.name for file in compiled.file}
    assert set(files) <= names
    assert ("buf/validate/validate.proto" in names) == (root == "protos")


@pytest.mark.needs("grpcurl")
def test_grpcurl_describes_from_the_descriptor_set(archive: Path) -> None:
    done = subprocess.run(
        [
            GRPCURL,
            "-protoset",
            archive / "descriptors.binpb",
            "describe",
            "acs.rooms.v1.RoomsService.GetRoom",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "rpc GetRoom ( .acs.rooms.v1.GetRoomRequest )" in done.stdout
