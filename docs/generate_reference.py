"""Write the pages of docs/reference that are generated.

Usage: generate_reference.py DESCRIPTORS.binpb OUT_FOLDER, with a descriptor set that has source
info.
"""

import sys
from pathlib import Path

import reference_api
import reference_errors
import reference_settings
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from rooms_gateway.cli.serve.options import SETTINGS


def main(descriptors: Path, out: Path) -> None:
    """Read `descriptors` and write one page for each package, the errors and the settings."""
    described = FileDescriptorSet.FromString(descriptors.read_bytes())
    pages = {
        **reference_api.pages(described),
        "errors.md": reference_errors.page(described),
        "settings.md": reference_settings.page(SETTINGS),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (out / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
