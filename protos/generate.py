"""Generate the Python classes and the descriptor set of the contract from protos/.

Usage: generate.py OLDEST_PYTHON PACKAGE

OLDEST_PYTHON is an interpreter with the oldest grpcio-tools that the protos support. It generates
the classes, because they run on the versions of protobuf and grpcio since then.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import google.rpc
from google.protobuf.descriptor_pb2 import FileDescriptorSet

PROTOS = Path(__file__).parent
SERVICE_CONFIG = PROTOS.parent / "deploy/client/service_config.json"
RULES = "buf/validate/validate.proto"
# Types of the details of a failed call: no file imports them, and clients have to decode them.
ERROR_DETAILS = ["google/rpc/error_details.proto", "google/rpc/status.proto"]


def main(oldest: str, package: Path) -> None:
    """Write the folder of the package `acs`."""
    package.mkdir(parents=True)
    (package / "py.typed").touch()
    shutil.copy(SERVICE_CONFIG, package)
    descriptors = _describe(package / "descriptors.binpb")
    _write_classes(oldest, descriptors, package.parent)


def _describe(file: Path) -> FileDescriptorSet:
    """Write the descriptor set, with all imports and comments, and return it."""
    messages = sorted(path.relative_to(PROTOS) for path in PROTOS.glob("acs/**/*.proto"))
    _protoc(
        sys.executable,
        f"-I{PROTOS}",
        f"-I{Path(google.rpc.__path__[0]).parents[1]}",
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={file}",
        *map(str, messages),
        *ERROR_DETAILS,
    )
    return FileDescriptorSet.FromString(file.read_bytes())


def _write_classes(oldest: str, descriptors: FileDescriptorSet, out: Path) -> None:
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
        for generator, stubs, names in (
            ("python", "mypy", [file.name for file in files]),
            ("grpc_python", "mypy_grpc", [file.name for file in files if file.service]),
        ):
            arguments = [f"--descriptor_set_in={detached}", *names]
            _protoc(oldest, f"--{generator}_out={out}", *arguments)
            _protoc(
                sys.executable,
                f"--plugin={plugins / f'protoc-gen-{stubs}'}",
                f"--{stubs}_out=quiet,readable_stubs:{out}",
                *arguments,
            )


def _protoc(python: str, *arguments: str) -> None:
    command = [python, "-W", "ignore", "-m", "grpc_tools.protoc", *arguments]
    subprocess.run(command, check=True)  # noqa: S603 - our own arguments


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
