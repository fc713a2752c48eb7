"""h2spec finds no error in the server in the event loop; that of grpcio is counted for comparison."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from suites.programs import H2SPEC, interop_service
from suites.servers import SERVERS


@pytest.mark.needs("h2spec", "suites/interop/client")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("encrypted", [False, True], ids=["plaintext", "TLS"])
@pytest.mark.parametrize("server", SERVERS)
async def test_h2spec_passes(
    server: str, tmp_path: Path, record_property: Callable[[str, str], None], *, encrypted: bool
) -> None:
    """All cases pass, strict ones included, over plaintext and TLS."""
    report = tmp_path / "report.xml"
    flags = ["--strict", "--timeout", "1", "--junit-report", str(report)]
    if encrypted:
        flags += ["--tls", "--insecure"]
    async with interop_service(server, tmp_path if encrypted else None) as port:
        h2spec = await asyncio.create_subprocess_exec(
            *(str(H2SPEC), *flags, "--port", str(port)), stdout=asyncio.subprocess.DEVNULL
        )
        await h2spec.wait()
    cases = list(ET.parse(report).iter("testcase"))
    failed = {
        f"{case.get('package')}, {case.get('classname')}": "".join(case.itertext())
        for case in cases
        if len(case)
    }
    transport = "TLS" if encrypted else "plaintext"
    passed = len(cases) - len(failed)
    record_property(f"h2spec, {server}, {transport}", f"{passed} of {len(cases)} pass")
    assert cases
    assert server == "grpc" or not failed
