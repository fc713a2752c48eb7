"""What make builds for tests on first use: programs in .tools, and client packages."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from functools import cache

import pytest

from support.paths import ROOT

TOOLS = ROOT / ".tools"
GRPCURL = TOOLS / "grpcurl"
NODE_CLIENTS = ROOT / "tests/clients/node"

_LANGUAGES = {
    "cpp-load/load": "cmake",
    "go-load": "go",
    "grpcurl": "go",
    "h2spec": "go",
    "kustomize": "go",
    "compose-go": "go",
    "bench/load": "go",
    "java-sdk/installed": "mvn",
    "node-clients": "npm",
    "oldest-grpcio/installed": "python3.11",
    "oldest-protoc/installed": "python3.11",
    "preview-sdk/installed": "make",
    "rust-load": "cargo",
    "suites/connectrpc/runner": "go",
    "suites/interop/client": "go",
    "client-cpp": "grpc_cpp_plugin",
    "client-go": "go",
    "client-java": "mvn",
    "client-java-load": "mvn",
    "client-kotlin": "mvn",
    "client-node": "npm",
    "client-protos": "make",
    "client-python": "make",
    "client-rust": "cargo",
}
"""Targets of make, each with the program that it takes to build them."""

_INSTALLED = frozenset({"chromium"})
"""Programs of the machine, which make does not build."""


def need(tool: str) -> None:
    """Build a tool if it is missing or out of date; skip the test if its language is missing."""
    if tool in _INSTALLED:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
        return
    language = _LANGUAGES[tool]
    if shutil.which(language) is None:
        pytest.skip(f"{tool} needs {language}, which is not installed")
    failed = _make(tool if tool.startswith("client-") else f".tools/{tool}")
    assert not failed, failed


@cache
def _make(target: str) -> str:
    """Run make; return its error output if it failed."""
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("w", encoding="utf-8") as lock:
        # Several workers of a test run share .tools.
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            ["make", "--no-print-directory", target],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    return "" if done.returncode == 0 else done.stderr or f"make {target} failed"
