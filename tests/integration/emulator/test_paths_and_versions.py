"""Paths, methods and versions that there are not."""

import pytest
from support.signed_requests import UNKNOWN_ROOM, Client


@pytest.mark.parametrize("path", ["/", "/room", "/rooms/", "/Rooms", "/rooms/1/2", "/rooms//"])
async def test_an_unknown_path_is_404(client: Client, path: str) -> None:
    answer = await client.call("GET", path)
    assert answer.status == 404
    assert answer.error == {"code": "NotFound", "message": "There is no resource at this path."}


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
async def test_a_wrong_method_is_405_and_names_the_right_ones(
    client: Client, method: str, path: str, allowed: str
) -> None:
    answer = await client.call(method, path)
    assert (answer.status, answer.error["code"]) == (405, "MethodNotAllowed")
    assert answer.headers["Allow"] == allowed


async def test_head_is_405_without_a_body(client: Client) -> None:
    answer = await client.call("HEAD", "/rooms")
    assert (answer.status, answer.body) == (405, b"")


@pytest.mark.parametrize("path", ["/rooms", f"/rooms/{UNKNOWN_ROOM}", "/rooms/1/participants"])
async def test_a_request_without_a_version_is_refused(client: Client, path: str) -> None:
    for target in (path, f"{path}?api-version=", f"{path}?Api-Version=2025-03-13"):
        answer = await client.call("GET", target, version=None)
        assert answer.status == 400
        assert answer.error == {
            "code": "ApiVersionUnspecified",
            "message": "An API version is required, but was not specified.",
        }


@pytest.mark.parametrize(
    "version", ["2021-04-07", "2022-02-01", "2023-03-31-preview", "2025-02-28", "x", "2025-03-14"]
)
async def test_a_version_that_is_not_supported_is_named(client: Client, version: str) -> None:
    answer = await client.call("GET", "/rooms", version=version)
    assert (answer.status, answer.headers["x-ms-error-code"]) == (400, "UnsupportedApiVersion")
    assert answer.error["message"] == (
        f"The HTTP resource that matches the request URI '{client.endpoint}/rooms' does not "
        f"support the API version '{version}'."
    )


async def test_the_version_that_the_python_client_sends_for_page_two_is_refused(
    client: Client,
) -> None:
    """A client of 1.2.0 with its default version renders an enum into the link under 3.11."""
    answer = await client.call("GET", "/rooms", version="ApiVersion.V2025_03_13")
    assert (answer.status, answer.error["code"]) == (400, "UnsupportedApiVersion")


async def test_parameters_that_nobody_knows_are_ignored(client: Client) -> None:
    assert (await client.call("GET", "/rooms?maxpagesize=1&x")).status == 200
