"""Consumers of the npm package, installed from a registry with the locked packages only."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote

from support.paths import ROOT
from support.walks import code_of, shell

_CLIENT = ROOT / ".tools/client-node"


def consumer(page: Path, folder: Path) -> Path:
    """Run the shell blocks of a page in an empty folder; return the folder."""
    with _registry(folder.with_name(f"{folder.name}-cache")) as env:
        shell(code_of(page, "sh"), folder, env)
    return folder


def dependencies(folder: Path) -> Any:
    """Return the dependencies in `package.json`."""
    manifest = json.loads((folder / "package.json").read_text("utf-8"))
    return manifest["dependencies"], manifest.get("devDependencies")


@contextmanager
def _registry(cache: Path) -> Iterator[dict[str, str]]:
    """Serve the packages; yield the environment variables that make npm install from here only."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield {
            "npm_config_registry": f"http://127.0.0.1:{server.server_port}/",
            "npm_config_cache": str(cache),
            "npm_config_audit": "false",
            "npm_config_update_notifier": "false",
        }
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name, _, version = unquote(self.path).strip("/").partition("/-/")
        versions = _packages().get(name, {})
        if version:
            content = _tarball(versions[version])
        elif versions:
            base = f"http://{self.headers['Host']}/{name}/-"
            content = json.dumps(_document(name, versions, base)).encode()
        else:
            # Binaries of optional packages for other platforms are not installed.
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""


@cache
def _packages() -> dict[str, dict[str, Path]]:
    """Map the names of packages to their versions, direct dependencies first, and folders."""
    lock = json.loads((_CLIENT / "node_modules/.package-lock.json").read_text("utf-8"))
    found = {lock["name"]: {lock["version"]: _CLIENT}}
    for path, entry in sorted(lock["packages"].items(), key=lambda item: len(item[0])):
        name = path.rpartition("node_modules/")[2]
        found.setdefault(name, {}).setdefault(entry["version"], _CLIENT / path)
    return found


def _document(name: str, versions: dict[str, Path], base: str) -> dict[str, Any]:
    return {
        "name": name,
        "dist-tags": {"latest": next(iter(versions))},
        "versions": {
            version: {
                **json.loads((folder / "package.json").read_text("utf-8")),
                "dist": {"tarball": f"{base}/{version}"},
            }
            for version, folder in versions.items()
        },
    }


def _tarball(folder: Path) -> bytes:
    if folder == _CLIENT:
        [built] = ROOT.glob("dist/clients/node/*.tgz")
        return built.read_bytes()
    nested = f"{folder.name}/node_modules"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.add(
            folder,
            arcname=folder.name,
            filter=lambda entry: None if entry.name == nested else entry,
        )
    return content.getvalue()
