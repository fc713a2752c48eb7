"""`python -m rooms_gateway.cli.container_health`: the HEALTHCHECK of the image.

Finds in /proc where the main process of the container listens, so that it needs neither settings
nor a fixed port, and calls the health service of a gateway, or the emulator. It imports little,
because Docker runs it every few seconds. Linux only.
"""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from io import BufferedReader
from ipaddress import ip_address
from pathlib import Path

_TIMEOUT = 4.0
"""Seconds for each step of a conversation, less than the timeout in the Dockerfile."""

_LISTENING = "0A"
_ACCEPTS = 1 << 16
"""State of a listening TCP socket, and flag of a listening Unix socket, in /proc/net."""

Address = str | tuple[str, int]
"""Path of a Unix socket, or host and port."""


def main() -> None:
    """Exit with 0 if the process in the first argument is healthy, with 1 otherwise.

    Without an argument, it is the main process of a container.
    """
    pid = int(sys.argv[1]) if sys.argv[1:] else 1
    try:
        healthy = any(map(_is_healthy, _tree(pid)))
    except OSError as error:
        sys.exit(f"process {pid} has ended or does not respond: {error}")
    if not healthy:
        sys.exit(f"no listener of process {pid} responds as a gateway or an emulator that is ready")


def _tree(pid: int) -> Iterator[int]:
    """Yield a process, which may be a small init process, and its descendants."""
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split():
        yield from _tree(int(child))


def _is_healthy(pid: int) -> bool:
    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    if _EMULATOR.isdisjoint(command):
        return any(map(_is_serving_gateway, _addresses(pid)))
    # An emulator logs failed handshakes, and plaintext in their place.
    tls = any(argument.startswith(b"--tls-") for argument in command)
    return any(_is_emulator(address, tls=tls) for address in _addresses(pid))


def _addresses(pid: int) -> Iterator[Address]:
    """Yield the addresses on which a process listens."""
    files = Path(f"/proc/{pid}/fd").iterdir()
    inodes = {target[8:-1] for target in map(_target, files) if target.startswith("socket:[")}
    for name in ("tcp", "tcp6"):
        for _, local, _, state, *_, inode in _table(pid, name, columns=10):
            if state == _LISTENING and inode in inodes:
                host, _, port = local.partition(":")
                yield _host(host), int(port, 16)
    for *_, flags, _, _, inode, path in _table(pid, "unix", columns=8):
        if int(flags, 16) & _ACCEPTS and inode in inodes:
            yield path


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        # The process has closed it meanwhile.
        return ""


def _table(pid: int, name: str, columns: int) -> Iterator[list[str]]:
    lines = Path(f"/proc/{pid}/net/{name}").read_text("utf-8", "surrogateescape").splitlines()
    for line in lines[1:]:
        row = line.split(maxsplit=columns - 1) if name == "unix" else line.split()[:columns]
        if len(row) == columns:
            yield row


def _host(digits: str) -> str:
    """Decode an address: hexadecimal words of 32 bits, each in the byte order of the machine."""
    words = (int(digits[at : at + 8], 16) for at in range(0, len(digits), 8))
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    return str(ip_address(packed))


def _is_serving_gateway(address: Address) -> bool:
    # First, because the emulator and the admin listener log requests of HTTP/2.
    if _converse(address, _http_status):
        return False
    return any(_converse(address, _health_status, tls=tls) == _SERVING for tls in (False, True))


def _is_emulator(address: Address, *, tls: bool) -> bool:
    """Return whether there is an emulator, with or without TLS; `tls` is tried first."""
    return any(_converse(address, _http_status, tls=each) == _HEALTHY for each in (tls, not tls))


def _converse(
    address: Address,
    conversation: Callable[[socket.socket, BufferedReader], bytes],
    *,
    tls: bool = False,
) -> bytes:
    """Connect and return the result of a conversation, empty without an understood response.

    Raises TimeoutError if there is none in time.
    """
    try:
        connected = _start_tls(_connect(address)) if tls else _connect(address)
        with connected as connection, connection.makefile("rb") as received:
            return conversation(connection, received)
    except TimeoutError:
        # No other listener of the process would respond either.
        raise
    except OSError:
        return b""


def _connect(address: Address) -> socket.socket:
    if isinstance(address, tuple):
        return socket.create_connection(address, _TIMEOUT)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_TIMEOUT)
    connection.connect(address)
    return connection


def _start_tls(plain: socket.socket) -> socket.socket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The process is this container's own, and its certificate is for other names.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context.wrap_socket(plain)


_EMULATOR = frozenset({b"emulator", b"rooms_emulator"})
"""Arguments of a process that runs an emulator alone: a command, or a module."""

_HEALTHY = b"204"
_SERVING = b"\0\0\0\0\2\x08\1"
"""A gRPC message of two bytes: HealthCheckResponse with the status SERVING."""


def _http_status(connection: socket.socket, received: BufferedReader) -> bytes:
    head = b"GET /_emulator/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    connection.sendall(head)
    version, _, rest = received.readline(100).partition(b" ")
    return rest[:3] if version == b"HTTP/1.1" else b""


_DATA, _HEADERS = 0, 1
_FRAME_HEAD = 9
_MAX_FRAME = 1 << 14


def _health_status(connection: socket.socket, received: BufferedReader) -> bytes:
    """Call grpc.health.v1.Health/Check, without the 300 ms that importing gRPC takes."""
    connection.sendall(_health_call())
    if not received.peek(1) and isinstance(connection, ssl.SSLSocket):
        # With mTLS, no more can be seen without a certificate than a handshake that succeeds and
        # a connection that is then closed.
        return _SERVING if connection.selected_alpn_protocol() == "h2" else b""
    while len(head := received.read(_FRAME_HEAD)) == _FRAME_HEAD:
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        if length > _MAX_FRAME or (kind == _HEADERS and flags & 1):
            break
        content = received.read(length)
        if kind == _DATA:
            return content
    return b""


def _health_call() -> bytes:
    def text(value: bytes) -> bytes:
        return bytes([len(value)]) + value

    def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
        head = len(content).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
        return head + content

    # HPACK without compression: 3 and 6 in its table are POST and http; 4, 1 and 31 are the names
    # :path, :authority and content-type (RFC 7541, appendix A).
    fields = (
        b"\x83\x86\x04" + text(b"/grpc.health.v1.Health/Check") + b"\x01" + text(b"localhost")
        + b"\x0f\x10" + text(b"application/grpc") + b"\0" + text(b"te") + text(b"trailers")
    )  # fmt: skip
    return (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + frame(4, 0, 0, b"")
        + frame(_HEADERS, 4, 1, fields)
        + frame(_DATA, 1, 1, bytes(5))
    )


if __name__ == "__main__":
    main()
