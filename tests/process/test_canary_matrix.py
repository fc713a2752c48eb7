"""Every kind of secret and person, in every call, with every fault: in nothing that is shown."""

from __future__ import annotations

import asyncio
import base64
import signal
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from acs.rooms.v1.participants_pb2 import Participant
from calling import STATIC, PolicyFiles, Signer, bearer, jwt_table
from canaries import leaks
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st
from issuer import certificate, issuing
from otlp import Receiver, receiver
from processes import Process, run, started
from running import UNKNOWN_ROOM, collect, until
from scraping import get

from rooms_emulator import Emulator, preset
from rooms_emulator.faults.presets import PRESETS
from rooms_gateway.server.assembly import LEGACY_SERVICE, SERVICES

KEY = base64.b64encode(b"planted~access~key~of~the~resource").decode()
CLIENT_SECRET = "planted~8Qx7.Zb3kP~of.Entra"
PERSON = "8:acs:c0ffee5e-ed5e-4bad-8bad-5ec2e7c0de11_0000c0de-5eed-4bee-8eed-fadedbabe001"
PHONE = "4:+19175550177"
SIGNER = Signer()
TOKENS = {
    "static token": STATIC["admin"],
    "unknown token": "planted-unknown-token-0123456789",
    "JWT": SIGNER.token("billing"),
    "expired JWT": SIGNER.token("billing", exp=time.time() - 3600),
    "forged JWT": Signer(SIGNER.kid).token("billing"),
}
PLANTED = {"access key": KEY, "client secret": CLIENT_SECRET, "raw id": PERSON, "phone": PHONE}
# Entra ID's are canary-token-1, canary-token-2 and so on.
SECRETS = {**PLANTED, **TOKENS, "decoded key": base64.b64decode(KEY).decode()}
SECRETS["Entra ID token"] = "canary-token-"
# Of a token's header every issuer has the same.
SECRETS |= {name: SECRETS[name].partition(".")[2] for name in TOKENS if "JWT" in name}

POLICY = f"""
tokens-file = "tokens"
{jwt_table()}
[callers.billing]
role = "admin"
subject = "billing"
[callers.admin]
role = "admin"
"""

RPCS = [method for service in (*SERVICES, LEGACY_SERVICE) for method in service.methods]


@given(st.sampled_from(sorted(SECRETS)), st.binary(max_size=8), st.data())
def test_a_part_of_a_secret_is_found_in_every_form(name: str, around: bytes, data: Any) -> None:
    secret = SECRETS[name].encode()
    at = data.draw(st.integers(0, max(0, len(secret) - 16)))
    part = around + secret[at : at + 16]
    forms = [part, part.hex().encode(), base64.b64encode(part), base64.urlsafe_b64encode(part)]
    # A window of base64 needs its characters whole.
    for form in forms if len(secret) >= 16 else forms[:2]:
        assert name in leaks(SECRETS, b"before " + form + b" after")


def test_nothing_is_found_where_nothing_is() -> None:
    assert leaks(SECRETS, "a log line of no harm", b"\0\xff", "canary") == []


@dataclass(frozen=True, slots=True)
class Watched:
    """A gateway as a process, and all that can be seen of it."""

    process: Process
    emulator: Emulator
    received: Receiver
    channel: grpc.aio.Channel
    admin: str
    flags: tuple[str, ...]
    variables: Mapping[str, str]


@asynccontextmanager
async def watched(
    folder: Path, credential: str, log_format: str, version: str
) -> AsyncIterator[Watched]:
    """Run a gateway with a policy, both services, traces, probes and the most of logging."""
    files = PolicyFiles(folder).write(POLICY).write_tokens({"admin": STATIC["admin"]})
    files.write_keys(SIGNER)
    async with AsyncExitStack() as parts:
        received = await parts.enter_async_context(receiver())
        common = (
            *("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--traces"),
            *("--log-format", log_format, "--log-level", "debug", "--attempt-timeout", "0.3"),
            *("--max-attempts", "2", "--enable-legacy", "--api-version", version),
            *("--caller-policy", str(files.policy)),
        )
        if credential == "access key":
            emulator = await parts.enter_async_context(
                Emulator(access_key=KEY, legacy=True, fault_seed=7)
            )
            flags: tuple[str, ...] = common
            variables = {"COMMUNICATION_CONNECTION_STRING": emulator.connection_string}
        else:
            secret = folder / "secret"
            secret.write_text(CLIENT_SECRET)
            secret.chmod(0o600)
            issuer = await parts.enter_async_context(issuing(certificate(folder / "ca.pem")))
            emulator = await parts.enter_async_context(
                Emulator(access_key=KEY, bearer=issuer.accepts, legacy=True, fault_seed=7)
            )
            flags = (
                *(*common, "--endpoint", emulator.endpoint, "--entra", "client-secret"),
                *("--entra-client-id", "client", "--entra-tenant-id", "tenant"),
                *("--entra-client-secret-file", str(secret)),
                *("--entra-authority-host", issuer.url),
            )
            variables = {"SSL_CERT_FILE": str(folder / "ca.pem")}
        variables |= received.environment
        process = await parts.enter_async_context(started("serve", *flags, env=variables))
        channel = await parts.enter_async_context(
            grpc.aio.insecure_channel(await process.address())
        )
        await until(lambda: "metrics are on http://" in process.err)
        admin = process.err.partition("metrics are on http://")[2].splitlines()[0].strip('"}')
        yield Watched(process, emulator, received, channel, admin, flags, variables)


