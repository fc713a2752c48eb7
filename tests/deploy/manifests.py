"""The manifests in deploy/, as kustomize builds them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from support.paths import ROOT
from support.tools import TOOLS, need

DEPLOY = ROOT / "deploy"
IMAGE = f"rooms-gateway:{version('rooms-gateway')}"

KUSTOMIZATIONS = (
    "sidecar",
    "shared/base",
    "shared/overlays/emulator",
    "shared/overlays/monitoring",
    "shared/overlays/workload-identity",
)
"""All kustomizations that can be applied, below deploy/kubernetes."""

Manifest = dict[str, Any]


@cache
def _text(kustomization: str) -> str:
    command = [str(TOOLS / "kustomize"), "build", str(DEPLOY / "kubernetes" / kustomization)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


def built(kustomization: str) -> list[Manifest]:
    """Build a kustomization, and return its manifests."""
    need("kustomize")
    return list(yaml.safe_load_all(_text(kustomization)))


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """Return the manifests of a kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def pod(manifests: list[Manifest]) -> Manifest:
    """Return the pod spec of the only Deployment."""
    [deployment] = of_kind(manifests, "Deployment")
    spec: Manifest = deployment["spec"]["template"]["spec"]
    return spec


def containers(manifests: list[Manifest]) -> Iterator[Manifest]:
    """Return all containers of the only Deployment, sidecars included."""
    spec = pod(manifests)
    yield from spec.get("initContainers", [])
    yield from spec["containers"]


def ours(manifests: list[Manifest]) -> Manifest:
    """Return the container that runs the gateway."""
    [found] = [each for each in containers(manifests) if each["name"] == "rooms-gateway"]
    return found


def environment(manifests: list[Manifest]) -> dict[str, str]:
    """Return the environment variables of the gateway's container."""
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(manifests, "ConfigMap")}
    found: dict[str, str] = {}
    for source in ours(manifests)["envFrom"]:
        found |= maps[source["configMapRef"]["name"]]
    return found


def setting(manifests: list[Manifest], flag: str) -> str:
    """Return the value of a setting, from its flag or its variable; "" if neither is set."""
    for argument in ours(manifests)["args"]:
        name, _, value = argument.partition("=")
        if name == f"--{flag}":
            return str(value)
    variable = f"ROOMS_GATEWAY_{flag.upper().replace('-', '_')}"
    return environment(manifests).get(variable, "")


def yaml_files() -> list[Path]:
    """Return every YAML file in deploy/."""
    return sorted(DEPLOY.rglob("*.yaml"))
