"""The page for browsers in Chromium.

Every test fails on a violation of the page's policy, on an error of its script, and on a request
to another host.
"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Page, expect
from support.browser import chromium
from support.samples import user
from support.signed_requests import NOW, Client, ask, client_session, new_user

from rooms_emulator import DEVELOPMENT_KEY, Emulator, preset, timestamps
from rooms_emulator.rooms.windows import Window
from rooms_emulator.timestamps import TICKS_PER_SECOND

pytestmark = pytest.mark.needs("chromium")

# Generous, for a busy machine: conditions are waited for.
expect.set_options(timeout=30_000)

HOSTILE = "<img src=x onerror=document.title='run'></script><script>document.title='run'</script>"
HOUR = 3600 * TICKS_PER_SECOND
DAY = 24 * HOUR


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(control_listen="127.0.0.1:0") as emulator:
        yield emulator


@asynccontextmanager
async def opened(emulator: Emulator) -> AsyncIterator[Page]:
    """Open the page; check at the end that nothing untoward happened in it."""
    wrong: list[str] = []
    requested: set[str] = set()
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text))
        page.on("request", lambda request: requested.add(request.url.partition("?")[0]))
        await page.goto(f"{emulator.control_endpoint}/_emulator/")
        await expect(page.get_by_role("status")).to_have_text("live")
        yield page
        title = await page.title()
    # Chromium reports each response with an error status.
    assert [each for each in wrong if not each.startswith("Failed to load resource")] == []
    assert title == "Rooms emulator"
    assert {url.rpartition("/_emulator/")[0] for url in requested} == {emulator.control_endpoint}


async def test_rooms_appear_while_the_page_is_open(emulator: Emulator, client: Client) -> None:
    """From none to 80, each with its window; a click shows the roster."""
    async with opened(emulator) as page:
        rooms = page.locator("#rooms")
        await expect(rooms).to_contain_text("No rooms.")
        room = await client.create(participants={user(1): {"role": "Presenter"}})
        await page.get_by_role("button", name=room["id"]).click()
        await expect(page.locator("#room")).to_contain_text(f"Presenter{user(1)}")
        await expect(page.locator(".window.open")).to_have_count(1)
        await client.patch_roster(room["id"], {user(2): {"role": "Consumer"}})
        await expect(page.locator("#room")).to_contain_text(f"Consumer{user(2)}")
        await page.get_by_role("button", name="Add a room").click()
        await expect(page.get_by_role("heading", name="Rooms (2: 2 open")).to_be_visible()
        emulator.store.seed(78)
        await expect(rooms.locator("button")).to_have_count(80)
        await page.get_by_label("Filter rooms").fill(room["id"])
        await expect(rooms.locator("button")).to_have_count(1)
        await client.call("DELETE", f"/rooms/{room['id']}")
        await expect(page.locator("#room")).to_contain_text("does not exist any more")


async def test_a_click_switches_a_fault(emulator: Emulator, client: Client) -> None:
    async with opened(emulator) as page:
        outage = page.get_by_role("button", name="outage", exact=True)
        await page.get_by_label("Operation").select_option("ListRooms")
        await outage.click()
        await expect(outage).to_have_attribute("aria-pressed", "true")
        assert [(await client.call("GET", path)).status for path in ("/rooms", "/rooms/1")] == [
            503,
            400,
        ]
        await expect(page.locator("#requests")).to_contain_text("fault outage")
        await expect(page.locator("#faults")).to_contain_text("ListRooms · injected 1 · status 503")
        await outage.click()
        await expect(outage).to_have_attribute("aria-pressed", "false")
        assert (await client.call("GET", "/rooms")).status == 200
        await page.get_by_label("Requests", exact=True).select_option("next request only")
        await outage.click()
        await expect(outage).to_have_attribute("aria-pressed", "true")
        assert [(await client.call("GET", "/rooms")).status for _ in range(2)] == [503, 200]
        await expect(outage).to_have_attribute("aria-pressed", "false")


async def test_a_click_switches_a_quota(emulator: Emulator, client: Client) -> None:
    """One of the list, or one that is typed; a malformed one gets the error of the control API."""
    async with opened(emulator) as page:
        await page.get_by_role("button", name="CreateRoom=2/1m").click()
        await expect(page.get_by_role("button", name="(0 accepted")).to_be_visible()
        statuses = [(await client.call("POST", "/rooms", {})).status for _ in range(3)]
        assert statuses == [201, 201, 429]
        used = page.get_by_role("button", name="CreateRoom=2/1m (2 accepted, 1 rejected)")
        await page.get_by_label("Quota", exact=True).fill("reads=1/1h")
        await page.get_by_role("button", name="Set", exact=True).click()
        await expect(page.get_by_role("button", name="reads=1/1h (")).to_be_visible()
        await page.get_by_label("Quota", exact=True).fill("reeds=1/1h")
        await page.get_by_role("button", name="Set", exact=True).click()
        await expect(page.get_by_role("alert")).to_contain_text("did you mean reads")
        await page.get_by_role("button", name="CreateRoom=2/1m (").click()
        await expect(used).to_have_count(0)
        assert [state.quota for state in emulator.quotas.list()] == ["reads=1/1h"]


async def test_the_clock_is_moved(emulator: Emulator, client: Client) -> None:
    """The windows of rooms open and end with it."""
    now = emulator.clock.now()
    emulator.store.create(Window(now + HOUR, now + DAY), {})
    async with opened(emulator) as page:
        await expect(page.locator(".window.upcoming")).to_have_count(1)
        await page.get_by_role("button", name="+1 h").click()
        await expect(page.locator(".window.open")).to_have_count(1)
        await expect(page.locator("#offset")).to_have_text("+1 h, signed requests are rejected")
        assert (await client.call("GET", "/rooms")).status == 401
        await page.get_by_role("button", name="+1 day").click()
        await expect(page.locator(".window.ended")).to_have_count(1)
        await page.get_by_role("button", name="Freeze").click()
        await expect(page.locator("#offset")).to_contain_text("frozen")
        assert emulator.clock.frozen
        await page.get_by_role("button", name="Real time").click()
        await expect(page.locator("#offset")).to_have_text("real time")
        assert abs(emulator.clock.offset_seconds) < 1


@pytest.mark.proves("S98")
async def test_hostile_text_stays_text(emulator: Emulator, client: Client) -> None:
    """In raw ids, custom ids, bodies, targets and labels of faults."""
    now = emulator.clock.now()
    room = emulator.store.create(Window(now, now + DAY), {HOSTILE: "Attendee", "\u202eab": HOSTILE})
    emulator.identities.create(HOSTILE)
    emulator.faults.add(preset("outage", label=HOSTILE, operation="GetRoom"))
    await client.call("POST", "/rooms", {"participants": {HOSTILE: {"role": HOSTILE}}})
    await client.call("GET", "/rooms/1", headers={"User-Agent": HOSTILE})
    async with opened(emulator) as page:
        await page.get_by_role("button", name=room.id).click()
        await expect(page.locator("#room")).to_contain_text(f"Attendee{HOSTILE}")
        await expect(page.locator("#room")).to_contain_text(rf"{HOSTILE}\u{{202e}}ab")
        await expect(page.locator("#users")).to_contain_text(HOSTILE)
        await expect(page.locator("#faults")).to_contain_text(HOSTILE)
        await expect(page.locator("#requests")).to_contain_text(f"fault {HOSTILE}")
        for number in ("1", "2"):
            await page.locator(f"#requests [data-key='{number}']").click()
            await expect(page.locator("#request h2")).to_have_text(f"Request {number}")
            await expect(page.locator("#request")).to_contain_text("<img src=x onerror=")
        assert await page.locator("main img, main script").count() == 0


@pytest.mark.proves("S70")
async def test_the_page_shows_no_secrets(emulator: Emulator, client: Client) -> None:
    created = await ask(client, content={"createTokenWithScopes": ["voip"]})
    token = created.json["accessToken"]["token"]
    emulator.faults.add(preset("key-rotated"))
    async with opened(emulator) as page:
        await page.get_by_role("button", name="CreateIdentity").click()
        await expect(page.locator("#request")).to_contain_text('"token": "REDACTED"')
        text = await page.content()
    assert token[:20] not in text
    assert DEVELOPMENT_KEY[:20] not in text


HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


async def test_polls_stop_while_paused_or_hidden(emulator: Emulator) -> None:
    """The time of the page is the test's."""
    polls: list[str] = []
    async with chromium() as browser:
        page = await browser.new_page()
        page.on("request", lambda request: polls.append(request.url))
        await page.clock.install()
        await page.goto(f"{emulator.control_endpoint}/_emulator/")
        state, pause = page.get_by_role("status"), page.get_by_role("button", name="Pause")
        await expect(state).to_have_text("live")
        for stopping, going_on in (
            (pause.click, pause.click),
            (partial(page.evaluate, HIDE, True), partial(page.evaluate, HIDE, False)),
        ):
            await stopping()
            await expect(state).to_have_text("paused" if stopping == pause.click else "live")
            await page.clock.run_for(1_000)
            stopped = len(polls)
            await page.clock.run_for(60_000)
            assert len(polls) == stopped
            emulator.store.seed(1)
            await going_on()
            await expect(page.locator("#rooms button")).to_have_count(len(emulator.store))
            assert len(polls) == stopped + 1
            await page.clock.run_for(2_000)
            assert len(polls) == stopped + 2


