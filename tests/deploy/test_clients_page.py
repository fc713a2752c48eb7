"""The programs of `docs/how-to/clients.md` print what the page shows."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator

import pytest
from support.commands import run, started
from support.paths import ROOT

PAGE = (ROOT / "docs/how-to/clients.md").read_text(encoding="utf-8")
PACKAGES = ROOT / "tests/clients/node/node_modules"


def block(language: str) -> tuple[str, str]:
    """Return the only block in a language, and the output that follows it."""
    pattern = rf"^```{language}\n(.*?)^```\n\n```text\n(.*?)^```$"
    [(code, printed)] = re.findall(pattern, PAGE, re.DOTALL | re.MULTILINE)
    return code, printed


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with started("serve", "--emulator", "--listen", "127.0.0.1:0") as gateway:
        yield await gateway.address()


async def test_python_prints_what_the_page_shows(address: str) -> None:
    code, printed = block("python")
    code = code.replace("127.0.0.1:50051", address).replace(
        "deploy/client", f"{ROOT}/deploy/client"
    )
    done = await run("-c", code, program=sys.executable)
    assert (done.err, done.out) == ("", printed)


@pytest.mark.needs("node-clients")
async def test_javascript_prints_what_the_page_shows(address: str) -> None:
    code, printed = block("js")
    # Code of --eval has no folder from which node would resolve packages.
    for package in ("@grpc/grpc-js", "@grpc/proto-loader"):
        at = (PACKAGES / package / "build/src/index.js").as_uri()
        code = code.replace(f'from "{package}"', f'from "{at}"')
    code = code.replace("127.0.0.1:50051", address)
    arguments = ("--input-type=module", "--eval", code)
    done = await run(*arguments, env={"ROOMS_GATEWAY_SOURCE": str(ROOT)}, program="node")
    assert (done.err, done.out) == ("", printed)


def test_csharp_policy_equals_the_service_config() -> None:
    [code] = re.findall(r"^```csharp\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    config = json.loads((ROOT / "deploy/client/service_config.json").read_text(encoding="utf-8"))
    policy, throttling = config["methodConfig"][0]["retryPolicy"], config["retryThrottling"]
    codes = re.findall(r"StatusCode\.(\w+)", code)
    assert [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", each).upper() for each in codes] == (
        policy["retryableStatusCodes"]
    )
    assert f"MaxAttempts = {policy['maxAttempts']}," in code
    for name in ("InitialBackoff", "MaxBackoff"):
        [seconds] = re.findall(rf"{name} = TimeSpan\.FromSeconds\(([\d.]+)\)", code)
        assert f"{seconds}s" == policy[name[0].lower() + name[1:]]
    assert f"BackoffMultiplier = {policy['backoffMultiplier']}," in code
    tokens, ratio = throttling["maxTokens"], throttling["tokenRatio"]
    assert f"MaxTokens = {tokens}, TokenRatio = {ratio}" in code
