"""The connection: what it sends, what it makes of answers, and how it reads streams."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import pytest
from aiohttp import web

from pulltrace.kube.access import Access, FixedAccess
from pulltrace.kube.connection import MAX_LINE_BYTES, Connection, connect
from pulltrace.kube.errors import ApiError, ApiUnreachable, ConnectError
from tests.fakes.api_server import FakeApiServer
from tests.fakes.api_server_faults import cut, hang, html, lines, status

NODES = "/api/v1/nodes"
NODE = "/api/v1/nodes/node-1"


class Rotating:
    """A source whose first token has been revoked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = "old"

    async def access(self, *, refused: bool = False) -> Access:
        if refused:
            self.token = "new"
        return Access(self.url, f"Bearer {self.token}")


class Failing:
    async def access(self, *, refused: bool = False) -> Access:
        raise ConnectError("the plugin failed")


async def read(connection: Connection, read_timeout_seconds: float = 5) -> list[bytes]:
    async with aclosing(connection.stream(NODES, {"watch": "true"}, read_timeout_seconds)) as received:
        return [line async for line in received]


async def test_json_there_and_back(server: FakeApiServer, connection: Connection) -> None:
    """A body goes out as JSON and the answer comes back parsed, with its status."""
    answer = await connection.request("POST", NODES, body={"metadata": {"name": "node-1"}})

    assert answer == (201, server.get("nodes", "", "node-1"))
    assert server.seen[0].headers["Content-Type"] == "application/json"
    assert server.seen[0].headers["User-Agent"].startswith("pulltrace/")


async def test_the_first_request_carries_the_token(server: FakeApiServer) -> None:
    """Nobody is asked anonymously first."""
    server.token = "secret"
    async with Connection(FixedAccess(Access(server.url, "Bearer secret"))) as connection:
        await connection.request("GET", NODES)

    assert len(server.seen) == 1


async def test_parameters_are_quoted(server: FakeApiServer, connection: Connection) -> None:
    """Selectors arrive as they were written."""
    await connection.request("GET", NODES, params={"fieldSelector": "a=b,c!=d e&f"})

    assert server.seen[0].params == {"fieldSelector": "a=b,c!=d e&f"}


async def test_a_revoked_token_is_replaced(server: FakeApiServer) -> None:
    """401 is tried once more with what the source has then, in requests and in streams."""
    server.token = "new"
    async with Connection(Rotating(server.url)) as connection:
        assert (await connection.request("GET", NODES))[0] == 200
    server.faults["watch"] = [status(401), lines(b"{}\n")]
    async with Connection(Rotating(server.url)) as connection:
        assert await read(connection) == [b"{}"]


async def test_a_token_refused_twice_is_an_error(server: FakeApiServer, connection: Connection) -> None:
    """The second 401 is the caller's to see."""
    server.token = "secret"
    with pytest.raises(ApiError, match="401 Unauthorized"):
        await connection.request("GET", NODES)

    assert len(server.seen) == 2


async def test_an_error_says_when_to_come_back(server: FakeApiServer, connection: Connection) -> None:
    """Status, message and Retry-After are in the error."""
    server.faults["GET"] = [status(429, "too many requests", retry_after="3")]
    with pytest.raises(ApiError) as caught:
        await connection.request("GET", NODE)

    assert (caught.value.status, caught.value.reason, caught.value.retry_after_seconds) == (429, "too many requests", 3)


@pytest.mark.parametrize("retry_after", ["", "-1", "²", "Wed, 21 Oct 2026 07:28:00 GMT"])
async def test_a_strange_retry_after_is_ignored(
    server: FakeApiServer, connection: Connection, retry_after: str
) -> None:
    """Only whole seconds are taken for a wish."""
    server.faults["GET"] = [status(503, retry_after=retry_after)]
    with pytest.raises(ApiError) as caught:
        await connection.request("GET", NODE)

    assert caught.value.retry_after_seconds is None


async def test_html_is_quoted_on_one_line(server: FakeApiServer, connection: Connection) -> None:
    """A load balancer's error page becomes a readable reason."""
    server.faults["GET"] = [html(502)]
    with pytest.raises(ApiError, match=r"^502 <html><body>Bad Gateway</body></html>$"):
        await connection.request("GET", NODE)


async def test_html_with_status_200_is_no_answer(server: FakeApiServer, connection: Connection) -> None:
    """A login page in the way is not taken for data."""
    server.faults["GET"] = [html(200)]
    with pytest.raises(ApiUnreachable, match=r"not JSON \(text/html"):
        await connection.request("GET", NODE)


