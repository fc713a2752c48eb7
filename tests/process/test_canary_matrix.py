"""Planted secrets and participants, in every call with every fault, appear in no output."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest
from acs.identity.v1.users_pb2 import User
from acs.rooms.debug.v1.dry_run_pb2 import DryRun
from acs.rooms.v1.access_tokens_pb2 import TokenOptions
from acs.rooms.v1.join_pb2 import Guest
from acs.rooms.v1.participants_pb2 import Participant
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st
from support.collectors import Receiver, get, receiver, settled
from support.commands import COMMAND, Process, invoke, started
from support.entra_issuer import certificate, issuing
from support.gateways import UNKNOWN_ROOM, collect, until
from support.policies import STATIC, PolicyFiles, Signer, bearer, jwt_table
from support.teams_tokens import teams_token
from support.texts import leaks, occurrences
from support.unsigned_tokens import unsigned_token

from rooms_emulator import Emulator, preset
from rooms_emulator.faults.presets import PRESETS
from rooms_gateway.resources.connection import MAX_RESPONSE_BYTES
from rooms_gateway.server.assembly import LEGACY_SERVICE, SERVICES

KEY = base64.b64encode(b"planted~access~key~of~the~resource").decode()
CLIENT_SECRET = "planted~8Qx7.Zb3kP~of.Entra"
PERSON = "8:acs:c0ffee5e-ed5e-4bad-8bad-5ec2e7c0de11_0000c0de-5eed-4bee-8eed-fadedbabe001"
PHONE = "4:+19175550177"
CUSTOM_ID = "planted~custom~id~of~a~user"
LABEL = "planted~label~of~a~guest"
APP = "57d5a1c4-4b1f-4c53-9f5b-e8c1d7b2a964"
TEAMS_USER = "7d0c5a6e-93f4-4f4f-8a51-ba3c1f9e2b74"
TEAMS_TOKEN = teams_token(appid=APP, oid=TEAMS_USER)
EXPLAINED = unsigned_token({"skypeid": PERSON[2:], "acsScope": "voip.join"})
SIGNER = Signer()
TOKENS = {
    "static token": STATIC["admin"],
    "unknown token": "planted-unknown-token-0123456789",
    "JWT": SIGNER.token("billing"),
    "expired JWT": SIGNER.token("billing", exp=time.time() - 3600),
    "forged JWT": Signer(SIGNER.kid).token("billing"),
}
PLANTED = {"access key": KEY, "client secret": CLIENT_SECRET, "raw id": PERSON, "phone": PHONE}
PLANTED |= {"custom id": CUSTOM_ID, "label": LABEL, "Entra object id": TEAMS_USER}
SECRETS = {**PLANTED, **TOKENS, "decoded key": base64.b64decode(KEY).decode()}
# The tokens of Entra ID are canary-token-1, canary-token-2 and so on.
SECRETS["Entra ID token"] = "canary-token-"
SECRETS["audit key"] = "planted~key~of~the~audit~log~0123456789"
# The header of a JWT is the same for every issuer.
SECRETS |= {name: SECRETS[name].partition(".")[2] for name in TOKENS if "JWT" in name}
SECRETS |= {
    name: token.split(".")[1]
    for name, token in (("Teams token", TEAMS_TOKEN), ("token to explain", EXPLAINED))
}

FORBIDDEN = ("Bearer ", "HMAC", "Signature=", "Traceback")
"""Words of headers and of defects, which no call may cause to be written."""

POLICY = f"""
tokens-file = "tokens"
{jwt_table()}
[callers.billing]
role = "admin"
subject = "billing"
[callers.admin]
role = "admin"
"""

THROTTLED = 429
ISSUED = 20
"""Access tokens and new users that are searched for."""

RPCS = [method for service in (*SERVICES, LEGACY_SERVICE) for method in service.methods]
CHANGING = [
    method
    for method in RPCS
    if method.GetOptions().idempotency_level != MethodOptions.NO_SIDE_EFFECTS
]


@given(st.sampled_from(sorted(SECRETS)), st.binary(max_size=8), st.data())
def test_part_of_a_secret_is_found_in_every_form(name: str, around: bytes, data: Any) -> None:
    secret = SECRETS[name].encode()
    at = data.draw(st.integers(0, max(0, len(secret) - 16)))
    part = around + secret[at : at + 16]
    forms = [part, part.hex().encode(), base64.b64encode(part), base64.urlsafe_b64encode(part)]
    # A window of base64 needs its characters whole.
    for form in forms if len(secret) >= 16 else forms[:2]:
        found = leaks(SECRETS, [("log", b"before " + form + b" after")])
        assert name in {each for leak in found for each in leak.names}


def test_leak_has_title_position_and_excerpt() -> None:
    """The excerpt has the name of the secret in place of the secret."""
    [leak] = leaks(SECRETS, [("metrics", "no secret"), ("log", f"before {PHONE[3:]} after")])
    assert (leak.names, leak.title, leak.position) == (("phone",), "log", len("before "))
    assert leak.excerpt == "before [phone] after"
    [word] = occurrences(FORBIDDEN, [("span", b"a Traceback of it")])
    assert (word.title, word.position, word.excerpt) == ("span", 2, "a [Traceback] of it")


def test_harmless_text_has_no_leak() -> None:
    harmless: list[tuple[str, str | bytes]] = [
        ("log", "a log line of no harm"),
        ("span", b"\0\xff"),
        ("status", "canary"),
    ]
    assert leaks(SECRETS, harmless) == []


@dataclass(frozen=True, slots=True)
class Watched:
    """A gateway process, its emulator, and the receivers of its output."""

    process: Process
    emulator: Emulator
    received: Receiver
    channel: grpc.aio.Channel
    admin: str
    flags: tuple[str, ...]
    variables: Mapping[str, str]
    issued: dict[str, str] = field(default_factory=dict)
    """Access tokens and users in responses, without the parts that all have in common."""

    @property
    def audit_log(self) -> Path:
        """The audit log, of all calls."""
        return Path(self.flags[self.flags.index("--audit-log") + 1])


@asynccontextmanager
async def watched(folder: Path, credential: str, log_format: str) -> AsyncIterator[Watched]:
    """Run a gateway with a policy, both services, traces, probes and the debug log."""
    files = PolicyFiles(folder).write(POLICY).write_tokens({"admin": STATIC["admin"]})
    files.write_keys(SIGNER)
    (folder / "audit.key").write_text(SECRETS["audit key"])
    async with AsyncExitStack() as parts:
        received = await parts.enter_async_context(receiver())
        common = (
            *("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--traces"),
            *("--log-format", log_format, "--log-level", "debug", "--attempt-timeout", "0.3"),
            *("--max-attempts", "2", "--max-pacing-wait", "0", "--enable-legacy"),
            *("--caller-policy", str(files.policy)),
            *("--identity-api-version", "2025-03-02-preview"),
            *("--audit-log", str(folder / "audit.log")),
            *("--audit-key-file", str(folder / "audit.key")),
        )
        if credential == "access key":
            emulator = await parts.enter_async_context(Emulator(access_key=KEY, fault_seed=7))
            flags: tuple[str, ...] = common
            variables = {"COMMUNICATION_CONNECTION_STRING": emulator.connection_string}
        else:
            secret = folder / "secret"
            secret.write_text(CLIENT_SECRET)
            secret.chmod(0o600)
            issuer = await parts.enter_async_context(issuing(certificate(folder / "ca.pem")))
            emulator = await parts.enter_async_context(
                Emulator(access_key=KEY, bearer=issuer.accepts, fault_seed=7)
            )
            flags = (
                *(*common, "--endpoint", emulator.endpoint, "--entra", "client-secret"),
                *("--entra-client-id", "client", "--entra-tenant-id", "tenant"),
                *("--entra-client-secret-file", str(secret)),
                *("--entra-authority-host", issuer.url),
            )
            variables = {"SSL_CERT_FILE": str(folder / "ca.pem")}
        variables |= received.environment
        # By env(1), because a fork would not have these flags in its command line.
        process = await parts.enter_async_context(
            started(COMMAND, "serve", *flags, program="env", env=variables)
        )
        channel = await parts.enter_async_context(
            grpc.aio.insecure_channel(await process.address())
        )
        await until(lambda: "metrics are on http://" in process.err)
        admin = process.err.partition("metrics are on http://")[2].splitlines()[0].strip('"}')
        yield Watched(process, emulator, received, channel, admin, flags, variables)


GUESTS = (
    Guest(raw_id=PERSON, label=LABEL),
    Guest(custom_id=CUSTOM_ID, label=LABEL),
    Guest(new_user=Empty(), label=LABEL),
)
VALUES = {
    "guests": GUESTS,
    "user": User(raw_id=PERSON),
    "raw_id": PERSON,
    "custom_id": CUSTOM_ID,
    "token": EXPLAINED,
    "teams_token": TEAMS_TOKEN,
    "app_id": APP,
    "user_id": TEAMS_USER,
    "token_options": TokenOptions(),
}


def request_for(method: MethodDescriptor, room: str, *, dry: bool = False) -> Message:
    """Make a request with a room, users, a phone number and tokens in all fields for them."""
    if method.client_streaming:
        item = method.input_type.fields_by_name["request"].message_type
        assert item is not None
        wrapped = filled(item, method.name, room, dry=dry)
        return GetMessageClass(method.input_type)(key="k", request=wrapped)
    return filled(method.input_type, method.name, room, dry=dry)


def filled(kind: Descriptor, name: str, room: str, *, dry: bool) -> Message:
    request_type = GetMessageClass(kind)
    names = request_type.DESCRIPTOR.fields_by_name
    request = request_type(**{each: value for each, value in VALUES.items() if each in names})
    if dry:
        request.dry_run.CopyFrom(DryRun())  # type: ignore[attr-defined] # of messages in general
    fields = request.DESCRIPTOR.fields_by_name
    if "room_id" in fields:
        request.room_id = room  # type: ignore[attr-defined] # of messages in general
    if "participants" in fields:
        raw_ids = (PERSON, PHONE) if name == "UpsertParticipants" else (PERSON,)
        request.participants.extend(Participant(raw_id=each) for each in raw_ids)  # type: ignore[attr-defined] # as above
    if "remove_raw_ids" in fields:
        request.remove_raw_ids.append(PHONE)  # type: ignore[attr-defined] # as above
    return request


async def received_by_caller(
    target: Watched, method: MethodDescriptor, room: str, token: str, *, dry: bool = False
) -> list[str | bytes]:
    """Make a call; return its metadata, and its errors: undecoded, decoded, and as a `repr`."""
    metadata = (*bearer(token), ("x-planted", f"{PERSON} {token}"))
    channel: Any = target.channel
    kind = channel.unary_stream if method.server_streaming else channel.unary_unary
    request: Any = request_for(method, room, dry=dry)
    if method.client_streaming:
        kind, request = channel.stream_stream, iter([request])
    call = kind(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda request: request.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )(request, metadata=metadata, timeout=5)
    try:
        response = await (collect(call) if method.server_streaming else call)
    except grpc.aio.AioRpcError as error:
        trailers: Any = error.trailing_metadata()
        values = [value for _, value in trailers]
        return [*values, str(error.initial_metadata()), error.details() or "", repr(error)]
    shown = [str(await call.trailing_metadata()), str(await call.initial_metadata())]
    if dry:
        return [*shown, str(response)]
    results = response if method.client_streaming else getattr(response, "results", ())
    for each in (response, *results):
        if token := getattr(getattr(each, "access_token", None), "token", ""):
            target.issued[f"access token {len(target.issued)}"] = token.partition(".")[2]
    if user := getattr(getattr(response, "user", None), "raw_id", ""):
        target.issued[f"user {len(target.issued)}"] = user.partition("_")[2]
    return [*shown, *(str(each.error) for each in results)]


async def call_everything(target: Watched) -> list[tuple[str, str | bytes]]:
    """Make every call with every fault, once authorized and once with a token in turn.

    Over all faults, each call is made with each token. Returns what callers receive.
    """
    received: list[tuple[str, str | bytes]] = []
    admin, *_ = tokens = list(TOKENS.values())
    # Throttling last: the gateway paces afterwards.
    names = sorted(PRESETS, key=lambda name: PRESETS[name].get("status") == THROTTLED)
    for number, name in enumerate(names):
        [room] = target.emulator.store.seed(1)
        limited = PRESETS[name].get("count", 1) is not None
        fault = preset(name, count=2 * len(RPCS)) if limited else preset(name)
        if fault.gzip:
            # Above the limit of the gateway too, and ten times cheaper to compress.
            fault = msgspec.structs.replace(fault, pad=MAX_RESPONSE_BYTES + 1)
        target.emulator.faults.add(fault)
        calls = [
            (method, token)
            for at, method in enumerate(RPCS)
            for token in (admin, tokens[(number + at) % len(tokens)])
        ]
        responses = await asyncio.gather(
            *(received_by_caller(target, method, room, token) for method, token in calls)
        )
        received += [
            (f"response to {method.full_name} with {name}", text)
            for (method, _), texts in zip(calls, responses, strict=True)
            for text in texts
        ]
        target.emulator.faults.clear()
    for method in RPCS:
        if method.client_streaming or "dry_run" in method.input_type.fields_by_name:
            texts = await received_by_caller(target, method, UNKNOWN_ROOM, admin, dry=True)
            received += [(f"dry run of {method.full_name}", text) for text in texts]
    return received


async def served_by_reflection(channel: Any) -> list[tuple[str, bytes]]:
    """Return everything that reflection serves."""
    request = reflection_pb2.ServerReflectionRequest
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    [listed] = await collect(stub.ServerReflectionInfo(iter([request(list_services="")])))
    names = [each.name for each in listed.list_services_response.service]
    files = iter([request(file_containing_symbol=name) for name in names])
    responses: list[Any] = await collect(stub.ServerReflectionInfo(files))
    return [("reflection", each.SerializeToString()) for each in responses]


def printed_by_commands(target: Watched) -> list[tuple[str, str]]:
    """Return the settings as the command line prints them, in every form."""
    commands = (("config", "show"), ("config", "show", "--json"), ("serve", "--config-test"))
    finished = [invoke(*command, *target.flags, env=target.variables) for command in commands]
    assert [done.code for done in finished] == [0] * len(commands), finished
    return [
        (" ".join(command), done.out + done.err)
        for command, done in zip(commands, finished, strict=True)
    ]


def shown_by_the_system(process: Process) -> list[tuple[str, bytes]]:
    """Return what every user of the host can read about a process."""
    folder = Path(f"/proc/{process.process.pid}")
    return [(name, (folder / name).read_bytes()) for name in ("cmdline", "comm", "status")]


@pytest.mark.proves("S16", "S34", "S57", "S58", "S64", "S66", "S70", "S81", "S89")
@pytest.mark.parametrize(
    ("credential", "log_format"),
    [
        ("access key", "console"),
        ("client secret", "json"),
    ],
)
async def test_no_output_has_a_secret_or_a_participant(
    tmp_path: Path, credential: str, log_format: str
) -> None:
    """With any fault: status, logs, metrics, spans, reflection, `config show`, process list."""
    async with watched(tmp_path, credential, log_format) as target:
        texts = await call_everything(target)
        # Of a call whose deadline expires before it is sent, the gateway has no span.
        metrics = await settled(target.admin)
        calls = metrics.total("grpc_server_handled_total")
        assert calls >= len(PRESETS) * len(RPCS)
        for path in ("metrics", "startupz", "readyz", "livez", UNKNOWN_ROOM):
            texts.append((path, (await get(target.admin, f"/{path}"))[1]))
        texts += await served_by_reflection(target.channel)
        texts += printed_by_commands(target)
        emulator = target.emulator.endpoint.removeprefix("http://")
        journal = (await get(emulator, "/_emulator/journal"))[1]
        texts += shown_by_the_system(target.process)
        # Spans that are left at the shutdown are lost after FLUSH_TIMEOUT.
        await until(lambda: len(target.received.calls) >= calls)
        target.process.signal(signal.SIGTERM)
        assert await target.process.exit_code() == 0
    spans = [each.SerializeToString() for each in target.received.resources]
    log = target.process.out + target.process.err
    audit_log = target.audit_log.read_text()
    texts.append(("audit log", audit_log))
    texts += [("log", log), *(("span", each) for each in spans)]
    issued = dict([*target.issued.items()][:ISSUED])
    assert len(issued) == ISSUED
    assert leaks(SECRETS | issued, texts) == []
    tokens = {name: SECRETS[name] for name in ("Teams token", "Entra ID token")}
    tokens |= {name: text for name, text in issued.items() if name.startswith("access token")}
    assert leaks(tokens, [("journal", journal)]) == []
    assert "exchangeAccessToken" in journal
    assert occurrences(FORBIDDEN, [("log", log), ("audit log", audit_log)]) == []
    lines = [json.loads(line) for line in audit_log.splitlines()]
    changing = {f"/{each.containing_service.full_name}/{each.name}" for each in CHANGING}
    assert {line["method"] for line in lines} == changing
    assert any(line["identifier_hashes"] for line in lines)
    # The secrets were there to be shown.
    assert "UNAUTHENTICATED" in log
    assert "[REDACTED]" in log
