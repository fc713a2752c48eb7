"""Keyed hashes of identifiers, and their key."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from pathlib import Path

import pytest
from support.samples import A

from rooms_gateway.telemetry.audit.hash_key import HASH_LENGTH, HashKey, read_hash_key
from rooms_gateway.telemetry.observers import CredentialEvent, NoopObserver

KEY = "0123456789abcdef0123456789abcdef"


class Events(NoopObserver):
    """Records events."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def credential_event(self, *events: object, **_: object) -> None:
        self.seen.extend(events)


def test_hash_is_a_truncated_hmac(tmp_path: Path) -> None:
    """White space around the key does not count."""
    (tmp_path / "key").write_text(f"\n{KEY} \n")
    expected = hmac.new(KEY.encode(), A.encode(), hashlib.sha256).hexdigest()
    assert HashKey(tmp_path / "key").hash(A) == expected[:HASH_LENGTH]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (
            b"short-canary\n",
            "{path} has a key of fewer than 32 characters: make one with openssl rand -hex 32",
        ),
        (b"\xff" * 32, "{path} is not ASCII text"),
        (b"a" * 5000, "{path} is too large: the limit is 4096 bytes"),
        (None, "cannot read {path}: No such file or directory"),
    ],
)
def test_invalid_key_is_one_sentence(tmp_path: Path, content: bytes | None, error: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="key") as raised:
        read_hash_key(path)
    assert str(raised.value) == error.format(path=path)


async def test_key_is_reloaded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An invalid key changes nothing, and no line has a key."""
    path, events = tmp_path / "key", Events()
    path.write_text(KEY)
    key = HashKey(path, observer=events, sleep=lambda _: asyncio.sleep(3600))
    async with key:
        hashes = [key.hash(A)]
        for content in (KEY[::-1], "short"):
            path.write_text(content)
            await key.reload()
            hashes.append(key.hash(A))
    assert hashes[0] != hashes[1] == hashes[2]
    assert events.seen == [CredentialEvent.AUDIT_KEY_READ, CredentialEvent.AUDIT_KEY_UNUSABLE]
    assert KEY not in caplog.text
    assert KEY[::-1] not in caplog.text
    assert caplog.messages[-1].endswith("; keeping the current key of the audit log")
