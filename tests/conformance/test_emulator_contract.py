"""Responses of the emulator to signed requests conform to the OpenAPI descriptions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
from hypothesis import settings
from requests.auth import AuthBase
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.signed_requests import Signer
from support.teams_tokens import APP, TEAMS_USER, teams_token

from rooms_emulator import Emulator

ROOMS, IDENTITY = (
    schemathesis.openapi.from_path(Path(__file__).with_name(f"{name}_openapi.yaml"))
    for name in ("rooms", "identity")
)
TEAMS_VALUES = {"TEAMS_TOKEN": teams_token(), "TEAMS_APP": APP, "TEAMS_USER": TEAMS_USER}
"""Values for the names in the description."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
"""Acceptance of every request of the right shape is no check: the API has further rules."""


class Signature(AuthBase):
    """Signs the prepared request, as the last step before it is sent."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        assert request.url
        assert request.method
        url = urlsplit(request.url)
        body = request.body or b""
        request.headers.update(
            Signer(url.netloc).headers(
                request.method,
                request.path_url,
                body.encode() if isinstance(body, str) else body,
            )
        )
        return request


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Run an emulator in a thread: the client of this test blocks."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    emulator = Emulator()
    try:
        asyncio.run_coroutine_threadsafe(emulator.start(), loop).result()
        yield emulator
        asyncio.run_coroutine_threadsafe(emulator.stop(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@ROOMS.parametrize()
@settings(max_examples=60, deadline=None)
def test_responses_conform_to_the_rest_api(
    case: schemathesis.Case[Any], emulator: Emulator
) -> None:
    """No 5xx, only the statuses of the operation, bodies and headers of the right shape."""
    if str(case.path_parameters.get("roomId")).startswith("994"):
        # No request is in flight, so this thread may change the store.
        case.path_parameters["roomId"] = emulator.store.seed(1, participants=2)[0]
    case.call_and_validate(base_url=emulator.endpoint, auth=Signature(), checks=CHECKS)


@IDENTITY.parametrize()
@settings(max_examples=60, deadline=None)
def test_responses_conform_to_the_identity_api(
    case: schemathesis.Case[Any], emulator: Emulator
) -> None:
    """As for rooms; ids of another cloud are of another resource."""
    if str(case.path_parameters.get("id")).startswith("8:acs:"):
        case.path_parameters["id"] = emulator.identities.create().id
    if isinstance(case.body, dict):
        for name in {"token", "appId", "userId"} & case.body.keys():
            case.body[name] = TEAMS_VALUES.get(str(case.body[name]), case.body[name])
    case.call_and_validate(base_url=emulator.endpoint, auth=Signature(), checks=CHECKS)
