"""The steps of the Dockerfile, run without a container engine and without downloads.

Not run: the base image, and the two installations of locked packages. The environment of the tests
was installed from the same lock files.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.paths import ROOT

STEPS = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
BIN = Path(sys.executable).parent


def command(beginning: str) -> str:
    """Return the one command of the Dockerfile that starts with `beginning`."""
    runs: list[str] = re.findall(r"^RUN (.*)$", STEPS, re.MULTILINE)
    commands = [part.strip() for run in runs for part in run.split("&&")]
    [found] = [each for each in commands if each.startswith(beginning)]
    return found


def run(step: str, source: Path, opt: Path) -> None:
    """Run a command as the image's build does, with `opt` for /opt, and uv for pip."""
    step = step.replace("/opt/build/bin/", f"{BIN}/").replace(
        f"{BIN}/pip --python /opt/venv/bin/python install",
        f"{BIN}/uv --quiet pip install --python /opt/venv/bin/python",
    )
    done = subprocess.run(
        step.replace("/opt/", f"{opt}/"),
        shell=True,
        cwd=source,
        env={"PATH": "/usr/bin:/bin", "HOME": str(opt)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder with all that the build copies, which is all that .dockerignore includes."""
    kept = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text("utf-8"), re.MULTILINE)
    copied = [
        name
        for names in re.findall(r"^COPY (?!--from)(.*) \S+$", STEPS, re.MULTILINE)
        for name in names.split()
    ]
    assert sorted(kept) == sorted(copied)
    folder = tmp_path / "src"
    folder.mkdir()
    for name in copied:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, folder)
    return folder


def test_the_wheel_of_the_image_runs(source: Path, tmp_path: Path) -> None:
    opt = tmp_path / "opt"
    (opt / "build").mkdir(parents=True)
    run(command("python -m venv --without-pip").replace("python", sys.executable, 1), source, opt)
    run(command("/opt/build/bin/pip wheel"), source, opt)
    run(command("/opt/build/bin/pip --python /opt/venv/bin/python install --no-deps"), source, opt)
    [packages] = opt.glob("venv/lib/python3*/site-packages")
    assert {each.name for each in packages.iterdir() if "." not in each.name} == {
        *("rooms_gateway", "rooms_emulator", "acs")
    }
    # The libraries of this environment; their .pth files, which lead to the sources, are ignored.
    libraries = BIN.parent / "lib" / packages.parent.name / "site-packages"
    arguments = [str(opt / "venv/bin/rooms-gateway"), "serve", "--emulator", "--config-test"]
    done = subprocess.run(
        arguments,
        cwd=tmp_path,
        env={"PYTHONPATH": str(libraries)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "settings are fine\n", "")


def test_the_build_backend_is_locked_by_hashes(source: Path) -> None:
    """The lock file that the Dockerfile installs names the backend and all its dependencies."""
    locked = (source / "requirements-build.lock").read_text(encoding="utf-8")
    names = re.findall(r"^([\w-]+)==\S+ (?:; .* )?\\\n    --hash=", locked, re.MULTILINE)
    assert set(names) == needed("hatchling") | {"buf-bin", "editables", "uv"}


def needed(package: str) -> set[str]:
    """Return the names of a package and of all its dependencies on this Python."""
    found, left = set[str](), [package]
    while left:
        name = left.pop()
        if name in found:
            continue
        found.add(name)
        requirements = map(Requirement, requires(name) or ())
        left += [
            canonicalize_name(each.name)
            for each in requirements
            if each.marker is None or each.marker.evaluate({"extra": ""})
        ]
    return found
