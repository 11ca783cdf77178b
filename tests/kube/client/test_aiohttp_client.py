"""The aggregator's client: its streams, and its configuration.

The contract of both clients is in test_api.py.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from pulltrace.kube.client.aiohttp_client import AiohttpClient, connect
from pulltrace.kube.client.credentials import RestConfig, StaticConfig
from pulltrace.kube.decoding.object_reader import HEAD_BYTES, TooLong
from pulltrace.kube.decoding.partial_json import MAX_OBJECT_BYTES
from pulltrace.kube.errors import ApiUnreachable, ConnectError
from tests.fakes.api_server import FakeApiServer
from tests.fakes.api_server_faults import hang, lines, status
from tests.kube.connections import Rotating

NODES = "/api/v1/nodes"


async def read(connection: AiohttpClient, read_timeout_seconds: float = 5) -> list[bytes | TooLong]:
    async with aclosing(connection.stream(NODES, {"watch": "true"}, read_timeout_seconds)) as received:
        return [line async for line in received]


async def test_a_revoked_token_is_replaced_in_streams(server: FakeApiServer) -> None:
    """After a 401 a stream is requested once more with new credentials."""
    server.faults["watch"] = [status(401), lines(b"{}\n")]
    async with AiohttpClient(Rotating(server.url)) as connection:
        assert await read(connection) == [b"{}"]

    assert server.seen[-1].headers["Authorization"] == "Bearer new"


async def test_a_stream_from_a_closed_port_is_unreachable() -> None:
    """A closed port is `ApiUnreachable`."""
    async with AiohttpClient(StaticConfig(RestConfig("http://127.0.0.1:1"))) as connection:
        with pytest.raises(ApiUnreachable):
            await read(connection)


async def test_lines_come_whole(server: FakeApiServer, connection: AiohttpClient) -> None:
    """However the bytes are cut on the way, and however long a line is, lines come one by one."""
    large = b"x" * 3_000_000
    server.faults["watch"] = [lines(b"on", b"e\ntwo\n\nthr", b"ee\n", large + b"\n", b"rest")]

    assert await read(connection) == [b"one", b"two", b"three", large, b"rest"]


async def test_a_line_that_is_too_long_is_left_out(server: FakeApiServer, connection: AiohttpClient) -> None:
    """The first bytes of the line are kept, and the next lines are read."""
    mebibyte = b"x" * (1024 * 1024)
    long = [mebibyte] * (MAX_OBJECT_BYTES // len(mebibyte) + 1)
    server.faults["watch"] = [lines(b"one\n", *long, b"\nthree\n")]

    assert await read(connection) == [b"one", TooLong(mebibyte[:HEAD_BYTES]), b"three"]


async def test_a_silent_stream_is_unreachable(server: FakeApiServer, connection: AiohttpClient) -> None:
    """Silence is noticed before the first byte and between two."""
    server.faults["watch"] = [hang(), lines(b"one\n", then="hang")]
    for _ in range(2):
        with pytest.raises(ApiUnreachable, match=r"has been silent for 0\.05 s"):
            await read(connection, 0.05)


async def test_a_stream_that_breaks_off_is_unreachable(server: FakeApiServer, connection: AiohttpClient) -> None:
    """A missing end is not an end."""
    server.faults["watch"] = [lines(b"one\ntw", then="cut")]
    with pytest.raises(ApiUnreachable):
        await read(connection)


async def test_streams_do_not_hold_up_requests(server: FakeApiServer, connection: AiohttpClient) -> None:
    """A write finds a connection beside any number of watches."""
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
    """Without a pod or a kubeconfig the error has the expected path."""
    with pytest.raises(ConnectError, match=r"this is not a pod, and found no kubeconfig at .*/\.kube/config$"):
        await connect(folder=tmp_path, environ={"HOME": str(tmp_path)})
