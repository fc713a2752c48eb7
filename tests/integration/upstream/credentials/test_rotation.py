from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest
from support.entra_issuer import gateway_with
from support.gateways import Running, failure_of, until

from rooms_emulator import Emulator
from rooms_gateway.upstream.credentials import AccessKeys, KeySettings, read_key_file

A, B, C, D = (base64.b64encode(f"canary key {name}".encode() * 3).decode() for name in "ABCD")


def decoded(*keys: str) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(key) for key in keys)


async def short_sleep(seconds: float = 0.0) -> None:
    """Sleep at most 10 ms, in place of the interval of the poller."""
    await asyncio.sleep(min(seconds, 0.01))


class Mount:
    """A key file as Kubernetes mounts it: a symbolic link that is replaced atomically."""

    def __init__(self, folder: Path, *keys: str) -> None:
        self._folder = folder
        self._number = 0
        self.path = folder / "access-key"
        self.swap(*keys)

    def swap(self, *lines: str) -> None:
        self._number += 1
        version = self._folder / f"version-{self._number}"
        version.write_text("\n".join(lines) + "\n")
        link = self._folder / "fresh"
        link.symlink_to(version)
        link.replace(self.path)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(access_key=A) as emulator:
        emulator.authenticator.keys = (A, B)
        yield emulator


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path, A, B)


def settings_of(mount: Mount) -> KeySettings:
    return KeySettings(read_key_file(mount.path), mount.path)


async def create_room(running: Running) -> str:
    return (await running.rooms.CreateRoom(CreateRoomRequest())).room.id


def rejected(emulator: Emulator) -> int:
    return sum(entry.status == 401 for entry in emulator.journal)


@pytest.mark.proves("S54")
async def test_rotation_under_load_fails_no_call(
    tmp_path: Path,
) -> None:
    """Both keys are rotated several times, each at the upstream before it is in the file."""
    async with Emulator(access_key=A, journal_length=None) as emulator:
        emulator.authenticator.keys = (A, B)
        mount = Mount(tmp_path, A, B)
        async with gateway_with(emulator, settings_of(mount)) as running:
            room = await create_room(running)
            done = asyncio.Event()
            calls = 0

            async def caller() -> None:
                nonlocal calls
                while not done.is_set():
                    await running.rooms.GetRoom(GetRoomRequest(room_id=room))
                    calls += 1

            async def a_hundred_calls() -> None:
                target = calls + 100
                await until(lambda: calls >= target, 60)

            callers = [asyncio.create_task(caller()) for _ in range(100)]
            primary, secondary = A, B
            for number in range(6):
                fresh = base64.b64encode(f"fresh {number}".encode() * 4).decode()
                if number % 2:
                    secondary = fresh
                else:
                    primary = fresh
                await a_hundred_calls()
                emulator.authenticator.keys = (primary, secondary)
                await a_hundred_calls()
                mount.swap(primary, secondary)
            await a_hundred_calls()
            done.set()
            await asyncio.gather(*callers)
        assert rejected(emulator) > 0


async def test_replacing_the_only_key_fails_no_call(emulator: Emulator, mount: Mount) -> None:
    """The upstream has the new key before the file has it."""
    mount.swap(A)
    async with gateway_with(emulator, settings_of(mount)) as running:
        room = await create_room(running)
        emulator.authenticator.keys = (C,)
        mount.swap(C)
        get = GetRoomRequest(room_id=room)
        await asyncio.gather(*(running.rooms.GetRoom(get) for _ in range(200)))


async def test_a_file_with_newer_keys_fails_no_call(emulator: Emulator, mount: Mount) -> None:
    """The file has the new keys before the upstream accepts them."""
    keys = AccessKeys(decoded(A), mount.path, sleep=short_sleep)
    mount.swap(C, D)
    async with gateway_with(emulator, settings_of(mount), keys) as running:
        await keys.reload()
        room = await create_room(running)
        emulator.authenticator.keys = (C, D)
        await running.rooms.GetRoom(GetRoomRequest(room_id=room))


async def test_a_revoked_primary_key_costs_one_401(emulator: Emulator, mount: Mount) -> None:
    """Later calls are signed with the secondary key."""
    async with gateway_with(emulator, settings_of(mount)) as running:
        room = await create_room(running)
        emulator.authenticator.keys = (C, B)
        for _ in range(10):
            await running.rooms.GetRoom(GetRoomRequest(room_id=room))
    assert rejected(emulator) == 1


async def test_two_wrong_keys_cost_one_attempt_each(emulator: Emulator, mount: Mount) -> None:
    """The call then fails with ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED."""
    async with gateway_with(emulator, settings_of(mount)) as running:
        emulator.authenticator.keys = (C, D)
        failed = await failure_of(running.rooms.CreateRoom(CreateRoomRequest()))
    assert failed.code is grpc.StatusCode.UNAVAILABLE
    assert failed.reason == "ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED"
    assert failed.metadata["attempts"] == "2"
    assert "canary" not in str(failed.status)
    assert running.requests() == 2


