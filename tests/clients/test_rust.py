"""The crate, used from an empty folder as `docs/how-to/clients/rust.md` describes."""

from __future__ import annotations

import re
import shlex
import subprocess
import tarfile
from pathlib import Path

import pytest
from support.paths import ROOT
from support.walks import FORMS, code_of, walk

CLIENT = ROOT / "clients/rust"
CRATE = ROOT / "dist/clients/rust/rooms-gateway-client-0.1.0.crate"
PAGE = ROOT / "docs/how-to/clients/rust.md"

pytestmark = [pytest.mark.needs("client-rust"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the project of the page with the packaged crate in place of the published one."""
    folder = tmp_path_factory.mktemp("rust")
    with tarfile.open(CRATE) as crate:
        crate.extractall(folder, filter="data")
    (folder / ".cargo").mkdir()
    (folder / ".cargo/config.toml").write_text(
        f"""
        [build]
        target-dir = "{ROOT}/.tools/rust/target"
        [patch.crates-io]
        rooms-gateway-client = {{ path = "{folder}/{CRATE.stem}" }}
        """
    )
    project = folder / "example"
    (project / "src").mkdir(parents=True)
    (project / "Cargo.toml").write_text(code_of(PAGE, "toml"))
    (project / "src/main.rs").write_text(code_of(PAGE, "rust"))
    subprocess.run(["cargo", "build", "--quiet"], cwd=project, check=True)
    return project


@pytest.mark.parametrize("form", FORMS)
async def test_page_works_from_an_empty_folder(form: str, project: Path, tmp_path: Path) -> None:
    command = shlex.split(code_of(PAGE, "sh"))
    assert command.pop() == "127.0.0.1:50051"
    await walk(form, tmp_path, *command, cwd=project)


@pytest.mark.parametrize(
    ("language", "file"), [("rust", "example/src/main.rs"), ("toml", "example/Cargo.toml")]
)
def test_page_has_the_example(language: str, file: str) -> None:
    assert code_of(PAGE, language) == (CLIENT / file).read_text()


def test_load_program_retries_as_the_page_does() -> None:
    [retry] = re.findall(
        r"^/// Makes a call.*?(?=^```$)", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert retry in (ROOT / "tests/clients/rust-load/src/main.rs").read_text()


def test_crate_needs_neither_protoc_nor_rules(tmp_path: Path) -> None:
    with tarfile.open(CRATE) as crate:
        crate.extractall(tmp_path, filter="data")
    sources = list((tmp_path / CRATE.stem).rglob("*.rs"))
    assert sources
    assert not [path for path in sources if path.name == "build.rs"]
    assert not [path for path in sources if "buf.validate" in path.read_text()]
