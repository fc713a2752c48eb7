"""Lock files, and the user of the image."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.paths import ROOT

LOCKS = sorted(
    path
    for path in ROOT.rglob("requirements*.lock")
    if not {".venv", ".tools", "node_modules"} & set(path.relative_to(ROOT).parts)
)


def test_lock_files_exist_for_run_and_development() -> None:
    assert {"requirements.lock", "requirements-build.lock", "requirements-dev.lock"} <= {
        path.name for path in LOCKS
    }


@pytest.mark.proves("S71")
@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_locked_packages_have_version_and_hashes(lock: Path) -> None:
    text = re.sub(r"^\s*#.*\n", "", lock.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    packages = [line for line in text.splitlines() if line.strip()]
    assert packages
    for package in packages:
        assert re.match(r"[\w.\-\[\],]+==\S+", package), package
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", package), package


@pytest.mark.proves("S71")
def test_image_has_locked_packages_and_no_root() -> None:
    steps = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
    installs = re.findall(r"\bpip .*?install (.*?)(?: && |\n)", steps)
    assert installs
    for install in installs:
        assert "--require-hashes" in install or "--no-index" in install, install
    assert re.findall(r"^USER (.*)$", steps, re.MULTILINE)[-1] == "65532:65532"
    assert not re.search(r"^ADD ", steps, re.MULTILINE)