async def test_changing_keys_do_not_prolong_a_call(
    emulator: Emulator, mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = AccessKeys(decoded(A), mount.path)
    async with gateway_with(emulator, settings_of(mount), keys) as running:
        emulator.authenticator.keys = (D,)
        reload, reloads = keys.reload, 0

        async def swap_and_reload() -> None:
            nonlocal reloads
            reloads += 1
            mount.swap(base64.b64encode(f"wrong {reloads}".encode() * 3).decode())
            await reload()

        monkeypatch.setattr(keys, "reload", swap_and_reload)
        failed = await failure_of(running.rooms.CreateRoom(CreateRoomRequest()))
    assert failed.reason == "ERROR_REASON_GATEWAY_CREDENTIAL_REJECTED"
    assert int(failed.metadata["attempts"]) <= 4


async def test_skew_and_a_revoked_key_fail_no_call(emulator: Emulator, mount: Mount) -> None:
    async with gateway_with(emulator, settings_of(mount)) as running:
        emulator.clock.set_offset(3600)
        emulator.authenticator.keys = (C, B)
        await create_room(running)
    assert rejected(emulator) == 2


@pytest.mark.parametrize("broken", [("not base64!",), (), (A, B, C), ("x" * 10_000,), ("é",)])
async def test_an_invalid_file_keeps_the_keys(
    emulator: Emulator, mount: Mount, broken: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, without its content."""
    keys = AccessKeys(decoded(A, B), mount.path, sleep=short_sleep)
    with caplog.at_level(logging.INFO):
        async with gateway_with(emulator, settings_of(mount), keys) as running:
            mount.swap(*broken)
            await keys.reload()
            await keys.reload()
            await create_room(running)
    records = [record for record in caplog.records if "keeping the current" in record.message]
    assert len(records) == 1
    assert str(mount.path) in records[0].message
    assert not any(text in caplog.text for text in (A, B, C, "not base64!", "x" * 40, "é"))


async def test_a_missing_file_keeps_the_keys(
    mount: Mount,
) -> None:
    """A restored file is read again."""
    keys = AccessKeys(decoded(A, B), mount.path)
    mount.path.unlink()
    await keys.reload()
    assert keys.signer.key == decoded(A)[0]
    mount.swap(C)
    await keys.reload()
    assert keys.signer.key == decoded(C)[0]


async def test_a_changed_file_is_reloaded_when_idle(mount: Mount) -> None:
    async with AccessKeys(decoded(A, B), mount.path, sleep=short_sleep) as keys:
        mount.swap(C, D)
        async with asyncio.timeout(10):
            while keys.signer.key != decoded(C)[0]:
                await asyncio.sleep(0.01)


async def test_a_reload_keeps_the_preferred_key(mount: Mount) -> None:
    """If the key in use is still in the file, later calls are signed with it."""
    keys = AccessKeys(decoded(A, B), mount.path)
    keys.prefer(AccessKeys(decoded(B)).signer)
    mount.swap(C, B)
    await keys.reload()
    assert keys.signer.key == decoded(B)[0]


async def test_concurrent_401s_read_the_file_twice(
    mount: Mount,
) -> None:
    """At most twice, whatever the number of rejected calls."""
    keys = AccessKeys(decoded(C, D), mount.path)
    stale = [keys.signer]
    found = await asyncio.gather(*(keys.replacement(stale) for _ in range(100)))
    assert {signer.key for signer in found if signer} == {decoded(A)[0]}  # type: ignore[attr-defined]
    assert keys._file is not None
    assert keys._file.reads <= 2


async def test_a_reload_ignores_an_earlier_read(
    mount: Mount,
) -> None:
    """A read that started before the reload may have missed the change."""
    keys = AccessKeys(decoded(D), mount.path)
    first = asyncio.create_task(keys.reload())
    await asyncio.sleep(0)
    mount.swap(C)
    await keys.reload()
    await first
    assert keys.signer.key == decoded(C)[0]


async def test_accepted_calls_read_no_file(emulator: Emulator, mount: Mount) -> None:
    keys = AccessKeys(decoded(A), mount.path)
    async with gateway_with(emulator, settings_of(mount), keys) as running:
        for _ in range(20):
            await create_room(running)
    assert keys._file is not None
    assert keys._file.reads == 0


@pytest.mark.proves("S56")
def test_keys_are_redacted_in_reprs(mount: Mount) -> None:
    keys = AccessKeys(decoded(A, B), mount.path)
    shown = f"{keys!r} {keys.signer!r} {settings_of(mount)!r}"
    assert "canary" not in shown
    assert A not in shown
