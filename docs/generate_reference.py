"""Generate the pages of docs/reference.

Usage: generate_reference.py DESCRIPTORS.binpb OUT_FOLDER. The descriptor set must include source
info.
"""

from __future__ import annotations

import sys
from pathlib import Path

import reference_api
import reference_errors
import reference_settings
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from rooms_gateway.cli.serve.options import SETTINGS


def main(descriptors: Path, out: Path) -> None:
    """Write one page for each package in `descriptors`, one for errors and one for settings."""
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