def request_for(method: MethodDescriptor, room: str) -> Message:
    """Make a request with a room, a person and a phone number wherever it has a place for them."""
    request = GetMessageClass(method.input_type)()
    fields = request.DESCRIPTOR.fields_by_name
    if "room_id" in fields:
        request.room_id = room  # type: ignore[attr-defined] # of messages in general
    for name in ("participants", "upsert"):
        if name in fields:
            people = (PERSON, PHONE) if method.name == "UpsertParticipants" else (PERSON,)
            getattr(request, name).extend(Participant(raw_id=each) for each in people)
    for name in ("raw_ids", "remove"):
        if name in fields and not fields[name].message_type:
            getattr(request, name).append(PHONE)
    return request


async def told_by(target: Watched, method: MethodDescriptor, room: str, token: str) -> list[Any]:
    """Make a call; return all that its failure tells, undecoded, decoded and as Python shows it."""
    metadata = (*bearer(token), ("x-planted", f"{PERSON} {token}"))
    channel: Any = target.channel
    kind = channel.unary_stream if method.server_streaming else channel.unary_unary
    made = kind(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda request: request.SerializeToString(),
    )(request_for(method, room), metadata=metadata, timeout=5)
    try:
        await (collect(made) if method.server_streaming else made)
    except grpc.aio.AioRpcError as error:
        trailers: Any = error.trailing_metadata()
        values = [value for _, value in trailers]
        return [*values, str(error.initial_metadata()), error.details() or "", repr(error)]
    return [str(await made.trailing_metadata()), str(await made.initial_metadata())]


async def described(channel: Any) -> list[bytes]:
    """Ask reflection for all that it knows."""
    asked = reflection_pb2.ServerReflectionRequest
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    [listed] = await collect(stub.ServerReflectionInfo(iter([asked(list_services="")])))
    names = [each.name for each in listed.list_services_response.service]
    files = iter([asked(file_containing_symbol=name) for name in names])
    answers: Iterable[Any] = await collect(stub.ServerReflectionInfo(files))
    return [each.SerializeToString() for each in answers]


async def shown_by_commands(target: Watched) -> list[str]:
    """Ask the command line for the settings in every form."""
    shown = []
    for command in (("config", "show"), ("config", "show", "--json"), ("serve", "--config-test")):
        done = await run(*command, *target.flags, env=target.variables)
        assert done.code == 0, done.err
        shown += [done.out, done.err]
    return shown


def shown_by_the_system(process: Process) -> list[bytes]:
    """Return what everybody on the machine can see of a process."""
    folder = Path(f"/proc/{process.process.pid}")
    return [(folder / name).read_bytes() for name in ("cmdline", "comm", "status")]


@pytest.mark.parametrize(
    ("credential", "log_format", "version"),
    [
        ("access key", "json", "2024-04-15"),
        ("access key", "console", "2025-03-13"),
        ("client secret", "json", "2025-03-13"),
    ],
)
async def test_no_secret_and_no_person_is_in_anything_that_is_shown_with_any_fault(
    tmp_path: Path, credential: str, log_format: str, version: str
) -> None:
    tokens = list(TOKENS.values())
    async with watched(tmp_path, credential, log_format, version) as target:
        told: list[Any] = []
        for number, name in enumerate(PRESETS):
            [room] = target.emulator.store.seed(1)
            limited = PRESETS[name].get("count", 1) is not None
            target.emulator.faults.add(preset(name, count=len(RPCS)) if limited else preset(name))
            # Over all faults, each call is made with each token.
            answers = await asyncio.gather(
                *(
                    told_by(target, method, room, tokens[(number + at) % len(tokens)])
                    for at, method in enumerate(RPCS)
                )
            )
            told += [part for answer in answers for part in answer]
            target.emulator.faults.clear()
        for path in ("metrics", "startupz", "readyz", "livez", UNKNOWN_ROOM):
            told.append((await get(target.admin, f"/{path}"))[1])
        told += await described(target.channel)
        told += await shown_by_commands(target)
        told += shown_by_the_system(target.process)
        target.process.signal(signal.SIGTERM)
        assert await target.process.exit_code() == 0
    told += [target.process.out, target.process.err]
    told += [each.SerializeToString() for each in target.received.resources]
    assert len(target.received.calls) >= len(PRESETS) * len(RPCS)
    assert leaks(SECRETS, *told) == []
    # All of it was there to be shown.
    assert "UNAUTHENTICATED" in target.process.err
    assert "[REDACTED]" in target.process.err
