"""The agent's client: when it keeps its one socket, and when it opens another.

The contract of both clients is in test_api.py and test_tls.py.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from pulltrace.kube.client.credentials import RestConfig, StaticConfig
from pulltrace.kube.client.h11_client import H11Client
from pulltrace.kube.errors import ApiError, ApiUnreachable
from tests.cluster.pki import Authority
from tests.fakes import api_server
from tests.fakes.api_server import FakeApiServer, Fault
from tests.fakes.api_server_faults import cut, hang, lines, status
from tests.kube.connections import Rotating

NODES = "/api/v1/nodes"
NODE = "/api/v1/nodes/node-1"


@pytest.fixture
async def connection(server: FakeApiServer) -> AsyncIterator[H11Client]:
    server.put("nodes", {"metadata": {"name": "node-1"}})
    async with H11Client(StaticConfig(RestConfig(server.url))) as connection:
        yield connection


def recording(server: FakeApiServer, kind: str, then: Fault | None = None) -> list[object]:
    """The sockets over which the next requests of this kind come; the first of them is answered with `then`."""
    seen: list[object] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport
        seen.append(request.transport.get_extra_info("peername"))
        return await (then or status(404))(request) if len(seen) == 1 else web.json_response({})

    server.faults[kind] = [answer] * 9
    return seen


async def get(connection: H11Client) -> int:
    return (await connection.request("GET", NODE))[0]


async def test_requests_share_a_connection(server: FakeApiServer, connection: H11Client) -> None:
    """A request after another goes over the same socket, errors of the API included."""
    seen = recording(server, "GET")
    with pytest.raises(ApiError, match="404"):
        await get(connection)
    assert [await get(connection), await get(connection)] == [200, 200]

    assert len(seen) == 3
    assert len(set(seen)) == 1


async def test_a_401_is_retried_on_the_same_connection(server: FakeApiServer) -> None:
    """New credentials need no new connection."""
    async with H11Client(Rotating(server.url)) as connection:
        seen = recording(server, "GET", status(401))
        assert await get(connection) == 200

    assert len(set(seen)) == 1


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_a_kept_connection_that_is_cut_is_replaced(
    server: FakeApiServer, connection: H11Client, method: str
) -> None:
    """An idempotent request is sent once more if the server had closed the connection."""
    await get(connection)
    seen = recording(server, method, cut())
    assert await connection.request(method, NODE, body={}) == (200, {})

    assert len(set(seen)) == 2


async def test_a_post_is_not_sent_twice(server: FakeApiServer, connection: H11Client) -> None:
    """It may have been done, and would then fail."""
    await get(connection)
    server.faults["POST"] = [cut()]
    with pytest.raises(ApiUnreachable, match="POST /api/v1/nodes: the connection was closed without an answer"):
        await connection.request("POST", NODES, body={})

    assert server.count("POST") == 1


async def test_a_new_connection_that_is_cut_is_not_retried(server: FakeApiServer, connection: H11Client) -> None:
    """A server that cuts every connection gets two requests."""
    await get(connection)
    server.faults["GET"] = [cut(), cut()]
    with pytest.raises(ApiUnreachable, match="without an answer"):
        await get(connection)

    assert server.count("GET") == 3


async def test_a_closed_connection_is_noticed_before_the_next_request(authority: Authority) -> None:
    """A server that closes idle connections costs a new connection and nothing else, not even for a POST."""
    context = server_context(authority)
    async with api_server.running(context) as server:
        access = RestConfig(server.url, ca_file=str(authority.certificate))
        async with H11Client(StaticConfig(access)) as connection:

            async def last(request: web.Request) -> web.StreamResponse:
                assert request.transport
                asyncio.get_running_loop().call_soon(request.transport.close)
                return web.json_response({})

            server.faults["GET"] = [last]
            await get(connection)
            assert connection._open
            assert await connection._open.reader.read() == b""
            assert (await connection.request("POST", NODES, body={"metadata": {"name": "node-1"}}))[0] == 201


@pytest.mark.parametrize("fault", [hang(), lines(b"{", then="hang")], ids=["silent", "half"])
async def test_a_late_response_reaches_no_other_request(
    server: FakeApiServer, connection: H11Client, fault: Fault
) -> None:
    """A connection with an answer still to come is not used again."""
    seen = recording(server, "GET", fault)
    with pytest.raises(ApiUnreachable, match=r"no answer to GET /api/v1/nodes/node-1 within 0\.05 s"):
        await connection.request("GET", NODE, timeout_seconds=0.05)
    assert await get(connection) == 200

    assert len(set(seen)) == 2


async def test_a_cancelled_request_ends_at_once(server: FakeApiServer, connection: H11Client) -> None:
    """A stop does not wait for a response, and the next request works."""
    seen = recording(server, "GET", hang())
    asking = asyncio.create_task(get(connection))
    await server.reached("GET", 1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await get(connection) == 200

    assert len(set(seen)) == 2


async def test_requests_are_serialized(server: FakeApiServer, connection: H11Client) -> None:
    """Two at once share the socket one after the other, and each gets its own answer."""
    server.put("nodes", {"metadata": {"name": "node-2"}})
    answers = await asyncio.gather(*(connection.request("GET", f"{NODES}/{name}") for name in ("node-1", "node-2")))

    assert [node["metadata"]["name"] for _, node in answers] == ["node-1", "node-2"]


async def test_waiting_for_a_turn_counts(server: FakeApiServer, connection: H11Client) -> None:
    """The time limit holds for a request that has not even been sent."""
    server.faults["GET"] = [hang()]
    first = asyncio.create_task(get(connection))
    await server.reached("GET", 1)
    with pytest.raises(ApiUnreachable, match=r"within 0\.05 s"):
        await connection.request("GET", NODE, timeout_seconds=0.05)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)

    assert server.count("GET") == 1


async def test_an_address_may_have_a_path(server: FakeApiServer) -> None:
    """Rancher's API servers are below one."""
    server.put("nodes", {"metadata": {"name": "node-1"}})
    async with H11Client(StaticConfig(RestConfig(server.url + "/k8s/clusters/c-1"))) as connection:
        with pytest.raises(ApiError, match="404"):
            await get(connection)

    assert server.seen[0].path == "/k8s/clusters/c-1/api/v1/nodes/node-1"


