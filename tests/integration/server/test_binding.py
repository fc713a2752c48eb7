"""Bound addresses, and errors of those that cannot be bound."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.gateways import SERVING, Running, create_through, settings, status_of, upstream_of

from rooms_emulator import Emulator
from rooms_gateway.app import Gateway
from rooms_gateway.server.ports import BindError
from rooms_gateway.settings import SettingsError


async def test_port_0_is_reported_as_the_bound_port(emulator: Emulator) -> None:
    async with Gateway(settings(upstream_of(emulator))) as gateway:
        [address] = gateway.addresses
        assert int(address.rpartition(":")[2]) > 0
        await create_through(address)


async def test_every_address_serves(tmp_path: Path) -> None:
    listen = ("127.0.0.1:0", f"unix:{tmp_path}/a", f"unix://{tmp_path}/b", "localhost:0")
    async with Gateway(settings(listen=listen)) as gateway:
        assert len(set(gateway.addresses)) == 4
        for address in gateway.addresses:
            assert await create_through(address)


async def test_an_ipv6_address_serves() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this host has no IPv6")
    async with Gateway(settings(listen=("[::1]:0",))) as gateway:
        assert gateway.addresses[0].startswith("[::1]:")
        assert await create_through(gateway.addresses[0])


async def test_port_in_use_is_a_bind_error(running: Running) -> None:
    [address] = running.gateway.addresses
    with pytest.raises(BindError, match=f"^cannot listen on {address}: the address is in use"):
        await Gateway(settings(listen=(address,))).__aenter__()
    assert await status_of(running.channel) == SERVING
    await create_through(address)


@pytest.mark.parametrize("duplicate", [("127.0.0.1:7", "127.0.0.1:7"), ("unix:/a", "unix:///a")])
def test_duplicate_listen_address_is_rejected(duplicate: tuple[str, str]) -> None:
    with pytest.raises(SettingsError, match=f"^--listen: {duplicate[0]} is given twice$"):
        settings(listen=duplicate)
    settings(listen=("127.0.0.1:0", "127.0.0.1:0"))


async def test_address_of_another_host_is_a_bind_error() -> None:
    with pytest.raises(BindError, match="does not belong to this host"):
        await Gateway(settings(listen=("192.0.2.1:0",), allow_plaintext=True)).__aenter__()


async def test_failed_startup_releases_its_listeners(running: Running, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = f"127.0.0.1:{probe.getsockname()[1]}"
    path = f"unix:{tmp_path}/socket"
    with pytest.raises(BindError):
        await Gateway(settings(listen=(free, path, running.gateway.addresses[0]))).__aenter__()
    async with Gateway(settings(listen=(free, path))) as second:
        assert second.addresses == [free, path]


async def test_unix_socket_mode_is_0660_by_default(tmp_path: Path) -> None:
    async with Gateway(settings(listen=(f"unix:{tmp_path}/socket",))) as gateway:
        mode = (tmp_path / "socket").stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o660
        await create_through(gateway.addresses[0])


async def test_unix_socket_in_use_is_rejected(
    tmp_path: Path,
) -> None:
    """The gateway that owns the socket keeps serving."""
    address = f"unix:{tmp_path}/socket"
    async with Gateway(settings(listen=(address,))):
        for _ in range(2):
            with pytest.raises(BindError, match=f"^cannot listen on {address}: another gateway is"):
                await Gateway(settings(listen=(address,))).__aenter__()
        await create_through(address)


async def test_stale_socket_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    async with Gateway(settings(listen=(f"unix:{path}",))) as gateway:
        await create_through(gateway.addresses[0])


@pytest.fixture
def other_server(tmp_path: Path) -> Iterator[socket.socket]:
    """Run a server other than a gateway."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        server.listen(0)
        yield server


@pytest.mark.parametrize("busy", [False, True])
async def test_socket_of_another_server_is_not_replaced(
    other_server: socket.socket, *, busy: bool
) -> None:
    path = other_server.getsockname()
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.setblocking(False)
        if busy:
            # The backlog is full now: a further connection would wait.
            waiting.connect(path)
        with pytest.raises(BindError, match=f"^cannot listen on unix:{path}: "):
            await Gateway(settings(listen=(f"unix:{path}",))).__aenter__()
        if not busy:
            other_server.accept()[0].close()
            waiting.connect(path)
        other_server.accept()[0].close()


async def test_file_that_is_no_socket_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("precious")
    with pytest.raises(BindError, match=r"it exists and is not a socket$"):
        await Gateway(settings(listen=(f"unix:{path}",))).__aenter__()
    assert path.read_text() == "precious"


async def test_socket_in_missing_directory_is_rejected(
    tmp_path: Path,
) -> None:
    path = tmp_path / "missing" / "socket"
    with pytest.raises(BindError, match=f"^cannot listen on unix:{path}: {os.strerror(2)}$"):
        await Gateway(settings(listen=(f"unix:{path}",))).__aenter__()


async def test_socket_path_above_the_limit_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(BindError, match=r"^cannot listen on unix:"):
        await Gateway(settings(listen=(f"unix:{tmp_path}/{'x' * 150}",))).__aenter__()
