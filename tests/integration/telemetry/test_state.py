"""Metrics of the gateway's state: credentials, clocks, versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
from acs.rooms.v1 import rooms_service_pb2_grpc
from acs.rooms.v1.rooms_pb2 import CreateRoomRequest, GetRoomRequest
from cryptography import x509
from support.authority import Authority, Files
from support.collectors import scrape, settled
from support.gateways import Running, failure_of, gateway_for, upstream_of

from rooms_emulator import Emulator, Fault
from rooms_gateway.app import Gateway
from rooms_gateway.settings import Settings, Upstream
from rooms_gateway.telemetry.metrics.registry import Metrics
from rooms_gateway.telemetry.observers import CredentialEvent
from rooms_gateway.upstream.credentials import AccessKeys, BearerTokens, CredentialError
from rooms_gateway.upstream.credentials.bearer import Token

NO_SUCH_ROOM = "99400000000000000"


def settings(upstream: Upstream | None, **others: Any) -> Settings:
    chosen: dict[str, Any] = {"listen": ("127.0.0.1:0",), "admin_listen": "127.0.0.1:0", **others}
    return Settings(upstream=upstream, api_version="2025-03-13", **chosen)


async def not_found(running: Running) -> None:
    await failure_of(running.rooms.GetRoom(GetRoomRequest(room_id=NO_SUCH_ROOM)))


async def test_gateways_in_one_process_count_separately(emulator: Emulator) -> None:
    async with (
        gateway_for(emulator, admin_listen="127.0.0.1:0") as one,
        gateway_for(emulator, admin_listen="127.0.0.1:0") as other,
    ):
        await not_found(one)
        first = await settled(one.gateway.admin_address)
        second = await settled(other.gateway.admin_address)
    assert first.total("grpc_server_started_total") == 1
    assert second.total("grpc_server_started_total") == 0


async def test_rejected_and_switched_keys_are_counted(emulator: Emulator) -> None:
    upstream = upstream_of(emulator)
    [right] = upstream.credential.keys  # type: ignore[union-attr] # the emulator's is a key
    both = Upstream(upstream.endpoint, type(upstream.credential)((b"wrong", right)))  # type: ignore[arg-type]
    async with (
        Gateway(settings(both)) as gateway,
        grpc.aio.insecure_channel(gateway.addresses[0]) as channel,
    ):
        await rooms_service_pb2_grpc.RoomsServiceStub(channel).CreateRoom(CreateRoomRequest())
        seen = await settled(gateway.admin_address)
    events = "rooms_gateway_credential_events_total"
    assert seen.value(events, event="rejected") == 1
    assert seen.value(events, event="key_switched") == 1
    assert seen.total(events) == 2
    assert not seen.has("rooms_gateway_token_expiry_timestamp_seconds")


def events_of(metrics: Metrics) -> dict[str, float]:
    """Return the counts of credential events above zero."""
    text = metrics.expose("")[0].decode()
    counted = {
        event.value: float(
            text.partition(f'rooms_gateway_credential_events_total{{event="{event}"}} ')[2].split()[
                0
            ]
        )
        for event in CredentialEvent
    }
    return {name: count for name, count in counted.items() if count}


async def test_key_file_reloads_are_counted(tmp_path: Path) -> None:
    """Repeated reloads of an invalid file count once."""
    metrics = Metrics("0", "2025-03-13")
    file = tmp_path / "keys"
    keys = AccessKeys((b"key",), file, observer=metrics)
    file.write_text("bmV3", encoding="ascii")
    await keys.reload()
    file.write_text("", encoding="ascii")
    await keys.reload()
    await keys.reload()
    assert events_of(metrics) == {"key_file_read": 1, "key_file_unusable": 1}


async def test_token_renewals_and_expiry_are_metrics() -> None:
    metrics = Metrics("0", "2025-03-13")
    tokens_issued = [Token("one", expires_at=5000.0), Token("two", expires_at=6000.5)]

    async def fetch() -> Token:
        if not tokens_issued:
            raise CredentialError("no more")
        return tokens_issued.pop(0)

    tokens = BearerTokens(fetch, clock=lambda: 1000.0, observer=metrics)
    async with tokens:
        await tokens.replacement([tokens.signer])
        assert b"rooms_gateway_token_expiry_timestamp_seconds 6000.5\n" in metrics.expose("")[0]
    # Within ten seconds, a 401 causes one renewal only.
    assert events_of(metrics) == {"token_renewed": 2}


async def test_failed_token_renewal_is_counted() -> None:
    metrics = Metrics("0", "2025-03-13")

    async def fetch() -> Token:
        raise CredentialError("no")

    with pytest.raises(CredentialError):
        await BearerTokens(fetch, observer=metrics).__aenter__()
    assert events_of(metrics) == {"token_not_renewed": 1}


async def test_clock_skew_is_set_by_the_first_response(
    watched: Running,
) -> None:
    name = "rooms_gateway_clock_skew_seconds"
    assert not (await scrape(watched.gateway.admin_address)).has(name)
    await not_found(watched)
    assert abs((await settled(watched.gateway.admin_address)).value(name)) < 1.5
    watched.emulator.faults.add(
        Fault(status=404, headers={"Date": "Fri, 01 Jan 2100 00:00:00 GMT"})
    )
    await not_found(watched)
    assert (await settled(watched.gateway.admin_address)).value(name) > 1e9


@pytest.mark.parametrize("date", ["canary", "Fri, 01 Jan 9999 00:00:00 GMT"])
async def test_invalid_date_sets_no_clock_skew(watched: Running, date: str) -> None:
    watched.emulator.faults.add(Fault(status=404, headers={"Date": date}))
    await not_found(watched)
    seen = await settled(watched.gateway.admin_address)
    assert not seen.has("rooms_gateway_clock_skew_seconds")


async def test_build_and_process_are_metrics(watched: Running) -> None:
    seen = await scrape(watched.gateway.admin_address)
    assert seen.total("rooms_gateway_build_info", api_version="2025-03-13") == 1
    assert seen.has("process_resident_memory_bytes")
    assert "_created" not in seen.text


async def test_certificate_expiry_is_a_metric(tmp_path: Path) -> None:
    authority = Authority()
    issued = authority.issue()
    files = Files(tmp_path).write(issued, authority)
    async with Gateway(settings(None, **files.settings())) as gateway:
        seen = await scrape(gateway.admin_address)
    certificate = x509.load_pem_x509_certificate(issued.certificate)
    end = certificate.not_valid_after_utc.timestamp()
    assert seen.value("rooms_gateway_certificate_expiry_timestamp_seconds") == end


async def test_no_certificate_expiry_without_tls(watched: Running) -> None:
    seen = await scrape(watched.gateway.admin_address)
    assert not seen.has("rooms_gateway_certificate_expiry_timestamp_seconds")