async def test_the_page_outlives_a_restart(emulator: Emulator) -> None:
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{emulator.control_endpoint}/_emulator/")
        await expect(page.get_by_role("status")).to_have_text("live")
        await emulator.stop()
        await expect(page.get_by_role("status")).to_have_text("unreachable")
        await expect(page.get_by_role("alert")).to_contain_text("The emulator is unreachable")
        await emulator.start()
        await expect(page.get_by_role("status")).to_have_text("live")
        await expect(page.get_by_role("alert")).to_be_hidden()


async def test_reset_needs_two_clicks(emulator: Emulator) -> None:
    emulator.store.seed(3)
    async with opened(emulator) as page:
        await page.get_by_role("button", name="Reset", exact=True).click()
        assert len(emulator.store) == 3
        await page.get_by_role("button", name="Remove everything?").click()
        await expect(page.locator("#rooms")).to_contain_text("No rooms.")
        assert len(emulator.store) == 0


@pytest.mark.proves("S98")
async def test_pages_of_other_origins_get_nothing(emulator: Emulator, foreign_page: str) -> None:
    """They can neither read the overview nor frame the page."""
    emulator.store.seed(1)
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(foreign_page)
        overview = f"{emulator.control_endpoint}/_emulator/overview"
        fetched = await page.evaluate(
            "url => fetch(url).then(response => response.text(), error => error.name)", overview
        )
        assert fetched == "TypeError"
        await page.evaluate(
            """url => new Promise(loaded => {
                const frame = document.createElement("iframe");
                frame.src = url;
                frame.onload = loaded;
                document.body.append(frame);
            })""",
            f"{emulator.control_endpoint}/_emulator/",
        )
        [_, frame] = page.frames
        assert await frame.locator("h1", has_text="Rooms emulator").count() == 0


