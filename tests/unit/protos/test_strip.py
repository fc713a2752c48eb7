"""The protos for clients: the contract without the rules of `buf.validate`."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import run

import acs.options.v1.redaction_pb2  # noqa: F401 - registers the option
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import Message
from support.paths import ROOT

PROTOS = ROOT / "protos"
RULES = "buf/validate/validate.proto"


def compiled(root: Path, folder: Path) -> dict[str, FileDescriptorProto]:
    """Compile the protos below `root`."""
    out = folder / "described.binpb"
    files = [str(path.relative_to(root)) for path in sorted(root.glob("acs/**/*.proto"))]
    run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc"),
            *(f"-I{root}", f"--descriptor_set_out={out}", *files),
        ],
        check=True,
    )
    return {file.name: file for file in FileDescriptorSet.FromString(out.read_bytes()).file}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("protos")


@pytest.fixture(scope="module")
def stripped(folder: Path) -> dict[str, FileDescriptorProto]:
    run([sys.executable, PROTOS / "strip.py", folder], check=True)
    return compiled(folder, folder)


def without_rules(message: Message) -> None:
    """Remove the options of `buf.validate` from a descriptor."""
    for field, value in message.ListFields():
        if field.name == "options":
            # The rules are the only unknown options: `sensitive` is registered by its import.
            value.DiscardUnknownFields()
            if not value.ByteSize():
                message.ClearField("options")
        elif field.message_type is not None:
            for each in value if field.is_repeated else [value]:
                without_rules(each)


def test_only_the_rules_are_missing(stripped: dict[str, FileDescriptorProto], folder: Path) -> None:
    expected = compiled(PROTOS, folder)
    for file in expected.values():
        if RULES in file.dependency:
            file.dependency.remove(RULES)
        without_rules(file)
    assert stripped == expected


def test_comments_are_kept(folder: Path, stripped: dict[str, FileDescriptorProto]) -> None:
    for name in stripped:
        lines = (PROTOS / name).read_text("utf-8").splitlines()
        comments = [line for line in lines if line.lstrip().startswith("//")]
        text = (folder / name).read_text("utf-8").splitlines()
        assert [line for line in text if line.lstrip().startswith("//")] == comments
        assert "buf/validate" not in "\n".join(text)
