"""Check of the way to the upstream, step by step, up to one harmless signed request."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from rooms_gateway.errors import GatewayError
from rooms_gateway.telemetry.observers import AttemptFailure
from rooms_gateway.upstream.credentials import (
    CredentialError,
    CredentialSettings,
    make_credential,
)
from rooms_gateway.upstream.endpoint import Endpoint
from rooms_gateway.upstream.error_response import is_attributed
from rooms_gateway.upstream.probe import response_error, send_probe
from rooms_gateway.upstream.route import Route
from rooms_gateway.upstream.transport.causes import AttemptError
from rooms_gateway.upstream.transport.connection import Connection
from rooms_gateway.upstream.transport.connector import Connector, Step
from rooms_gateway.upstream.transport.http import HttpClient
from rooms_gateway.upstream.transport.messages import RestResponse
from rooms_gateway.upstream.transport.sender import UNAUTHORIZED, RetryPolicy, Sender

_TIMEOUT = 10.0
_MAX_RESPONSE_BYTES = 1 << 20

_TLS = "TLS"
_RESPONSE = "response"
_CREDENTIAL = "credential"

_ENDPOINT = "Compare --endpoint with the Keys page of the resource."
_NETWORK = (
    "Check the network and the firewall. If connections must go through a proxy, pass "
    "--upstream-proxy."
)
_CHAIN = "`openssl s_client -connect {peer} -showcerts` prints the chain of certificates."
_PROXY = "Check --upstream-proxy, and ask the operator of the proxy."
_KEY = "Check the access key or the identity, and the clock of this host."
_ROLES = "Check the role assignments of the identity."
_LATER = "Repeat the check later."

_NEXT = {
    AttemptFailure.NAME_NOT_KNOWN: _ENDPOINT,
    AttemptFailure.WRONG_PROTOCOL: _ENDPOINT,
    AttemptFailure.CERTIFICATE: _CHAIN,
    AttemptFailure.TLS: _CHAIN,
    AttemptFailure.PROXY: _PROXY,
    AttemptFailure.PROXY_REJECTED: _PROXY,
}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one step."""

    subject: str
    """"name", "connection", "proxy", "TLS", "response" or "credential"."""
    passed: bool
    description: str
    next_step: str = ""
    """One sentence for the operator, if the step failed."""


async def check_upstream(
    endpoint: Endpoint, credential: CredentialSettings, route: Route, api_version: str
) -> AsyncIterator[CheckResult]:
    """Yield the result of each step; the first that fails is the last."""
    async for result in _check_connection(endpoint, route):
        yield result
        if not result.passed:
            return
    try:
        response = await _probe(endpoint, credential, route, api_version)
    except CredentialError as error:
        yield CheckResult(_CREDENTIAL, False, str(error), _KEY)
    except GatewayError as error:
        yield CheckResult(_RESPONSE, False, str(error), _LATER)
    else:
        for result in _judge(response):
            yield result


async def _check_connection(endpoint: Endpoint, route: Route) -> AsyncIterator[CheckResult]:
    steps = [step for step in Step if step is not Step.TUNNEL or route.proxy is not None]
    completed: list[Step] = []
    connector = Connector(endpoint, route, _MAX_RESPONSE_BYTES, report=completed.append)
    connection, failure = None, None
    try:
        connection = await connector.connect()
    except AttemptError as error:
        failure = error
    host = route.proxy or endpoint.host
    descriptions = {
        Step.LOOKUP: f"{host} has an address",
        Step.SOCKET: f"connected to {route.proxy or connector.peer}",
        Step.TUNNEL: f"opened a tunnel to {connector.peer}",
    }
    for step in completed:
        yield CheckResult(step, True, descriptions[step])
    if failure is not None:
        subject = steps[len(completed)] if len(completed) < len(steps) else _TLS
        next_step = _NEXT.get(failure.kind, _NETWORK).format(peer=connector.peer)
        yield CheckResult(subject, False, str(failure), next_step)
    elif connection is not None:
        if endpoint.scheme == "https":
            yield CheckResult(_TLS, True, _describe_tls(connection))
        connection.close()


def _describe_tls(connection: Connection) -> str:
    certificate: dict[str, Any] = connection.extra_info("peercert") or {}
    names = {name: value for rdn in certificate.get("issuer", ()) for name, value in rdn}
    issuer = names.get("organizationName") or names.get("commonName") or "an unnamed CA"
    protocol = connection.extra_info("ssl_object").version()
    return f"{protocol}, certificate of {issuer}, valid until {certificate.get('notAfter')}"


async def _probe(
    endpoint: Endpoint, credential: CredentialSettings, route: Route, api_version: str
) -> RestResponse:
    """Send one probe. Raises CredentialError or GatewayError."""
    async with (
        make_credential(credential, endpoint) as signing,
        HttpClient(
            endpoint,
            route,
            user_agent=f"rooms-gateway/{version('rooms-gateway')}",
            max_connections=1,
            max_response_bytes=_MAX_RESPONSE_BYTES,
        ) as http,
    ):
        sender = Sender(http, endpoint, signing, policy=RetryPolicy(max_attempts=1))
        return await send_probe(sender, api_version, time.monotonic() + _TIMEOUT)


def _judge(response: RestResponse) -> Iterator[CheckResult]:
    error = response_error(response)
    by_credential = response.status in {UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    if not is_attributed(response) or (error is not None and not by_credential):
        yield CheckResult(_RESPONSE, False, str(error), _LATER)
        return
    status = f"HTTP status {response.status}"
    yield CheckResult(_RESPONSE, True, f"{status} of the Rooms service")
    if error is not None:
        yield CheckResult(_CREDENTIAL, False, error, _KEY)
    elif by_credential:
        yield CheckResult(_CREDENTIAL, False, f"{status}: it may not read rooms", _ROLES)
    else:
        yield CheckResult(_CREDENTIAL, True, "accepted")
