"""Permissions by identity and RPC, for every RPC in the protos."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from support import contract
from support.authority import OURS, Files, Issued, channel
from support.gateways import SERVING, collect, gateway_for, read_failure, status_of
from support.policies import STATIC, Metadata, PolicyFiles, Signer, bearer, jwt_table, named

from rooms_emulator import Emulator
from rooms_gateway.server.assembly import LEGACY_SERVICE, SERVICES
from rooms_gateway.server.auth.roles import METHODS, Role
from rooms_gateway.server.auth.token_transport import returns_tokens

FEW = "acs.rooms.v1.RoomsService/DeleteRoom"
POLICY = f"""
tokens-file = "tokens"
{jwt_table()}
[callers.reader]
role = "reader"
uri = "spiffe://example.org/reader"
subject = "reader"
[callers.writer]
role = "writer"
uri = "urn:writer"
subject = ["writer", "other"]
[callers.issuer]
role = "issuer"
[callers.admin]
role = "admin"
dns = "Admin.example"
[callers.few]
methods = ["{FEW}"]
[callers.local]
role = "reader"
methods = ["{FEW}"]
socket = true
"""
RPCS: list[MethodDescriptor] = [
    method for service in [*SERVICES, LEGACY_SERVICE] for method in service.methods
]
SIGNER = Signer()


@dataclass(frozen=True, slots=True)
class Identity:
    """One identity, its role and methods in the policy, and its rejection."""

    name: str
    role: Role | None = None
    methods: tuple[str, ...] = ()
    client: Issued | None = None
    """Client certificate; `None` connects over the Unix socket."""
    metadata: Metadata = ()
    rejection: str = "ERROR_REASON_CALLER_PERMISSION_DENIED"

    def __str__(self) -> str:
        return self.name


IDENTITIES = (
    Identity("spiffe", Role.READER, client=named(OURS, uris=["spiffe://example.org/reader"])),
    Identity("uri", Role.WRITER, client=named(OURS, uris=["urn:writer"])),
    Identity("dns", Role.ADMIN, client=named(OURS, dns=["aDmin.Example"])),
    *(
        Identity(f"token of {role.name}", role, metadata=bearer(STATIC[role.name.lower()]))
        for role in Role
    ),
    Identity("token of few", methods=(FEW,), metadata=bearer(STATIC["few"])),
    Identity("jwt of reader", Role.READER, metadata=bearer(SIGNER.token("reader"))),
    Identity("jwt of writer", Role.WRITER, metadata=bearer(SIGNER.token("other"))),
    Identity("socket", Role.READER, (FEW,)),
    Identity(
        "token precedes certificate",
        Role.READER,
        client=named(OURS, dns=["admin.example"]),
        metadata=bearer(STATIC["reader"]),
    ),
    Identity("unknown certificate", client=named(OURS, dns=["other.example"])),
    Identity(
        "two URIs, no SPIFFE id",
        client=named(OURS, uris=["spiffe://example.org/reader", "spiffe://example.org/b"]),
        rejection="ERROR_REASON_CALLER_UNAUTHENTICATED",
    ),
    Identity(
        "nameless certificate", client=named(OURS), rejection="ERROR_REASON_CALLER_UNAUTHENTICATED"
    ),
    Identity("jwt of unknown subject", metadata=bearer(SIGNER.token("unknown"))),
    Identity(
        "invalid token, valid certificate",
        client=named(OURS, dns=["admin.example"]),
        metadata=bearer("canary-canary-canary"),
        rejection="ERROR_REASON_CALLER_UNAUTHENTICATED",
    ),
)


def needed(method: MethodDescriptor) -> Role:
    """Return the role by rule: reads, deletes, users and tokens, and all others."""
    if method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS:
        return Role.READER
    if "Delete" in method.name:
        return Role.ADMIN
    if method.containing_service.file.package == "acs.identity.v1":
        return Role.ISSUER
    return Role.ISSUER if returns_tokens(method.output_type) else Role.WRITER


@pytest.mark.proves("S17", "S83")
def test_rpcs_and_rows_of_the_role_table_match() -> None:
    assert {_path(method): needed(method) for method in contract.METHODS} == METHODS


def _path(method: MethodDescriptor) -> str:
    return f"{method.containing_service.full_name}/{method.name}"


async def _call(over: grpc.aio.Channel, method: MethodDescriptor, metadata: Metadata) -> None:
    make: Any = over.unary_stream if method.server_streaming else over.unary_unary
    if method.client_streaming:
        make = over.stream_stream
    request: Any = GetMessageClass(method.input_type)()
    call = make(
        f"/{_path(method)}",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )(iter([request]) if method.client_streaming else request, metadata=tuple(metadata))
    await (collect(call) if method.server_streaming else call)


async def _call_or_retry(
    over: grpc.aio.Channel, method: MethodDescriptor, metadata: Metadata
) -> None:
    """Repeat a call without a status of the gateway.

    grpc.aio has another error for a call that is rejected while it sends a message.
    """
    for attempt in range(20):
        try:
            await _call(over, method, metadata)
        except grpc.aio.AioRpcError as error:
            keys = {key for key, _ in error.trailing_metadata() or ()}
            if "grpc-status-details-bin" in keys or attempt == 19:
                raise
        else:
            return


@pytest.fixture
async def addresses(tmp_path: Path, emulator: Emulator) -> AsyncIterator[tuple[str, str]]:
    """Serve with the policy; yield the address with TLS, and the Unix socket."""
    policy = PolicyFiles(tmp_path).write(POLICY).write_tokens(STATIC).write_keys(SIGNER)
    async with gateway_for(
        emulator,
        listen=("127.0.0.1:0", f"unix:{tmp_path}/socket"),
        caller_policy=policy.policy,
        enable_legacy=True,
        **Files(tmp_path).write(OURS.issue(), OURS).settings(mutual=True),
    ) as running:
        yield running.gateway.addresses[0], running.gateway.addresses[1]


def _channel(addresses: tuple[str, str], identity: Identity) -> grpc.aio.Channel:
    if identity.client is None:
        return grpc.aio.insecure_channel(addresses[1])
    return channel(addresses[0], OURS, client=identity.client)


@pytest.mark.proves("S17")
@pytest.mark.parametrize("identity", IDENTITIES, ids=str)
async def test_identity_has_exactly_its_permissions(
    addresses: tuple[str, str], emulator: Emulator, identity: Identity
) -> None:
    """An identity may call the methods of its role and its `methods`, and no others."""
    allowed, denied, costs, errors = set(), {}, set[int](), list[str]()
    async with _channel(addresses, identity) as over:
        for method in RPCS:
            emulator.journal.clear()
            try:
                await _call_or_retry(over, method, identity.metadata)
            except grpc.aio.AioRpcError as error:
                failed = read_failure(error)
                if failed.reason.startswith("ERROR_REASON_CALLER_"):
                    denied[_path(method)] = (failed.code.name, failed.reason)
                    errors.append(str(error))
                    costs.add(len(emulator.journal))
                    continue
            allowed.add(_path(method))
    # Rejected before any request, without repeating the credential.
    assert costs <= {0}
    assert "canary" not in "".join(errors)
    expected = {
        _path(method)
        for method in RPCS
        if (identity.role and needed(method) <= identity.role) or _path(method) in identity.methods
    }
    assert allowed == expected
    codes = {
        "ERROR_REASON_CALLER_PERMISSION_DENIED": "PERMISSION_DENIED",
        "ERROR_REASON_CALLER_UNAUTHENTICATED": "UNAUTHENTICATED",
    }
    assert set(denied.values()) <= {(codes[identity.rejection], identity.rejection)}


@pytest.mark.proves("S16")
@pytest.mark.parametrize("identity", IDENTITIES, ids=str)
async def test_health_and_reflection_need_no_identity(
    addresses: tuple[str, str], identity: Identity
) -> None:
    """An unknown method is `UNIMPLEMENTED` without details, whatever the identity."""
    async with _channel(addresses, identity) as over:
        assert await status_of(over) == SERVING
        untyped: Any = over
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(untyped)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        [response] = await collect(stub.ServerReflectionInfo(iter([request])))
        assert response.list_services_response.service
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await untyped.unary_unary("/acs.rooms.v1.RoomsService/NoSuch")(
                b"", metadata=tuple(identity.metadata)
            )
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert raised.value.details() == "Method not found!"
    assert not raised.value.trailing_metadata()
