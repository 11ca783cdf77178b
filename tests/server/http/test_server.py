"""The server over real connections: addresses, shutdown, and clients that leave; slow peers are in test_deadlines."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from pulltrace.server.app import create_app
from pulltrace.server.http.server import Address, AddressError, parse_address, serve
from pulltrace.server.json.clock import Clocks
from tests.builders.views import pull_view
from tests.fakes.pull_source import FakePullSource
from tests.server.serve import SETTING, serving
from tests.server.waiting import until

CLOCKS = Clocks()


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("localhost:0", Address("localhost", 0)),
        (":8080", Address("", 8080)),
        ("[::1]:8080", Address("::1", 8080)),
    ],
)
def test_address(text: str, expected: Address) -> None:
    """An address is read as Go programs read theirs, and written the same way."""
    assert expected == parse_address(text, SETTING)
    assert text == str(expected)


@pytest.mark.parametrize(
    "text", ["", "8080", "localhost", "localhost:", ":http", ":65536", ":-1", "::1:8080", "[]:80", ":٣"]
)
def test_no_address(text: str) -> None:
    """An invalid address is one line with the setting and the valid forms."""
    with pytest.raises(AddressError) as caught:
        parse_address(text, SETTING)

    assert str(caught.value) == (
        f"PULLTRACE_HTTP_ADDR: {text!r} is not an address: use host:port, :port or [IPv6]:port, with a port up to 65535"
    )


async def test_port_in_use() -> None:
    """A port in use is one line, not the end of the process."""
    with taken_port() as port, pytest.raises(AddressError) as caught:
        await serve(create_app(FakePullSource()), f"127.0.0.1:{port}", setting=SETTING)

    assert str(caught.value) == f"PULLTRACE_HTTP_ADDR: cannot listen on '127.0.0.1:{port}': address already in use"


async def test_unknown_host() -> None:
    """A host that is not this machine is one line, too."""
    with pytest.raises(AddressError, match=r"PULLTRACE_HTTP_ADDR: cannot listen on '192\.0\.2\.1:80': "):
        await serve(create_app(FakePullSource()), "192.0.2.1:80", setting=SETTING)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:0", ":0"])
async def test_answers(address: str) -> None:
    """The server answers on the port that it reports, and does not say what it is."""
    async with serving(create_app(FakePullSource(pull_view())), address) as port, httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/api/v1/pulls")

    assert answer.json()["pulls"][0]["id"] == "0123456789ab"
    assert "server" not in answer.headers


async def test_cancelling_stops_the_server() -> None:
    """Cancelling the task frees the port; signals stay the process's own."""
    ports: list[int] = []
    task = asyncio.create_task(serve(create_app(FakePullSource()), ":0", setting=SETTING, ready=ports.append))
    await until(lambda: ports)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", ports[0])


async def test_stream_over_a_connection() -> None:
    """A subscriber gets the snapshot, then changes as they come, and is removed as soon as it leaves."""
    source = FakePullSource(pull_view())
    app = create_app(source)
    async with serving(app) as port, httpx.AsyncClient() as client:
        async with client.stream("GET", f"http://127.0.0.1:{port}/api/v1/events") as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == "event: snapshot"
            assert app.stream.subscribers == 1
            source.put(pull_view(downloaded_bytes=1))
            async with asyncio.timeout(5):
                while '"pull.progress"' not in await anext(lines):
                    pass
        await until(lambda: not app.stream.subscribers, deadline_seconds=2)
        assert not source.subscriptions


async def test_shutdown_ends_streams() -> None:
    """When the process stops, each subscriber receives a retry field, and the server ends within seconds."""
    source = FakePullSource(pull_view())
    loop = asyncio.get_running_loop()
    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as tasks:

        async def watch(port: int) -> str:
            return (await client.get(f"http://127.0.0.1:{port}/api/v1/events")).text

        app = create_app(source)
        async with serving(app) as port:
            streams = [tasks.create_task(watch(port)) for _ in range(20)]
            await until(lambda: app.stream.subscribers == len(streams))
            source.close()
            stopped = loop.time()
        assert loop.time() - stopped < 2

    endings = {viewer.result().splitlines()[-2] for viewer in streams}
    assert all(ending.startswith("retry: ") for ending in endings)
    assert len(endings) > 1
