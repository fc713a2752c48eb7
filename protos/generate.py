"""Generate the Python classes and the descriptor set of the contract from protos/.

Usage: generate.py OUT_FOLDER
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import google.rpc
from google.protobuf.descriptor_pb2 import FileDescriptorSet

PROTOS = Path(__file__).parent
RULES = "buf/validate/validate.proto"
# Types of the details of a failed call: no file imports them, and clients have to decode them.
ERROR_DETAILS = ["google/rpc/error_details.proto", "google/rpc/status.proto"]


def main(out: Path) -> None:
    """Write the package `acs` into `out`."""
    package = out / "acs"
    package.mkdir(parents=True)
    (package / "py.typed").touch()
    descriptors = _describe(package / "descriptors.binpb")
    _write_classes(descriptors, out)


def _describe(file: Path) -> FileDescriptorSet:
    """Write the descriptor set, with all imports and comments, and return it."""
    messages = sorted(path.relative_to(PROTOS) for path in PROTOS.glob("acs/**/*.proto"))
    _protoc(
        f"-I{PROTOS}",
        f"-I{Path(google.rpc.__path__[0]).parents[1]}",
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={file}",
        *map(str, messages),
        *ERROR_DETAILS,
    )
    return FileDescriptorSet.FromString(file.read_bytes())


def _write_classes(descriptors: FileDescriptorSet, out: Path) -> None:
    """Write the classes and their stubs, which import nothing of `buf.validate`.

    protovalidate reads the rules from the options in the serialized descriptors. Without the import
    it makes no difference which distributions ship `buf/validate/validate_pb2.py`.
    """
    for file in descriptors.file:
        if RULES in file.dependency:
            file.dependency.remove(RULES)
    files = [file for file in descriptors.file if file.package.startswith("acs.")]
    plugins = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder:
        detached = Path(folder, "descriptors.binpb")
        detached.write_bytes(descriptors.SerializeToString())
        _protoc(
            f"--descriptor_set_in={detached}",
            f"--plugin={plugins / 'protoc-gen-mypy'}",
            f"--python_out={out}",
            f"--mypy_out=quiet,readable_stubs:{out}",
            *(file.name for file in files),
        )
        _protoc(
            f"--descriptor_set_in={detached}",
            f"--plugin={plugins / 'protoc-gen-mypy_grpc'}",
            f"--grpc_python_out={out}",
            f"--mypy_grpc_out=quiet,readable_stubs:{out}",
            *(file.name for file in files if file.service),
        )


def _protoc(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments], check=True)  # noqa: S603 - our own arguments


if __name__ == "__main__":
    main(Path(sys.argv[1]))
