"""What the tests of TLS share: authorities, settings, and a call through a channel."""

from __future__ import annotations

import ssl
from typing import Any

import grpc
from acs.rooms.v1 import rooms_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest
from authority import (
    Authority,
    Files,
    Issued,
)

from rooms_gateway.app import Gateway
from rooms_gateway.server.tls.certificates import Certificates
from rooms_gateway.settings import Settings

OURS = Authority()
THEIRS = Authority()


def settings(files: Files, *, mutual: bool = False, **others: Any) -> Settings:
    chosen = {"listen": ("127.0.0.1:0",), "api_version": "2025-03-13", **others}
    return Settings(upstream=None, **files.settings(mutual=mutual), **chosen)


async def create(channel: grpc.aio.Channel) -> grpc.StatusCode:
    """Create a room through a channel that is closed afterwards."""
    async with channel:
        return await rooms_pb2_grpc.RoomsServiceStub(channel).CreateRoom(CreateRoomRequest()).code()


def certificates_of(gateway: Gateway) -> Certificates:
    assert gateway.certificates is not None
    return gateway.certificates


def leaf(issued: Issued) -> bytes:
    return ssl.PEM_cert_to_DER_cert(issued.certificate.decode().partition("-----END")[0] + ENDING)


ENDING = "-----END CERTIFICATE-----\n"
