"""Page tokens: where they resume, and rejection of all but tokens of the same list."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gateways import Running, failure_of, gateway_for, gateway_for_examples
from support.rosters import pages, roster_pages
from support.samples import TOKEN_INVALID

from rooms_emulator import Emulator
from rooms_gateway.services.convert import page_tokens


async def test_each_token_resumes_after_its_page(running: Running) -> None:
    running.emulator.store.seed(100)
    whole = await pages(running)
    for index, page in enumerate(whole[:-1], start=1):
        assert await pages(running, page.next_page_token) == whole[index:]


async def test_tokens_are_valid_on_other_gateways(emulator: Emulator) -> None:
    emulator.store.seed(70)
    async with gateway_for(emulator) as first:
        whole = await pages(first)
    async with gateway_for(emulator) as second, gateway_for(emulator) as third:
        for gateway in (second, third):
            assert await pages(gateway, whole[0].next_page_token) == whole[1:]


async def test_tokens_are_url_safe_and_name_no_host(running: Running) -> None:
    running.emulator.store.seed(31)
    token = (await pages(running))[0].next_page_token
    assert token.replace("-", "").replace("_", "").isalnum()
    assert token.isascii()
    query = page_tokens.decode(token, running.resource, "ListRooms")
    assert query is not None
    assert running.resource not in query
    assert "//" not in query


@pytest.mark.proves("S38")
async def test_other_lists_tokens_are_rejected_unsent() -> None:
    async with Emulator(participants_page_size=2) as emulator, gateway_for(emulator) as running:
        one, two = emulator.store.seed(31, participants=3)[:2]
        rooms_token = (await pages(running))[0].next_page_token
        roster_token = (await roster_pages(running, one))[0].next_page_token
        assert rooms_token
        assert roster_token
        emulator.journal.clear()
        for call in (
            pages(running, roster_token),
            roster_pages(running, two, roster_token),
            roster_pages(running, one, rooms_token),
            roster_pages(running, "ListRooms", rooms_token),
            roster_pages(running, one + "0", roster_token),
        ):
            failed = await failure_of(call)
            assert (failed.code, failed.reason) == TOKEN_INVALID
            assert list(failed.violations) == ["page_token"]
        assert running.requests() == 0


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "AAAA",
        "=",
        "==",
        " ",
        "é",
        "日本",
        "\0",
        "http://127.0.0.1/rooms",
        "../../etc/passwd",
        "x" * 100_000,
        "é" * 100_000,
    ],
)
async def test_malformed_tokens_are_rejected_unsent(running: Running, token: str) -> None:
    for call in (pages(running, token), roster_pages(running, "994", token)):
        failed = await failure_of(call)
        assert (failed.code, failed.reason) == TOKEN_INVALID
    assert running.requests() == 0


def test_damaged_tokens_are_rejected_unsent() -> None:
    with gateway_for_examples() as (runner, running):
        running.emulator.store.seed(31)
        token = runner.run(pages(running))[0].next_page_token

        def is_rejected(damaged: str) -> None:
            if damaged in {token, ""}:
                return
            running.emulator.journal.clear()
            failed = runner.run(failure_of(pages(running, damaged)))
            assert (failed.code, failed.reason) == TOKEN_INVALID
            assert running.requests() == 0

        @given(st.integers(0, len(token) - 1), st.characters(codec="utf-8"))
        @settings(max_examples=150, deadline=None)
        def one_character_changed(index: int, character: str) -> None:
            is_rejected(token[:index] + character + token[index + 1 :])

        @given(st.integers(0, len(token)), st.text(max_size=3))
        @settings(max_examples=100, deadline=None)
        def cut_off_or_longer(index: int, text: str) -> None:
            is_rejected(token[:index])
            is_rejected(token[:index] + text + token[index:])
            is_rejected(token + text)

        @given(st.integers(0, len(token) - 1))
        @settings(max_examples=50, deadline=None)
        def case_changed(index: int) -> None:
            is_rejected(token[:index] + token[index].swapcase() + token[index + 1 :])

        one_character_changed()
        cut_off_or_longer()
        case_changed()
        assert len(runner.run(pages(running, token))) == 1
