"""Pages in Chromium that try to use the control API."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from support.microsoft_sdks import CHROMIUM_FLAGS

from rooms_emulator import Emulator
from rooms_emulator.output.access_log import Access

PAGE = """
<!DOCTYPE html><title>hostile</title><iframe name="hole"></iframe>
<script type="module">
const base = "%(endpoint)s/_emulator/", operations = %(operations)s;
const read = [];
const attempt = async (url, options) => {
  try {
    const response = await fetch(url, options);
    if (response.type !== "opaque") read.push([url, options.method, options.mode]);
  } catch { /* Blocked by the browser. */ }
};
for (const [method, path, content] of operations) {
  const body = method === "GET" ? undefined : JSON.stringify(content), url = base + path;
  if (method === "GET" || method === "POST") {
    for (const type of [null, "text/plain", "application/x-www-form-urlencoded"]) {
      const headers = type === null || method === "GET" ? {} : {"Content-Type": type};
      const sent = body === undefined ? undefined : type === null ? new Blob([body]) : body;
      await attempt(url, {method, headers, body: sent, mode: "no-cors", credentials: "include"});
    }
  }
  const headers = method === "GET" ? {} : {"Content-Type": "application/json"};
  await attempt(url, {method, headers, body, mode: "cors"});
  if (method !== "POST") continue;
  navigator.sendBeacon(url, body);
  const form = document.createElement("form");
  Object.assign(form, {action: url, method, target: "hole", enctype: "text/plain"});
  const text = body.slice(0, -1), input = document.createElement("input");
  Object.assign(input, {name: `${text}${text === "{" ? "" : ","}"x`, value: '":0}'});
  form.append(input);
  document.body.append(form);
  const loaded = (done) => document.querySelector("iframe").addEventListener("load", done);
  const finished = new Promise(loaded);
  form.submit();
  await finished;
}
await fetch("/done", {method: "POST", body: JSON.stringify(read)});
</script>
"""

CONTENTS: dict[str, Any] = {
    "rooms": {"count": 3},
    "clock": {"frozen": True},
    "refuse": {"seconds": 60},
}


@pytest.mark.proves("S95")
@pytest.mark.needs("chromium")
@pytest.mark.parametrize("host", ["127.0.0.1", "evil.example"], ids=["same site", "another site"])
async def test_no_page_in_a_browser_controls(host: str, tmp_path: Path) -> None:
    """Nothing changes, nothing can be read, and the emulator has rejected every request."""
    log: list[Access] = []
    done: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
    async with Emulator(access_log=log.append) as emulator:
        emulator.store.seed(2)
        operations = [
            (method, name, CONTENTS.get(name, {}))
            for name, methods in emulator._control._endpoints.items()
            for method in methods
        ]
        values = {"endpoint": emulator.endpoint, "operations": json.dumps(operations)}

        async def show(_: web.Request) -> web.Response:
            return web.Response(text=PAGE % values, content_type="text/html")

        async def finish(request: web.Request) -> web.Response:
            done.set_result(await request.json())
            return web.Response()

        app = web.Application()
        app.add_routes([web.get("/", show), web.post("/done", finish)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        chromium = await asyncio.create_subprocess_exec(
            *("chromium", *CHROMIUM_FLAGS, f"--user-data-dir={tmp_path}"),
            "--host-resolver-rules=MAP evil.example 127.0.0.1",
            f"http://{host}:{runner.addresses[0][1]}/",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(60):
                assert await done == []
        finally:
            chromium.terminate()
            await chromium.wait()
            await runner.cleanup()
        assert (len(emulator.store), emulator.clock.frozen) == (2, False)
    controlled = [each for each in log if each.target.startswith("/_emulator/")]
    assert len(controlled) > len(operations)
    assert {each.status for each in controlled} == {403}
