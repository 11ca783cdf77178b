"""Requests of both clients, and their responses."""

from __future__ import annotations

import pytest
from aiohttp import web

from pulltrace.kube.client.api import ApiClient
from pulltrace.kube.client.credentials import RestConfig, StaticConfig
from pulltrace.kube.errors import ApiError, ApiUnreachable, ConnectError
from tests.fakes.api_server import FakeApiServer
from tests.fakes.api_server_faults import cut, hang, html, status
from tests.kube.connections import Connecting, Rotating

NODES = "/api/v1/nodes"
NODE = "/api/v1/nodes/node-1"


class Failing:
    async def config(self, *, unauthorized: bool = False) -> RestConfig:
        raise ConnectError("the plugin failed")


async def test_json_is_sent_and_received(server: FakeApiServer, requesting: ApiClient) -> None:
    """A body goes out as JSON and the answer comes back parsed, with its status."""
    answer = await requesting.request("POST", NODES, body={"metadata": {"name": "node-1"}})

    assert answer == (201, server.get("nodes", "", "node-1"))
    assert server.seen[0].headers["Content-Type"] == "application/json"
    assert server.seen[0].headers["User-Agent"].startswith("pulltrace/")


async def test_the_first_request_carries_the_token(server: FakeApiServer, connecting: Connecting) -> None:
    """No request is sent without the token."""
    server.token = "secret"
    async with connecting(StaticConfig(RestConfig(server.url, "Bearer secret"))) as requesting:
        await requesting.request("GET", NODES)

    assert len(server.seen) == 1


async def test_parameters_are_quoted(server: FakeApiServer, requesting: ApiClient) -> None:
    """Selectors arrive as they were written."""
    await requesting.request("GET", NODES, params={"fieldSelector": "a=b,c!=d e&f"})

    assert server.seen[0].params == {"fieldSelector": "a=b,c!=d e&f"}


async def test_a_revoked_token_is_replaced(server: FakeApiServer, connecting: Connecting) -> None:
    """After a 401 the request is sent once more with new credentials."""
    server.token = "new"
    async with connecting(Rotating(server.url)) as requesting:
        assert (await requesting.request("GET", NODES))[0] == 200

    assert [seen.headers["Authorization"] for seen in server.seen] == ["Bearer old", "Bearer new"]


async def test_a_token_refused_twice_is_an_error(server: FakeApiServer, requesting: ApiClient) -> None:
    """The second 401 is raised."""
    server.token = "secret"
    with pytest.raises(ApiError, match="401 Unauthorized"):
        await requesting.request("GET", NODES)

    assert len(server.seen) == 2


async def test_an_error_says_when_to_come_back(server: FakeApiServer, requesting: ApiClient) -> None:
    """Status, message and Retry-After are in the error."""
    server.faults["GET"] = [status(429, "too many requests", retry_after="3")]
    with pytest.raises(ApiError) as caught:
        await requesting.request("GET", NODE)

    assert (caught.value.status, caught.value.reason, caught.value.retry_after_seconds) == (429, "too many requests", 3)


@pytest.mark.parametrize("retry_after", ["", "-1", "²", "Wed, 21 Oct 2026 07:28:00 GMT"])
async def test_a_strange_retry_after_is_ignored(server: FakeApiServer, requesting: ApiClient, retry_after: str) -> None:
    """Only whole seconds are a Retry-After."""
    server.faults["GET"] = [status(503, retry_after=retry_after)]
    with pytest.raises(ApiError) as caught:
        await requesting.request("GET", NODE)

    assert caught.value.retry_after_seconds is None


async def test_html_is_quoted_on_one_line(server: FakeApiServer, requesting: ApiClient) -> None:
    """A load balancer's error page becomes a readable reason."""
    server.faults["GET"] = [html(502)]
    with pytest.raises(ApiError, match=r"^502 <html><body>Bad Gateway</body></html>$"):
        await requesting.request("GET", NODE)


async def test_html_with_status_200_is_no_answer(server: FakeApiServer, requesting: ApiClient) -> None:
    """A login page in the way is not taken for data."""
    server.faults["GET"] = [html(200)]
    with pytest.raises(ApiUnreachable, match=r"not JSON \(text/html"):
        await requesting.request("GET", NODE)


async def test_a_redirect_is_not_followed(server: FakeApiServer, requesting: ApiClient) -> None:
    """A token never goes to where an answer points."""

    async def redirect(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/api/v1/nodes")

    server.faults["GET"] = [redirect]
    with pytest.raises(ApiError, match="302"):
        await requesting.request("GET", NODE)

    assert len(server.seen) == 1


async def test_an_empty_answer_is_none(server: FakeApiServer, requesting: ApiClient) -> None:
    """Not every success has a body."""

    async def empty(request: web.Request) -> web.StreamResponse:
        return web.Response()

    server.faults["GET"] = [empty]
    assert await requesting.request("GET", NODE) == (200, None)


async def test_a_request_has_a_time_limit(server: FakeApiServer, requesting: ApiClient) -> None:
    """A server that does not answer costs no more than the limit."""
    server.faults["GET"] = [hang()]
    with pytest.raises(ApiUnreachable, match=r"no answer to GET /api/v1/nodes/node-1 within 0\.05 s"):
        await requesting.request("GET", NODE, timeout_seconds=0.05)


async def test_a_cut_connection_is_unreachable(server: FakeApiServer, requesting: ApiClient) -> None:
    """It is a `KubeError`, and a write is not repeated: the server may have executed it."""
    server.faults["PATCH"] = [cut()]
    with pytest.raises(ApiUnreachable, match="PATCH /api/v1/nodes/node-1: "):
        await requesting.request("PATCH", NODE, body={})

    assert len(server.seen) == 1


async def test_a_closed_port_is_unreachable(connecting: Connecting) -> None:
    """A closed port is `ApiUnreachable`."""
    async with connecting(StaticConfig(RestConfig("http://127.0.0.1:1"))) as requesting:
        with pytest.raises(ApiUnreachable):
            await requesting.request("GET", NODE)


async def test_missing_credentials_are_unreachable(connecting: Connecting) -> None:
    """A plugin that fails at run time fails the request, not the process."""
    async with connecting(Failing()) as requesting:
        with pytest.raises(ApiUnreachable, match="the plugin failed"):
            await requesting.request("GET", NODE)


async def test_proxies_of_the_environment_are_ignored(
    server: FakeApiServer, requesting: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token goes straight to the API server, whatever the value of HTTP_PROXY."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert (await requesting.request("GET", NODES))[0] == 200


async def test_the_namespace_is_the_sources(connecting: Connecting) -> None:
    """A client has the namespace of its credentials."""
    async with connecting(StaticConfig(RestConfig("https://x", namespace="pulltrace"))) as requesting:
        assert await requesting.namespace() == "pulltrace"
