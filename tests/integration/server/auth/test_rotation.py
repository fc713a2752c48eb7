"""Reloads of tokens, keys and policies while calls are in flight."""

from __future__ import annotations

import asyncio
import gzip
import logging
from contextlib import suppress
from pathlib import Path

import pytest
from support.collectors import settled
from support.gateways import Running, failure_of, gateway_for, until
from support.policies import (
    STATIC,
    PolicyFiles,
    Signer,
    bearer,
    get,
    jwt_table,
    key_set,
    publishing,
)

from rooms_emulator import Emulator
from rooms_gateway.files import POLL_INTERVAL
from rooms_gateway.server.auth.jwks import COOLDOWN, MAX_BYTES, JwksClient, check_url
from rooms_gateway.server.auth.reload import ReloadingPolicy

POLICY = """
tokens-file = "tokens"
[callers.reader]
role = "reader"
"""
NEW = "canary-new-canary-new-canary"


def callers_of(running: Running) -> ReloadingPolicy:
    assert running.gateway.policy is not None
    return running.gateway.policy


async def reason(running: Running, token: str) -> str:
    """Return the reason of a call with `token`: ERROR_REASON_ROOM_NOT_FOUND if it is authorized."""
    return (await failure_of(get(running.channel, bearer(token)))).reason


async def test_token_rotation_under_load_fails_no_call(
    files: PolicyFiles, emulator: Emulator
) -> None:
    files.write(POLICY).write_tokens({"reader": STATIC["reader"]})
    token, reasons = STATIC["reader"], list[str]()
    async with gateway_for(emulator, caller_policy=files.policy) as running:

        async def keep_calling() -> None:
            while True:
                reasons.append(await reason(running, token))

        load = [asyncio.create_task(keep_calling()) for _ in range(4)]
        (files.folder / "tokens").write_text(f"reader {STATIC['reader']}\nreader {NEW}\n")
        await callers_of(running).reload()
        token = NEW
        done = len(reasons)
        await until(lambda: len(reasons) > done + 30, seconds=20)
        files.write_tokens({"reader": NEW})
        await callers_of(running).reload()
        done = len(reasons)
        await until(lambda: len(reasons) > done + 30, seconds=20)
        for task in load:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        assert set(reasons) == {"ERROR_REASON_ROOM_NOT_FOUND"}
        assert await reason(running, STATIC["reader"]) == "ERROR_REASON_CALLER_UNAUTHENTICATED"


async def test_new_policy_applies_to_the_next_call(files: PolicyFiles, emulator: Emulator) -> None:
    files.write(POLICY).write_tokens({"reader": STATIC["reader"]})
    async with gateway_for(emulator, caller_policy=files.policy) as running:
        files.write(POLICY.replace('role = "reader"', "methods = []"))
        await callers_of(running).reload()
        assert await reason(running, STATIC["reader"]) == "ERROR_REASON_CALLER_PERMISSION_DENIED"


@pytest.mark.proves("S27")
@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ("[callers", "not TOML"),
        (
            POLICY.replace("reader", "raeder"),
            (
                "callers.raeder.role: must be one of reader, writer, issuer, admin: did you mean "
                "reader?"
            ),
        ),
        (POLICY.replace('"tokens"', '"gone"'), "tokens-file: cannot read"),
    ],
)
async def test_invalid_policy_keeps_the_current_one(
    files: PolicyFiles,
    emulator: Emulator,
    caplog: pytest.LogCaptureFixture,
    broken: str,
    expected: str,
) -> None:
    """The failed reload is logged once and counted."""
    files.write(POLICY).write_tokens({"reader": STATIC["reader"]})
    async with gateway_for(
        emulator, caller_policy=files.policy, admin_listen="127.0.0.1:0"
    ) as running:
        caplog.set_level(logging.INFO, "rooms_gateway.server.auth")
        files.write(broken)
        for _ in range(3):
            await callers_of(running).reload()
        [record] = [
            each for each in caplog.records if each.name.startswith("rooms_gateway.server.auth")
        ]
        assert record.levelno == logging.WARNING
        assert expected in record.getMessage()
        assert record.getMessage().endswith("; keeping the current policy")
        assert "canary" not in caplog.text
        assert await reason(running, STATIC["reader"]) == "ERROR_REASON_ROOM_NOT_FOUND"
        metrics = await settled(running.gateway.admin_address)
        event = {"event": "caller_policy_unusable"}
        assert metrics.value("rooms_gateway_credential_events_total", **event) == 1


async def test_policy_is_polled_in_the_background(
    files: PolicyFiles,
) -> None:
    sleeps: asyncio.Queue[float] = asyncio.Queue()
    wake = asyncio.Semaphore(0)

    async def sleep(seconds: float) -> None:
        sleeps.put_nowait(seconds)
        await wake.acquire()

    files.write(POLICY).write_tokens({"reader": STATIC["reader"]})
    async with ReloadingPolicy(files.policy, sleep=sleep) as reloading:
        assert await sleeps.get() == POLL_INTERVAL
        first = reloading.authorizer.state
        wake.release()
        await sleeps.get()
        assert reloading.authorizer.state is first
        files.write_tokens({"reader": NEW})
        wake.release()
        await sleeps.get()
        assert reloading.authorizer.state.policy != first.policy