async def test_a_redirect_is_not_followed(server: FakeApiServer, connection: Connection) -> None:
    """A token never goes to where an answer points."""

    async def redirect(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/api/v1/nodes")

    server.faults["GET"] = [redirect]
    with pytest.raises(ApiError, match="302"):
        await connection.request("GET", NODE)

    assert len(server.seen) == 1


async def test_an_empty_answer_is_none(server: FakeApiServer, connection: Connection) -> None:
    """Not every success has a body."""

    async def empty(request: web.Request) -> web.StreamResponse:
        return web.Response()

    server.faults["GET"] = [empty]
    assert await connection.request("GET", NODE) == (200, None)


async def test_a_request_has_a_time_limit(server: FakeApiServer, connection: Connection) -> None:
    """A server that does not answer costs no more than the limit."""
    server.faults["GET"] = [hang()]
    with pytest.raises(ApiUnreachable, match=r"no answer to GET /api/v1/nodes/node-1 within 0\.05 s"):
        await connection.request("GET", NODE, timeout_seconds=0.05)


async def test_a_cut_connection_is_unreachable(server: FakeApiServer, connection: Connection) -> None:
    """Nothing but our own errors gets out, and a write is not repeated: it may have been done."""
    server.faults["PATCH"] = [cut()]
    with pytest.raises(ApiUnreachable, match="PATCH /api/v1/nodes/node-1: "):
        await connection.request("PATCH", NODE, body={})

    assert len(server.seen) == 1


async def test_a_closed_port_is_unreachable() -> None:
    """Nobody listens there."""
    async with Connection(FixedAccess(Access("http://127.0.0.1:1"))) as connection:
        with pytest.raises(ApiUnreachable):
            await connection.request("GET", NODE)
        with pytest.raises(ApiUnreachable):
            await read(connection)


async def test_missing_credentials_are_unreachable() -> None:
    """A plugin that fails while we run is a failure of the request, not of the process."""
    async with Connection(Failing()) as connection:
        with pytest.raises(ApiUnreachable, match="the plugin failed"):
            await connection.request("GET", NODE)


async def test_proxies_of_the_environment_are_ignored(
    server: FakeApiServer, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token goes straight to the API server, whatever HTTP_PROXY says."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert (await connection.request("GET", NODES))[0] == 200


async def test_lines_come_whole(server: FakeApiServer, connection: Connection) -> None:
    """However the bytes are cut on the way, and however long a line is, lines come one by one."""
    large = b"x" * 3_000_000
    server.faults["watch"] = [lines(b"on", b"e\ntwo\n\nthr", b"ee\n", large + b"\n", b"rest")]

    assert await read(connection) == [b"one", b"two", b"three", large, b"rest"]


async def test_a_line_without_end_is_an_error(server: FakeApiServer, connection: Connection) -> None:
    """Memory has a limit."""
    server.faults["watch"] = [lines(*[b"x" * (1024 * 1024)] * (MAX_LINE_BYTES // 1024 // 1024 + 1))]
    with pytest.raises(ApiUnreachable, match="longer than"):
        await read(connection)


async def test_a_silent_stream_is_unreachable(server: FakeApiServer, connection: Connection) -> None:
    """Silence is noticed before the first byte and between two."""
    server.faults["watch"] = [hang(), lines(b"one\n", then="hang")]
    for _ in range(2):
        with pytest.raises(ApiUnreachable, match=r"has been silent for 0\.05 s"):
            await read(connection, 0.05)


async def test_a_stream_that_breaks_off_is_unreachable(server: FakeApiServer, connection: Connection) -> None:
    """A missing end is not an end."""
    server.faults["watch"] = [lines(b"one\ntw", then="cut")]
    with pytest.raises(ApiUnreachable):
        await read(connection)


async def test_streams_do_not_hold_up_requests(server: FakeApiServer, connection: Connection) -> None:
    """However many watches there are, a write finds a connection."""
    streams = [asyncio.create_task(read(connection)) for _ in range(120)]
    await server.reached("watch", 120)
    assert (await connection.request("GET", NODES))[0] == 200
    server.end_watches()
    await asyncio.gather(*streams)


async def test_in_a_pod_the_service_account_is_used(server: FakeApiServer, tmp_path: Path) -> None:
    """`connect` finds the mounted account, and its namespace."""
    for name, text in {"token": "t\n", "ca.crt": "", "namespace": "pulltrace\n"}.items():
        (tmp_path / name).write_text(text)
    environ = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    async with await connect(folder=tmp_path, environ=environ) as connection:
        assert await connection.namespace() == "pulltrace"


async def test_nowhere_to_connect_to_is_one_clear_line(tmp_path: Path) -> None:
    """Neither a pod nor a kubeconfig: the error says what was looked for."""
    with pytest.raises(ConnectError, match=r"this is not a pod, and there is no kubeconfig at .*/\.kube/config$"):
        await connect(folder=tmp_path, environ={"HOME": str(tmp_path)})


def test_the_agents_part_stays_small() -> None:
    """What an agent imports of this package does not bring the `kubernetes` package in."""
    code = "import sys, pulltrace.kube.lease_store, pulltrace.kube.memory; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
