"""h2spec finds no error in the server in the event loop; grpcio's is counted for comparison."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from suites.programs import H2SPEC, interop_service
from suites.servers import SERVERS

SECTIONS = (
    "hpack",
    *(f"generic/{number}" for number in range(1, 6)),
    *(f"http2/{number}" for number in range(3, 9)),
)
"""All; each runs by itself, because a case that fails takes a second."""

CASES = 146


@pytest.mark.needs("h2spec", "suites/interop/client")
@pytest.mark.parametrize("encrypted", [False, True], ids=["plaintext", "TLS"])
@pytest.mark.parametrize("server", SERVERS)
async def test_h2spec_passes(
    server: str, tmp_path: Path, record_property: Callable[[str, str], None], *, encrypted: bool
) -> None:
    """All cases pass, strict ones included, over plaintext and TLS."""
    flags = ("--tls", "--insecure") if encrypted else ()
    async with interop_service(server, tmp_path if encrypted else None) as port:
        found = await asyncio.gather(
            *(judge(section, tmp_path, "--port", str(port), *flags) for section in SECTIONS)
        )
    cases = [case for each in found for case in each]
    failed = {
        f"{case.get('package')}, {case.get('classname')}": "".join(case.itertext())
        for case in cases
        if len(case)
    }
    transport = "TLS" if encrypted else "plaintext"
    record_property(f"h2spec, {server}, {transport}", f"{CASES - len(failed)} of {CASES} pass")
    assert len(cases) == CASES
    assert server == "grpc" or not failed


async def judge(section: str, folder: Path, *flags: str) -> list[ET.Element]:
    """Run the cases of a section; return their results, which have an element if they failed."""
    report = folder / f"{section.replace('/', '-')}.xml"
    h2spec = await asyncio.create_subprocess_exec(
        *(str(H2SPEC), section, "--strict", "--timeout", "1", "--junit-report", str(report)),
        *flags,
        stdout=asyncio.subprocess.DEVNULL,
    )
    await h2spec.wait()
    return list(ET.parse(report).iter("testcase"))
