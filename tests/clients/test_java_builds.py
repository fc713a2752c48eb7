"""Builds of users that generate the Java classes from `protos/` as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.maven import create_project
from support.paths import ROOT
from support.walks import shell

pytestmark = [
    pytest.mark.skipif(shutil.which("mvn") is None, reason="needs mvn, which is not installed"),
    pytest.mark.timeout(900),
]

BUILDS = ROOT / "tests/clients/java-builds"


@pytest.mark.parametrize("plugin", ["ascopes", "xolstice"])
def test_protos_are_one_source_folder(plugin: str, tmp_path: Path) -> None:
    """`protobuf-maven-plugin` of either author compiles the copied folder."""
    create_project(tmp_path, {"pom.xml": (BUILDS / plugin / "pom.xml").read_text("utf-8")})
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    shell("mvn -q package", tmp_path)
    classes = {file.stem for file in tmp_path.glob("target/classes/**/*.class")}
    assert {"CreateRoomRequest", "RoomsServiceGrpc", "LegacyRoomsServiceGrpc"} <= classes
