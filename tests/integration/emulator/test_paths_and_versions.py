"""Unknown paths, methods and versions."""

from __future__ import annotations

import pytest
from support.signed_requests import UNKNOWN_ROOM, Client


@pytest.mark.parametrize("path", ["/", "/room", "/rooms/", "/Rooms", "/rooms/1/2", "/rooms//"])
async def test_an_unknown_path_is_404(client: Client, path: str) -> None:
    response = await client.call("GET", path)
    assert response.status == 404
    assert response.error == {"code": "NotFound", "message": "There is no resource at this path."}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/rooms", "POST, GET"),
        ("DELETE", "/rooms", "POST, GET"),
        ("POST", f"/rooms/{UNKNOWN_ROOM}", "GET, PATCH, DELETE"),
        ("DELETE", f"/rooms/{UNKNOWN_ROOM}/participants", "GET, PATCH"),
        ("OPTIONS", "/rooms", "POST, GET"),
        ("PROPFIND", "/rooms", "POST, GET"),
    ],
)
async def test_a_wrong_method_is_405_with_allow(
    client: Client, method: str, path: str, allowed: str
) -> None:
    response = await client.call(method, path)
    assert (response.status, response.error["code"]) == (405, "MethodNotAllowed")
    assert response.headers["Allow"] == allowed


async def test_head_is_405_without_a_body(client: Client) -> None:
    response = await client.call("HEAD", "/rooms")
    assert (response.status, response.body) == (405, b"")


@pytest.mark.parametrize("path", ["/rooms", f"/rooms/{UNKNOWN_ROOM}", "/rooms/1/participants"])
async def test_a_missing_version_is_400(client: Client, path: str) -> None:
    for target in (path, f"{path}?api-version=", f"{path}?Api-Version=2025-03-13"):
        response = await client.call("GET", target, version=None)
        assert response.status == 400
        assert response.error == {
            "code": "ApiVersionUnspecified",
            "message": "An API version is required, but was not specified.",
        }


@pytest.mark.parametrize(
    "version", ["2021-04-07", "2022-02-01", "2023-03-31-preview", "2025-02-28", "x", "2025-03-14"]
)
async def test_an_unsupported_version_is_400(client: Client, version: str) -> None:
    response = await client.call("GET", "/rooms", version=version)
    assert (response.status, response.headers["x-ms-error-code"]) == (400, "UnsupportedApiVersion")
    assert response.error["message"] == (
        f"The HTTP resource that matches the request URI '{client.endpoint}/rooms' does not "
        f"support the API version '{version}'."
    )


async def test_the_python_clients_enum_name_is_400(
    client: Client,
) -> None:
    """With its default version, client 1.2.0 under 3.11 puts the name of an enum into the link."""
    response = await client.call("GET", "/rooms", version="ApiVersion.V2025_03_13")
    assert (response.status, response.error["code"]) == (400, "UnsupportedApiVersion")


async def test_unknown_parameters_are_ignored(client: Client) -> None:
    assert (await client.call("GET", "/rooms?maxpagesize=1&x")).status == 200