async def test_reload_ignores_changes_without_effect(files: PolicyFiles, signer: Signer) -> None:
    subject = '[callers.billing]\nrole = "reader"\nsubject = "billing"\n'
    files.write(jwt_table() + POLICY.replace('tokens-file = "tokens"', "") + subject)
    files.write('tokens-file = "tokens"\n' + files.policy.read_text()).write_keys(signer)
    files.write_tokens({"reader": NEW})
    policy = ReloadingPolicy(files.policy)
    first = policy.authorizer.state
    files.write(f"# A comment.\n{files.policy.read_text()}").write_keys(signer)
    await policy.reload()
    assert policy.authorizer.state is first
    files.write_keys(signer, Signer("two"))
    await policy.reload()
    assert policy.authorizer.state.policy.keys != first.policy.keys


# --- keys from a URL ------------------------------------------------------------------------------

BY_URL = """
[callers.billing]
role = "reader"
subject = "billing"
"""


@pytest.mark.proves("S24")
async def test_unknown_kid_fetches_the_key_set_again(
    files: PolicyFiles, emulator: Emulator, signer: Signer
) -> None:
    """A new key is used after the cooldown; a failed fetch keeps the current keys."""
    second, third, now = Signer("two"), Signer("three"), 0.0
    async with publishing(signer) as server:
        files.write(jwt_table(f'keys-url = "{server.url}"') + BY_URL)
        async with gateway_for(emulator, caller_policy=files.policy) as running:
            keys = callers_of(running).authorizer.state.keys
            assert keys is not None
            keys._clock = lambda: now
            keys._fetched_at = now
            assert await reason(running, signer.token()) == "ERROR_REASON_ROOM_NOT_FOUND"
            server.signers.append(second)
            # In the cooldown: made-up key ids cause no further fetch.
            assert await reason(running, second.token()) == "ERROR_REASON_CALLER_UNAUTHENTICATED"
            assert server.requests == 1
            now += COOLDOWN
            reasons = await asyncio.gather(*(reason(running, second.token()) for _ in range(20)))
            assert set(reasons) == {"ERROR_REASON_ROOM_NOT_FOUND"}
            assert server.requests == 2
            for status, body in (
                (503, None),
                (302, None),
                (200, b"?"),
                (200, b" " * MAX_BYTES * 2),
            ):
                server.status, server.body = status, body
                now += COOLDOWN
                assert await reason(running, third.token()) == "ERROR_REASON_CALLER_UNAUTHENTICATED"
                assert await reason(running, second.token()) == "ERROR_REASON_ROOM_NOT_FOUND"
            assert server.requests == 6


async def test_cancelled_caller_keeps_the_fetch(
    signer: Signer,
) -> None:
    async with publishing(signer) as server:
        keys = JwksClient(server.url)
        first, second = (asyncio.create_task(keys.refresh()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await second
        assert (len(keys.keys), keys.fetches) == (1, 1)
        await keys.close()


@pytest.mark.proves("S23")
async def test_jwks_redirect_is_not_followed(signer: Signer) -> None:
    async with publishing(signer) as elsewhere, publishing(signer) as server:
        server.status, server.headers = 302, {"Location": elsewhere.url}
        keys = JwksClient(server.url)
        await keys.refresh()
        assert (server.requests, elsewhere.requests, keys.keys) == (1, 0, ())


@pytest.mark.proves("S24")
async def test_compressed_jwks_is_not_decompressed(
    signer: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    async with publishing(signer) as server:
        server.headers = {"Content-Encoding": "gzip"}
        # A valid body, and one that exceeds the limit when decompressed.
        for body in (key_set(signer).encode(), b" " * (1 << 24) + key_set(signer).encode()):
            server.body = gzip.compress(body)
            keys = JwksClient(server.url)
            await keys.refresh()
            assert keys.keys == ()
            assert caplog.messages[-1].endswith("is not JSON")


@pytest.mark.proves("S23")
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://issuer.example/keys", "must begin with https://"),
        ("ftp://127.0.0.1/keys", "must begin with https://"),
        ("file:///etc/passwd", "is not a URL"),
        ("https://user:canary@issuer.example", "must not contain a user name"),
        ("https://issuer.example:port", "is not a URL"),
        ("https://a b", "is not a URL"),
        ("", "is not a URL"),
    ],
)
def test_jwks_url_requires_https_or_loopback(url: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        check_url(url)
    check_url("https://issuer.example/keys")
    check_url("http://127.0.0.1:1/keys")


@pytest.mark.proves("S29")
def test_repr_of_the_policy_redacts_tokens(files: PolicyFiles, tmp_path: Path) -> None:
    files.write(POLICY).write_tokens({"reader": NEW})
    shown = repr(ReloadingPolicy(tmp_path / "policy.toml").authorizer.state)
    assert NEW not in shown
