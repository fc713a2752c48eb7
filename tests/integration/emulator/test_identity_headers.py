"""Headers and framing of the responses of the Identity API."""

from __future__ import annotations

import re

import pytest
from support.signed_requests import LATEST, Client, Response, ask, exchange, new_user
from support.teams_tokens import APP, TEAMS_USER, teams_token

from rooms_emulator import Emulator, Fault
from rooms_emulator.http.headers import JSON
from rooms_emulator.identity import routes
from rooms_emulator.rooms import versions as rooms_versions

EXCHANGE = "/teamsUser/:exchangeAccessToken"
REQUEST_ID = "x-ms-client-request-id"
TEAMS = {"token": teams_token(), "appId": APP, "userId": TEAMS_USER}
CHAT = {"scopes": ["chat"]}


async def responses(client: Client) -> dict[str, Response]:
    """Return a response of each kind, by operation and status."""
    raw_id = await new_user(client)
    preview = "2025-03-02-preview"
    return {
        "CreateIdentity 201": await ask(client),
        "GetIdentity 200": await ask(client, f"/{raw_id}", method="GET", version=preview),
        "IssueAccessToken 200": await ask(client, f"/{raw_id}/:issueAccessToken", CHAT),
        "RevokeAccessTokens 204": await ask(client, f"/{raw_id}/:revokeAccessTokens"),
        "ExchangeTeamsUserAccessToken 200": await client.call(
            "POST", EXCHANGE, TEAMS, version=LATEST
        ),
        "DeleteIdentity 204": await ask(client, f"/{raw_id}", method="DELETE"),
        "IssueAccessToken 404": await ask(client, f"/{raw_id}/:issueAccessToken", CHAT),
        "ExchangeTeamsUserAccessToken 400": await client.call(
            "POST", EXCHANGE, TEAMS | {"appId": "x"}, version=LATEST
        ),
    }


async def test_response_headers(client: Client) -> None:
    """They are those of the Identity service, not of the Rooms service."""
    for name, response in (await responses(client)).items():
        operation, status = name.split()
        lines = response.headers
        assert response.status == int(status), name
        assert lines["api-supported-versions"] == routes.listing_of(operation)
        assert lines["Strict-Transport-Security"] == "max-age=31536000;includeSubDomains"
        assert re.fullmatch(r"\d+ms", lines["X-Processing-Time"])
        assert lines["X-Cache"] == "CONFIG_NOCACHE"
        assert lines["Connection"] == "keep-alive"
        assert ("Accept-Ranges" in lines) == (status == "200"), name
        for absent in ("x-ms-error-code", "Location", "ETag", "x-ms-request-id", REQUEST_ID):
            assert absent not in lines


async def test_framing(client: Client) -> None:
    """Successes have a length, errors are chunked, and 204 has neither."""
    for name, response in (await responses(client)).items():
        lines = response.headers
        framing = (lines.get("Content-Type"), lines.get("Transfer-Encoding"))
        length = lines.get("Content-Length")
        match response.status:
            case 200 | 201:
                assert (*framing, length) == (JSON, None, str(len(response.body))), name
            case 204:
                assert (*framing, length) == (None, None, None), name
            case _:
                assert (*framing, length) == ("application/json", "chunked", None), name


async def test_rooms_keep_their_framing(client: Client) -> None:
    response = await client.call("GET", "/rooms")
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.headers["api-supported-versions"] == rooms_versions.SUPPORTED
    assert "X-Processing-Time" not in response.headers


@pytest.mark.parametrize("body", [b"{}", b"{"])
async def test_the_client_request_id_is_returned(client: Client, body: bytes) -> None:
    """Also with an error, and without x-ms-return-client-request-id."""
    response = await client.call(
        "POST", "/identities", body, version=LATEST, headers={REQUEST_ID: "a b-1"}
    )
    assert response.headers[REQUEST_ID] == "a b-1"


async def test_other_request_ids_are_not_returned(client: Client, emulator: Emulator) -> None:
    target = f"/identities?api-version={LATEST}"
    head = [f"POST {target} HTTP/1.1", f"Host: {client.signer.host}", "Connection: close"]
    head += [f"{name}: {value}" for name, value in client.signer.headers("POST", target).items()]
    for value in (b"", b"\xff", "é".encode()):
        sent = "\r\n".join(head).encode() + b"\r\n" + REQUEST_ID.encode() + b": " + value
        received = await exchange(emulator.endpoint, sent + b"\r\n\r\n")
        assert received.startswith(b"HTTP/1.1 201 ")
        assert REQUEST_ID.encode() not in received


async def test_processing_time_is_in_milliseconds(emulator: Emulator, client: Client) -> None:
    """It covers an injected latency."""
    emulator.faults.add(Fault(latency=0.05))
    response = await ask(client)
    assert int(response.headers["X-Processing-Time"].removesuffix("ms")) >= 50


@pytest.mark.parametrize(
    ("fault", "status", "missing"),
    [
        (Fault(body="<html>"), 201, False),
        (Fault(drip=1000.0), 201, False),
        (Fault(status=503), 503, False),
        (Fault(truncate=5), 201, True),
    ],
    ids=["body", "drip", "status", "truncate"],
)
async def test_faults_keep_the_framing(
    emulator: Emulator, client: Client, *, fault: Fault, status: int, missing: bool
) -> None:
    """A truncated body is shorter than its announced length."""
    emulator.faults.add(fault)
    target = f"/identities?api-version={LATEST}"
    head = [f"POST {target} HTTP/1.1", f"Host: {client.signer.host}", "Connection: close"]
    head += [f"{name}: {value}" for name, value in client.signer.headers("POST", target).items()]
    received = await exchange(emulator.endpoint, "\r\n".join([*head, "", ""]).encode())
    lines, _, body = received.partition(b"\r\n\r\n")
    assert lines.startswith(f"HTTP/1.1 {status} ".encode())
    length = re.search(rb"\r\nContent-Length: (\d+)", lines)
    assert (b"chunked" in lines) == (status == 503) == (length is None)
    if length is not None:
        assert (len(body) < int(length[1])) == missing