async def test_the_page_asks_for_the_control_key() -> None:
    """It polls no more until it has one, and reads and changes the emulator with it."""
    key = "a control key of a test".replace(" ", "-")
    async with Emulator(control_key=key) as emulator, chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{emulator.control_endpoint}/_emulator/")
        field = page.get_by_label("Control key")
        for given in ("wrong-" * 4, key):
            await expect(page.get_by_role("alert")).to_contain_text("requires the control key")
            await field.fill(given)
            await page.get_by_role("button", name="Use it").click()
        await expect(page.get_by_role("status")).to_have_text("live")
        await expect(field).to_be_hidden()
        await page.get_by_role("button", name="Add a room").click()
        await expect(page.locator("#rooms button")).to_have_count(1)
        assert key not in await page.content()


@pytest.fixture
async def foreign_page() -> AsyncIterator[str]:
    """Serve an empty page on another port, which makes it another origin."""

    async def serve(_: web.BaseRequest) -> web.Response:
        return web.Response(text="<!doctype html><body>", content_type="text/html")

    runner = web.ServerRunner(web.Server(serve))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/"
    await runner.cleanup()


async def test_picture_of_the_page(tmp_path: Path) -> None:
    """`make picture` draws that of the documentation: names the file in EMULATOR_PICTURE."""
    draw = random.Random(8)
    clock = {"clock": lambda: NOW, "date_margin": 10**10}
    async with (
        Emulator(**clock, random=draw, quotas=["CreateRoom=2/1m"]) as emulator,  # type: ignore[arg-type]
        client_session() as session,
    ):
        client = Client(session, emulator.endpoint)
        for _ in range(14):
            start = emulator.clock.now() + draw.randint(-8, 8) * HOUR
            roster = {user(number): "Attendee" for number in range(draw.randint(1, 9))}
            emulator.store.create(Window(start, start + draw.randint(2, 9) * HOUR), roster)
        until = timestamps.render(emulator.clock.now() + 6 * HOUR)
        roster_of_two = {user(1): {"role": "Presenter"}, await new_user(client): {}}
        room = await client.create(participants=roster_of_two, validUntil=until)
        emulator.faults.add(preset("outage", operation="GetRoom"))
        await client.call("GET", f"/rooms/{room['id']}")
        await client.call("GET", f"/rooms/{room['id']}/participants")
        for _ in range(2):
            await client.call("POST", "/rooms", {"validUntil": until})
        async with opened(emulator) as page:
            await page.get_by_role("button", name=f"{room['id']} open").click()
            await page.get_by_role("button", name="ListParticipants").click()
            await expect(page.locator("#request h2")).to_be_visible()
            await expect(page.locator("#room h2")).to_be_visible()
            picture = os.environ.get("EMULATOR_PICTURE", tmp_path / "page.png")
            assert await page.screenshot(path=picture, full_page=True)
