"""Access tokens: claims, signature and expiry."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode
from random import Random
from typing import Any

import pytest
from azure.communication.identity._shared.utils import create_access_token
from hypothesis import given
from hypothesis import strategies as st
from support.microsoft_sdks import IGNORE_DEPRECATIONS
from support.signed_requests import LATEST, SCOPES, Client, ask, client_session, new_user, parts

from rooms_emulator import DEVELOPMENT_KEY, Emulator, timestamps
from rooms_emulator.clock import Clock
from rooms_emulator.identity import tokens, versions
from rooms_emulator.identity.operations import IdentityCall, IdentityOperations
from rooms_emulator.identity.store import Identities
from rooms_emulator.problems import ServiceError

pytestmark = IGNORE_DEPRECATIONS


async def test_claims(emulator: Emulator, client: Client) -> None:
    """A token has the claims of a real one, the emulator as issuer, and a public key."""
    raw_id = await new_user(client)
    body = {"scopes": ["voip", "chat"], "expiresInMinutes": 60}
    token = (await ask(client, f"/{raw_id}/:issueAccessToken", body)).json["token"]
    header, claims, signature = parts(token)
    assert header == {
        "alg": "HS256",
        "kid": "rooms-gateway-emulator",
        "x5t": "rooms-gateway-emulator",
        "typ": "JWT",
    }
    assert claims == {
        "skypeid": raw_id.removeprefix("8:"),
        "scp": 1792,
        "csi": str(claims["iat"]),
        "exp": claims["iat"] + 3600,
        "rgn": "amer",
        "acsScope": "voip,chat",
        "resourceId": emulator.identities.resource,
        "resourceLocation": "unitedstates",
        "iat": claims["iat"],
        "iss": "rooms-gateway-emulator",
    }
    signed = token.rpartition(".")[0].encode()
    assert signature == hmac.digest(b64decode(DEVELOPMENT_KEY), signed, hashlib.sha256)


async def test_tokens_are_signed_with_the_public_key() -> None:
    """The configured access key does not sign: a token would expose it to guessing."""
    async with Emulator(access_key="c3RyYW5nZXI=") as emulator:
        async with client_session() as session:
            client = Client(session, emulator.endpoint)
            client.signer.key = "c3RyYW5nZXI="
            response = await ask(client, content={"createTokenWithScopes": ["chat"]})
        token = response.json["accessToken"]["token"]
        signed = token.rpartition(".")[0]
        expected = hmac.digest(b64decode(DEVELOPMENT_KEY), signed.encode(), hashlib.sha256)
        assert parts(token)[2] == expected


async def test_expiry_defaults_to_24_hours(emulator: Emulator, client: Client) -> None:
    emulator.clock.freeze()
    raw_id = await new_user(client)
    for minutes in (None, 60, 61, 1439, 1440):
        body = {"scopes": ["chat"], "expiresInMinutes": minutes}
        response = await ask(client, f"/{raw_id}/:issueAccessToken", body)
        assert response.status == 200
        life = (minutes or 1440) * 60 * timestamps.TICKS_PER_SECOND
        assert response.json["expiresOn"] == timestamps.render(emulator.clock.now() + life)


GUIDS = st.uuids().map(str)


@given(
    resource=GUIDS,
    user=GUIDS,
    scopes=st.lists(st.sampled_from(SCOPES), min_size=1, unique=True),
    issued=st.integers(0, 2**55),
    minutes=st.integers(60, 1440),
)
def test_tokens_parse_in_the_python_client(
    resource: str, user: str, scopes: list[str], issued: int, minutes: int
) -> None:
    """The client decodes the claims as base64 and ASCII, and reads the expiry from them."""
    life = minutes * 60 * timestamps.TICKS_PER_SECOND
    token = tokens.make(f"8:acs:{resource}_{user}", resource, scopes, issued, issued + life)
    header, claims, signature = parts(token)
    assert (header["typ"], len(signature), claims["acsScope"]) == ("JWT", 32, ",".join(scopes))
    assert (claims["resourceId"], claims["skypeid"]) == (resource, f"acs:{resource}_{user}")
    assert claims["exp"] - claims["iat"] == minutes * 60
    assert create_access_token(token).expires_on == claims["exp"]


def create(now: int, minutes: int | None, scopes: list[str]) -> Any:
    """Create a user with a token at `now`, in nanoseconds since 1970."""
    operations = IdentityOperations(Identities(Random(1)), Clock(lambda: now))
    body = json.dumps({"createTokenWithScopes": scopes, "expiresInMinutes": minutes}).encode()
    return operations.create(IdentityCall(versions.VERSIONS[LATEST], "", body)).body


INSTANTS = st.integers(0, 2**62)
SOME_SCOPES = st.lists(st.sampled_from(SCOPES), min_size=1)


@given(now=INSTANTS, minutes=st.integers(60, 1440) | st.none(), scopes=SOME_SCOPES)
def test_expires_on_equals_the_exp_claim(now: int, minutes: int | None, scopes: list[str]) -> None:
    token = create(now, minutes, scopes).access_token
    exp = parts(token.token)[1]["exp"]
    assert timestamps.parse(token.expires_on) // timestamps.TICKS_PER_SECOND == exp


@given(now=INSTANTS, minutes=st.integers(max_value=59) | st.integers(1441), scopes=SOME_SCOPES)
def test_expiry_is_60_to_1440_minutes(now: int, minutes: int, scopes: list[str]) -> None:
    with pytest.raises(ServiceError, match=r"within the \[60, 1440\] interval"):
        create(now, minutes, scopes)
