"""The Go module of this checkout, for programs that depend on it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from support.paths import ROOT


def go_environment() -> Mapping[str, str]:
    """Return an environment in which the module comes from the folder, and all others as usual."""
    proxy = subprocess.run(["go", "env", "GOPROXY"], capture_output=True, text=True, check=True)
    return {
        **os.environ,
        "GOPROXY": f"{(ROOT / 'dist/clients/go').as_uri()},{proxy.stdout.strip()}",
        "GONOSUMDB": "github.com/rooms-gateway/rooms-gateway",
        "GOMODCACHE": str(ROOT / ".tools/go/mod"),
        "GOFLAGS": "-modcacherw",
    }
