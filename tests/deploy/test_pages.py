"""The pages on deploy/ against the files there."""

from __future__ import annotations

import re

import pytest
from deploy.manifests import built
from support.commands import invoke
from support.paths import ROOT

PAGES = ROOT / "docs/how-to"


def page(name: str) -> str:
    return PAGES.joinpath(name).read_text(encoding="utf-8")


def blocks(name: str) -> list[str]:
    found: list[str] = re.findall(r"^```\w+\n(.*?)^```$", page(name), re.DOTALL | re.MULTILINE)
    return found


def prose(name: str) -> str:
    return re.sub(r"^```.*?^```$", "", page(name), flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "name",
    [
        "clients.md",
        "kubernetes.md",
        *(f"clients/{page.name}" for page in PAGES.glob("clients/*.md")),
    ],
)
def test_relative_links_have_a_target(name: str) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", prose(name))
    assert targets
    for target in targets:
        assert ((PAGES / name).parent / target).exists(), target


def test_paths_below_deploy_exist() -> None:
    paths = re.findall(r"(?<![/\w])deploy/[\w/.-]*\w", page("kubernetes.md"))
    assert paths
    for path in paths:
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("name", ["sidecar", "shared/overlays/emulator"])
def test_kubectl_output_lists_the_built_manifests(name: str) -> None:
    [block] = [
        each for each in blocks("kubernetes.md") if f"apply -k deploy/kubernetes/{name}\n" in each
    ]
    created = re.findall(r"^(\w+)[\w.]*/([\w-]+) created$", block, re.MULTILINE)
    manifests = built(name)
    assert created == [(each["kind"].lower(), each["metadata"]["name"]) for each in manifests]


def test_settings_error_is_as_on_the_page() -> None:
    [block] = [each for each in blocks("kubernetes.md") if "--config-test" in each]
    command, _, expected = block.partition("\n")
    variable, _, *arguments = command.removeprefix("$ ").split()
    name, _, value = variable.partition("=")
    done = invoke(*arguments, env={name: value})
    assert (done.code, done.err) == (2, expected)