async def test_a_proxy_is_refused() -> None:
    """A kubeconfig's proxy is not silently ignored."""
    async with H11Client(StaticConfig(RestConfig("https://x", proxy="http://proxy:3128"))) as connection:
        with pytest.raises(ApiUnreachable, match="proxy-url"):
            await get(connection)


@pytest.mark.parametrize(
    "access", [RestConfig("http://x:port"), RestConfig("http://127.0.0.1:1", "Bearer a\r\nb")], ids=["address", "token"]
)
async def test_access_that_no_request_can_carry_is_unreachable(access: RestConfig) -> None:
    """A bad port or a line break in a token raises our own error, and sends nothing."""
    async with H11Client(StaticConfig(access)) as connection:
        with pytest.raises(ApiUnreachable, match="GET /api/v1/nodes/node-1: "):
            await get(connection)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    authority = Authority(tmp_path / "pki")
    authority.create()
    return authority


def server_context(authority: Authority) -> ssl.SSLContext:
    issued = authority.issue("server", "kube-apiserver", addresses=["IP:127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.certificate, issued.key)
    return context


async def test_a_changed_ca_opens_a_new_connection(authority: Authority, tmp_path: Path) -> None:
    """A connection that an old authority vouched for is not kept, so trust that was withdrawn is gone."""
    other = Authority(tmp_path / "other")
    other.create()
    mounted = tmp_path / "ca.crt"
    mounted.write_bytes(authority.certificate.read_bytes())
    async with api_server.running(server_context(authority)) as server:
        access = RestConfig(server.url, ca_file=str(mounted))
        async with H11Client(StaticConfig(access)) as connection:
            await connection.request("GET", NODES)
            mounted.write_bytes(other.certificate.read_bytes())
            os.utime(mounted, (1, 1))
            with pytest.raises(ApiUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
                await connection.request("GET", NODES)


async def test_its_socket_notices_a_dead_peer(connection: H11Client) -> None:
    """Keepalive is on, as on every socket to the API server."""
    await get(connection)
    assert connection._open
    opened = connection._open.writer.get_extra_info("socket")

    assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_the_agents_part_stays_small() -> None:
    """The agent imports neither aiohttp, the `kubernetes` package nor the reflector."""
    code = (
        "import sys, pulltrace.agent.run, pulltrace.kube.resources.leases, pulltrace.kube.client.h11_client;"
        "print(*({'aiohttp', 'kubernetes', 'pulltrace.kube.watch.reflector'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert loaded.stdout.split() == []
