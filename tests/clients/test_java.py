"""The Java package: its page, followed from an empty folder, and its jar."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.gateways import Running
from support.maven import Page, files_in_jar
from support.paths import ROOT
from support.texts import stable
from support.walks import FORMS, walk

pytestmark = [pytest.mark.needs("client-java"), pytest.mark.timeout(900)]

PAGE = Page("java", program="src/main/java/Example.java")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("java")
    PAGE.follow(folder)
    return folder


def test_page_has_the_example() -> None:
    for name, text in PAGE.files.items():
        assert (ROOT / "clients/java/example" / name).read_text("utf-8") == text


@pytest.mark.parametrize("form", FORMS)
async def test_page_works(form: str, project: Path, tmp_path: Path) -> None:
    await walk(form, tmp_path, *PAGE.command, cwd=project)


async def test_page_shows_the_output(project: Path, running: Running) -> None:
    out = await PAGE.output_of(project, running.gateway.addresses[0])
    assert stable(out) == stable(PAGE.output)


@pytest.mark.parametrize(
    "boms",
    [
        ["io.grpc:grpc-bom:1.62.2", "com.google.protobuf:protobuf-bom:3.25.1"],
        ["com.google.protobuf:protobuf-bom:4.36.2"],
    ],
    ids=["oldest", "newest"],
)
async def test_versions_of_dependencies(boms: list[str], tmp_path: Path) -> None:
    PAGE.follow(tmp_path, *boms)
    await walk("tcp", tmp_path, *PAGE.command, cwd=tmp_path)


def test_jar_has_only_the_client() -> None:
    """The classes of `buf.validate` and `google.rpc` are not in it."""
    files = files_in_jar("rooms-gateway-client")
    assert all(name.startswith(("META-INF/", "io/github/roomsgateway/")) for name in files)
    config = files["io/github/roomsgateway/client/service_config.json"]
    assert config == (ROOT / "deploy/client/service_config.json").read_bytes()
