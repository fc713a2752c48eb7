"""The Kotlin package: its page, followed from an empty folder, and its jar."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.gateways import Running
from support.maven import Page, files_in_jar
from support.paths import ROOT
from support.texts import stable
from support.walks import FORMS, walk

pytestmark = [pytest.mark.needs("client-kotlin"), pytest.mark.timeout(900)]

PAGE = Page("kotlin", program="src/main/kotlin/Example.kt")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kotlin")
    PAGE.follow(folder)
    return folder


def test_page_has_the_example() -> None:
    for name, text in PAGE.files.items():
        assert (ROOT / "clients/kotlin/example" / name).read_text("utf-8") == text


@pytest.mark.parametrize("form", FORMS)
async def test_page_works(form: str, project: Path, tmp_path: Path) -> None:
    await walk(form, tmp_path, *PAGE.command, cwd=project)


async def test_page_shows_the_output(project: Path, running: Running) -> None:
    out = await PAGE.output_of(project, running.gateway.addresses[0])
    assert stable(out) == stable(PAGE.output)


async def test_newest_protobuf(tmp_path: Path) -> None:
    PAGE.follow(tmp_path, "com.google.protobuf:protobuf-bom:4.36.2")
    await walk("tcp", tmp_path, *PAGE.command, cwd=tmp_path)


def test_jar_repeats_no_class_of_the_java_package() -> None:
    both = files_in_jar("rooms-gateway-client").keys() & files_in_jar("rooms-gateway-client-kotlin")
    assert {name for name in both if not name.startswith("META-INF/")} == set()
