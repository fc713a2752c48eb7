"""The settings in deploy/: they exist, are valid, and gateways with them serve."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from pathlib import Path

import grpc
import pytest
import trustme
import yaml
from acs.rooms.v1 import rooms_pb2, rooms_service_pb2_grpc
from deploy.manifests import DEPLOY, KUSTOMIZATIONS, built, containers, environment, ours, setting
from support.collectors import get
from support.commands import PATIENCE, Process, invoke, started

from rooms_emulator import DEVELOPMENT_KEY, Emulator

FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
VARIABLE = re.compile(r"\bROOMS_GATEWAY_[A-Z_]+\b")

NOT_OF_SERVE = {"ROOMS_GATEWAY_ADDRESS"}
"""Variables of the client commands."""

WEBHOOK = {
    "AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000000",
    "AZURE_TENANT_ID": "00000000-0000-0000-0000-000000000000",
    "AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/azure/tokens/azure-identity-token",
}
"""Variables that the workload identity webhook adds to a pod."""


def without_comments(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


FILES = sorted(path for path in DEPLOY.rglob("*") if path.suffix in {".yaml", ".service"})


def test_flags_and_variables_in_deploy_exist() -> None:
    text = "\n".join(map(without_comments, FILES))
    wide = {"COLUMNS": "1000"}
    help_of = {name: invoke(name, "--help", env=wide).out for name in ("serve", "emulator")}
    flags, variables = set(FLAG.findall(text)), set(VARIABLE.findall(text))
    assert flags > {"--listen"}
    assert variables > {"ROOMS_GATEWAY_LISTEN"}
    assert flags <= set(FLAG.findall(" ".join(help_of.values())))
    assert variables <= set(VARIABLE.findall(help_of["serve"])) | NOT_OF_SERVE


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Write the files that Secrets would mount: a key and certificates."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "rooms-gateway.rooms.svc.cluster.local")
    for folder in ("access-key", "tls"):
        (tmp_path / folder).mkdir()
    (tmp_path / "access-key/key").write_text(DEVELOPMENT_KEY, encoding="ascii")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "tls/tls.crt")
    certificate.private_key_pem.write_to_path(tmp_path / "tls/tls.key")
    authority.cert_pem.write_to_path(tmp_path / "tls/ca.crt")
    client = authority.issue_cert("my-service.rooms.svc.cluster.local")
    client.cert_chain_pems[0].write_to_path(tmp_path / "client.crt")
    client.private_key_pem.write_to_path(tmp_path / "client.key")
    return tmp_path


def here(text: str, files: Path) -> str:
    return text.replace("/etc/rooms-gateway", str(files))


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_settings_of_a_kustomization_are_valid(name: str, files: Path) -> None:
    manifests = built(name)
    arguments = [here(argument, files) for argument in ours(manifests)["args"]]
    variables = {key: here(value, files) for key, value in environment(manifests).items()}
    webhook = WEBHOOK if setting(manifests, "entra") else {}
    done = invoke(*arguments, "--config-test", env={**variables, **webhook})
    assert (done.code, done.err) == (0, "")


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def replaced(arguments: Iterable[str], **values: str) -> list[str]:
    """Replace the values of some flags."""
    new = {f"--{flag.replace('_', '-')}": value for flag, value in values.items()}
    changed = []
    for argument in arguments:
        flag = argument.partition("=")[0]
        changed.append(f"{flag}={new.pop(flag)}" if flag in new else argument)
    assert not new
    return changed


async def status_of(admin: str, path: str) -> int:
    return (await get(admin, path))[0]


async def create_room(address: str, tls: grpc.ChannelCredentials | None = None) -> str:
    make = grpc.aio.insecure_channel
    async with make(address) if tls is None else grpc.aio.secure_channel(address, tls) as channel:
        rooms = rooms_service_pb2_grpc.RoomsServiceStub(channel)
        response = await rooms.CreateRoom(rooms_pb2.CreateRoomRequest(), timeout=PATIENCE)
        return response.room.id


async def test_sidecar_serves_and_passes_its_probes(emulator: Emulator, files: Path) -> None:
    manifests = built("sidecar")
    container = ours(manifests)
    shared = files / "rooms"
    shared.mkdir()
    # As an emptyDir is, with fsGroup.
    shared.chmod(0o2777)
    admin = free_address()
    arguments = replaced(
        (here(argument, files) for argument in container["args"]),
        listen=f"unix:{shared}/gateway.sock",
        admin_listen=admin,
    )
    variables = environment(manifests) | {"ROOMS_GATEWAY_ENDPOINT": emulator.endpoint}
    async with started(*arguments, env=variables) as gateway:
        address = await gateway.address()
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert await status_of(admin, container[probe]["httpGet"]["path"]) == 200
        assert await status_of(admin, "/metrics") == 200
        assert await create_room(address)
        assert len(emulator.store) == 1
        await shuts_down(gateway)


async def test_shared_gateway_requires_a_certificate(emulator: Emulator, files: Path) -> None:
    manifests = built("shared/base")
    admin = free_address()
    variables = {key: here(value, files) for key, value in environment(manifests).items()} | {
        "ROOMS_GATEWAY_ENDPOINT": emulator.endpoint,
        "ROOMS_GATEWAY_LISTEN": "127.0.0.1:0",
        "ROOMS_GATEWAY_ADMIN_LISTEN": admin,
        # No load balancer needs time here.
        "ROOMS_GATEWAY_DRAIN_DELAY": "0",
    }
    authority, key, chain = (
        (files / name).read_bytes() for name in ("tls/ca.crt", "client.key", "client.crt")
    )
    async with started(*ours(manifests)["args"], env=variables) as gateway:
        address = await gateway.address()
        assert await status_of(admin, "/readyz") == 200
        assert await create_room(address, grpc.ssl_channel_credentials(authority, key, chain))
        for credentials in (None, grpc.ssl_channel_credentials(authority)):
            with pytest.raises(grpc.aio.AioRpcError) as rejected:
                await create_room(address, credentials)
            assert rejected.value.code() is grpc.StatusCode.UNAVAILABLE
        assert len(emulator.store) == 1
        await shuts_down(gateway)


async def shuts_down(process: Process) -> None:
    process.process.terminate()
    assert await process.exit_code() == 0


async def test_gateway_of_the_emulator_overlay_serves(
    files: Path,
) -> None:
    manifests = built("shared/overlays/emulator")
    [emulator] = [each for each in containers(manifests) if each["name"] == "emulator"]
    variables = {key: here(value, files) for key, value in environment(manifests).items()}
    async with started(*replaced(emulator["args"], listen="127.0.0.1:0")) as behind:
        variables |= {
            "ROOMS_GATEWAY_ENDPOINT": await behind.line(r"rooms-gateway emulator is ready on (.*)"),
            "ROOMS_GATEWAY_LISTEN": "127.0.0.1:0",
            "ROOMS_GATEWAY_ADMIN_LISTEN": "127.0.0.1:0",
        }
        async with started(*ours(manifests)["args"], env=variables) as gateway:
            assert await create_room(await gateway.address())
            await shuts_down(gateway)


@pytest.mark.proves("S75")
def test_key_in_deploy_is_the_development_key() -> None:
    overlay = DEPLOY / "kubernetes/shared/overlays/emulator/kustomization.yaml"
    [generated] = yaml.safe_load(overlay.read_text(encoding="utf-8"))["secretGenerator"]
    assert generated["literals"] == [f"key={DEVELOPMENT_KEY}"]
