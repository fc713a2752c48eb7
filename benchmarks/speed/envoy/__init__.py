"""Envoy as an arm: its reverse transcoder, with signing in Lua.

A fast implementation in C++, which shows the cost of Python. It only transcodes and signs, and has
no lists.
"""

from __future__ import annotations

import base64
import json
import socket
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from acs.rooms.v1 import rooms_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from grpc_tools import protoc  # type: ignore[import-untyped] # has no stubs

from benchmarks.speed.arms.serving import API_VERSION
from benchmarks.speed.upstream import ACCESS_KEY, Stub
from benchmarks.speed.works import Work

HERE = Path(__file__).parent

_TYPES = "type.googleapis.com/envoy.extensions"


class Envoy:
    """Writes the files of an Envoy into a folder."""

    def __init__(self, program: Path, folder: Path) -> None:
        """Compile the proto into `folder`."""
        self._program = program
        self._folder = folder
        self._descriptors = folder / "rooms.binpb"
        includes = (files("google.api") / "../..", files("grpc_tools") / "_proto")
        arguments = [
            "protoc",
            *(f"-I{include}" for include in (HERE, *includes)),
            "--include_imports",
            f"--descriptor_set_out={self._descriptors}",
            "rooms.proto",
        ]
        if protoc.main(arguments):
            raise RuntimeError("the proto of the Envoy arm does not compile")

    def command(self, stub: Stub, tls: bool) -> Sequence[str]:
        """Write a configuration, and return the command that starts Envoy with it."""
        port = _free_port()
        path = self._folder / f"envoy-{'tls' if tls else 'plain'}.json"
        path.write_text(json.dumps(self._configuration(stub, port, tls=tls)), encoding="utf-8")
        return (
            sys.executable, "-m", "benchmarks.speed.arms.announce", str(port),
            str(self._program), "--concurrency", "1", "--log-level", "error",
            "--base-id", str(port), "--config-path", str(path),
        )  # fmt: skip

    def does(self, work: Work) -> bool:
        """Return whether the transcoder supports `work`."""
        return isinstance(work.request, rooms_pb2.GetRoomRequest | rooms_pb2.CreateRoomRequest)

    def request(self, work: Work) -> bytes:
        """Return the serialized request of `work` in the contract of this arm."""
        if not isinstance(work.request, rooms_pb2.CreateRoomRequest):
            return work.request.SerializeToString()
        pool = descriptor_pool.DescriptorPool()
        parsed = descriptor_pb2.FileDescriptorSet.FromString(self._descriptors.read_bytes())
        for file in parsed.file:
            pool.Add(file)
        found = pool.FindMessageTypeByName("acs.rooms.v1.CreateRoomRequest")
        request: Any = message_factory.GetMessageClass(found)()
        for participant in work.request.participants:
            request.participants[participant.raw_id].role = "Attendee"
        message: Message = request
        return message.SerializeToString()

    def _configuration(self, stub: Stub, port: int, *, tls: bool) -> dict[str, Any]:
        authority = urlsplit(stub.origin(tls=tls)).netloc
        key = "".join(f"\\{byte:03}" for byte in base64.b64decode(ACCESS_KEY))
        script = (
            (HERE / "sign.lua")
            .read_text(encoding="utf-8")
            .replace("@KEY@", key)
            .replace("@API_VERSION@", API_VERSION)
            .replace("@AUTHORITY@", authority)
        )
        filters = [
            _filter(
                "grpc_json_reverse_transcoder",
                "GrpcJsonReverseTranscoder",
                descriptor_path=str(self._descriptors),
            ),
            _filter("lua", "Lua", default_source_code={"inline_string": script}),
            _filter("router", "Router"),
        ]
        cluster: dict[str, Any] = {
            "name": "upstream",
            "type": "STATIC",
            "load_assignment": {
                "cluster_name": "upstream",
                "endpoints": [{"lb_endpoints": [{"endpoint": _address(authority)}]}],
            },
        }
        if tls:
            context = {
                "common_tls_context": {
                    "validation_context": {"trusted_ca": {"filename": stub.authority}}
                },
            }
            kind = f"{_TYPES}.transport_sockets.tls.v3.UpstreamTlsContext"
            cluster["transport_socket"] = {
                "name": "tls",
                "typed_config": {"@type": kind, **context},
            }
        manager = {
            "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "calls",
            "codec_type": "HTTP2",
            "http_filters": filters,
            "route_config": {
                "virtual_hosts": [
                    {
                        "name": "all",
                        "domains": ["*"],
                        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}],
                    }
                ]
            },
        }
        listener = {
            **_address(f"127.0.0.1:{port}"),
            "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
        }
        return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _filter(name: str, kind: str, **settings: Any) -> dict[str, Any]:
    config = {"@type": f"{_TYPES}.filters.http.{name}.v3.{kind}", **settings}
    return {"name": f"envoy.filters.http.{name}", "typed_config": config}


def _address(authority: str) -> dict[str, Any]:
    host, _, port = authority.rpartition(":")
    return {"address": {"socket_address": {"address": host, "port_value": int(port)}}}


def _free_port() -> int:
    """Return a port that was just free: Envoy does not report the port it listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
