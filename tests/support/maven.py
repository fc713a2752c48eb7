"""Maven projects of users, with the packages of this checkout in place of published ones."""

from __future__ import annotations

import asyncio
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from support.paths import ROOT
from support.walks import code_of, shell

TARGET = "127.0.0.1:50051"
"""The target in the commands of a page."""


@dataclass(frozen=True, slots=True)
class Page:
    """The page of a language: a project file, a program, and commands."""

    language: str
    program: str
    """Path of the program in its project."""

    @property
    def path(self) -> Path:
        return ROOT / f"docs/how-to/clients/{self.language}.md"

    @property
    def files(self) -> dict[str, str]:
        """The files of the project."""
        return {
            "pom.xml": code_of(self.path, "xml"),
            self.program: code_of(self.path, self.language),
        }

    @property
    def output(self) -> str:
        return code_of(self.path, "text")

    @property
    def command(self) -> list[str]:
        """The last command, with a target and a CA as further arguments."""
        command = code_of(self.path, "sh").splitlines()[-1]
        assert TARGET in command
        return ["sh", "-c", command.replace(TARGET, '"$@"'), "sh"]

    async def output_of(self, project: Path, target: str) -> str:
        """Run the last command with a target; return its output."""
        return await asyncio.to_thread(
            shell, code_of(self.path, "sh").splitlines()[-1].replace(TARGET, target), project
        )

    def follow(self, folder: Path, *boms: str) -> None:
        """Follow the page in an empty folder, up to the last command."""
        files = self.files
        files["pom.xml"] = _with_boms(files["pom.xml"], *boms)
        create_project(folder, files)
        for command in code_of(self.path, "sh").splitlines()[:-1]:
            shell(command, folder)


def create_project(folder: Path, files: dict[str, str]) -> None:
    """Write the files of a project into `folder`, with settings that users do not need."""
    settings = f"-s\n{ROOT}/clients/java/settings.xml\n-Dcheckout={ROOT}\n"
    for name, text in {".mvn/maven.config": settings, **files}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")


def files_in_jar(package: str) -> dict[str, bytes]:
    """Return the files in the jar of a package that make built."""
    language = "kotlin" if package.endswith("kotlin") else "java"
    folder = ROOT / f"dist/clients/{language}/io/github/roomsgateway/{package}"
    number = version("rooms-gateway")
    with zipfile.ZipFile(folder / number / f"{package}-{number}.jar") as opened:
        return {name: opened.read(name) for name in opened.namelist() if not name.endswith("/")}


def _with_boms(pom: str, *boms: str) -> str:
    """Return the project file `pom` with versions of dependencies from BOMs."""
    imports = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{version}</version><type>pom</type><scope>import</scope></dependency>"
        for group, artifact, version in (bom.split(":") for bom in boms)
    )
    managed = f"<dependencyManagement><dependencies>{imports}</dependencies></dependencyManagement>"
    return pom.replace("<dependencies>", f"{managed}<dependencies>", 1)
