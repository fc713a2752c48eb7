"""Builds of users that generate the Java classes from `protos/` as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.maven import create_project
from support.paths import ROOT
from support.tools import TOOLS
from support.walks import shell

pytestmark = pytest.mark.timeout(900)

BUILDS = ROOT / "tests/clients/java-builds"
CLASSES = {"CreateRoomRequest", "RoomsServiceGrpc", "LegacyRoomsServiceGrpc"}


@pytest.mark.skipif(shutil.which("mvn") is None, reason="needs mvn, which is not installed")
@pytest.mark.parametrize("plugin", ["ascopes", "xolstice"])
def test_protos_are_one_source_folder(plugin: str, tmp_path: Path) -> None:
    """`protobuf-maven-plugin` of either author compiles the copied folder."""
    create_project(tmp_path, {"pom.xml": (BUILDS / plugin / "pom.xml").read_text("utf-8")})
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    shell("mvn -q package", tmp_path)
    assert {file.stem for file in tmp_path.glob("target/classes/**/*.class")} >= CLASSES


@pytest.mark.skipif(shutil.which("gradle") is None, reason="needs gradle, which is not installed")
def test_protos_are_a_gradle_source_folder(tmp_path: Path) -> None:
    """The plugin `com.google.protobuf` of Gradle compiles the copied folder."""
    shutil.copy(BUILDS / "gradle/build.gradle", tmp_path)
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    shell("gradle -q --no-daemon classes", tmp_path, {"GRADLE_USER_HOME": str(TOOLS / "gradle")})
    assert {file.stem for file in tmp_path.glob("build/classes/**/*.class")} >= CLASSES
