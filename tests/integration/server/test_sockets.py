"""Unix sockets: permissions and directories."""

from __future__ import annotations

import grp
import os
import stat
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest

from rooms_gateway.addresses import find_group, parse_socket_mode
from rooms_gateway.app import Gateway
from rooms_gateway.cli.serve.files import check_files
from rooms_gateway.server.ports import BindError
from rooms_gateway.settings import Settings, SettingsError


def settings(path: Path, **others: Any) -> Settings:
    return Settings(upstream=None, api_version="2025-03-13", listen=(f"unix:{path}",), **others)


async def create_through(path: Path) -> str:
    async with grpc.aio.insecure_channel(f"unix:{path}") as channel:
        stub = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        return (await stub.CreateRoom(CreateRoomRequest())).room.id


def other_group() -> int:
    """Return a group, other than the process's own, that a socket can be given."""
    groups = set(os.getgroups()) - {os.getegid()}
    if os.geteuid() == 0:
        groups |= {each.gr_gid for each in grp.getgrall()} - {os.getegid()}
    if not groups:
        pytest.skip("this user is in one group only")
    return max(groups)


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
@pytest.mark.parametrize("umask", [0o000, 0o077])
async def test_socket_mode_is_independent_of_the_umask(
    tmp_path: Path, mode: int, umask: int
) -> None:
    path = tmp_path / "socket"
    before = os.umask(umask)
    try:
        async with Gateway(settings(path, socket_mode=mode)):
            assert stat.S_IMODE(path.stat().st_mode) == mode
            assert await create_through(path)
            # Other files of the process keep the umask.
            (tmp_path / "other").touch()
            assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o666 & ~umask
    finally:
        os.umask(before)


@pytest.mark.proves("S4")
async def test_socket_is_private_until_its_mode_is_set(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    modes = []

    # An audit hook cannot be removed, so this one checks a single path.
    def before_chmod(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.chmod" and arguments[0] == str(path):
            modes.append(stat.S_IMODE(path.stat().st_mode))

    sys.addaudithook(before_chmod)
    async with Gateway(settings(path)):
        assert modes == [0o600]


async def test_socket_group_is_set_by_id(tmp_path: Path) -> None:
    path, group = tmp_path / "socket", other_group()
    async with Gateway(settings(path, socket_group=str(group))):
        assert path.stat().st_gid == group
        assert await create_through(path)


async def test_socket_group_is_set_by_name(tmp_path: Path) -> None:
    path, group = tmp_path / "socket", grp.getgrgid(other_group())
    async with Gateway(settings(path, socket_group=group.gr_name)):
        assert path.stat().st_gid == group.gr_gid


def test_unknown_socket_group_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match=r"^--socket-group: group 'no-such-group' does not exi"):
        check_files(socket_group="no-such-group")


def folder(path: Path, mode: int) -> Path:
    path.chmod(mode)
    return path


@pytest.mark.proves("S4")
async def test_socket_in_shared_directory_is_rejected(tmp_path: Path) -> None:
    shared = folder(tmp_path, 0o777)
    with pytest.raises(BindError, match=f"{shared} is writable by all users, so that each"):
        await Gateway(settings(shared / "socket")).__aenter__()
    assert not (shared / "socket").exists()
    assert not (shared / "socket.lock").exists()


@pytest.mark.parametrize(
    ("mode", "others"),
    [(0o1777, {}), (0o770, {}), (0o777, {"allow_shared_socket_directory": True})],
    ids=["sticky", "of a group", "allowed"],
)
async def test_socket_in_protected_directory_serves(
    tmp_path: Path, mode: int, others: dict[str, Any]
) -> None:
    """A socket in a shared directory serves if the settings allow it."""
    path = folder(tmp_path, mode) / "socket"
    async with Gateway(settings(path, **others)):
        assert await create_through(path)


@pytest.mark.proves("S5")
async def test_symlink_as_lock_file_is_rejected(
    tmp_path: Path,
) -> None:
    """The target of the link is unchanged."""
    target = tmp_path / "notes"
    target.write_text("precious")
    (tmp_path / "socket.lock").symlink_to(target)
    with pytest.raises(BindError, match=r"^cannot listen on unix:"):
        await Gateway(settings(tmp_path / "socket")).__aenter__()
    assert target.read_text() == "precious"


@pytest.mark.parametrize("text", ["0660", "660", "0o660"])
def test_socket_mode_is_parsed_as_octal(text: str) -> None:
    assert parse_socket_mode(text) == 0o660


@pytest.mark.parametrize("text", ["", "0", "66", "0888", "-660", "1777", "rw-rw----", "٠٦٦٠"])
def test_malformed_socket_mode_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="such as 0660"):
        parse_socket_mode(text)


def test_group_id_without_a_name_is_valid() -> None:
    assert find_group("4294960000") == 4294960000


async def test_abstract_socket_needs_the_flag_and_serves() -> None:
    """Any user can connect to it."""
    name = f"rooms-gateway-{uuid4()}"
    with pytest.raises(BindError, match="an abstract socket has no permissions"):
        await Gateway(settings(Path(f"@{name}"))).__aenter__()
    shared = settings(Path(f"@{name}"), allow_shared_socket_directory=True)
    async with Gateway(shared) as gateway:
        assert gateway.addresses == [f"unix:@{name}"]
        async with grpc.aio.insecure_channel(f"unix-abstract:{name}") as channel:
            stub = rooms_service_pb2_grpc.RoomsServiceStub(channel)
            assert (await stub.CreateRoom(CreateRoomRequest())).room.id
