"""Common code of the Python arms: the command line, and serving on a free port."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable

import grpc
import uvloop

API_VERSION = "2025-03-13"

Add = Callable[[grpc.aio.Server, str], Awaitable[None]]
"""Adds the servicers of an arm to a server; the string is the origin of the upstream."""


def main(add: Add) -> None:
    """Serve the servicers of `add` on uvloop until the process is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("upstream", help="origin of the REST API, e.g. http://127.0.0.1:1234")
    uvloop.run(_serve(add, parser.parse_args().upstream))


async def _serve(add: Add, upstream: str) -> None:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    await add(server, upstream)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"ready on 127.0.0.1:{port}", flush=True)
    await asyncio.Event().wait()
