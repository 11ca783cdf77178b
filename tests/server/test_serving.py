"""The server over real connections: addresses, shutdown, viewers that leave, and peers that make no progress."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import pytest

from pulltrace.server.app import create_app
from pulltrace.server.clocks import Clocks
from pulltrace.server.connection import Connection
from pulltrace.server.fragments import Fragments
from pulltrace.server.serving import Address, AddressError, parse_address, serve
from pulltrace.server.stream import EventStream
from pulltrace.server.viewer import Manners
from tests.fakes.pull_source import FakePullSource
from tests.server.serve import SETTING, serving
from tests.server.views import until, view

CLOCKS = Clocks()
GET_HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
GET_EVENTS = b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n"


class Impatient(Connection):
    """Deadlines that a test can wait for."""

    header_seconds = 0.05
    write_seconds = 0.05


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


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
    """What is no address is one line that names the setting and what it takes."""
    with pytest.raises(AddressError) as caught:
        parse_address(text, SETTING)

    assert str(caught.value) == (
        f"PULLTRACE_HTTP_ADDR: {text!r} is no address: "
        "it takes host:port, :port or [IPv6]:port, with a port up to 65535"
    )


async def test_port_in_use() -> None:
    """A port that somebody else has is one line, not the end of the process."""
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
    async with serving(create_app(FakePullSource(view())), address) as port, httpx.AsyncClient() as client:
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
    """A viewer gets the snapshot, then changes as they come, and is forgotten as soon as it leaves."""
    source = FakePullSource(view())
    app = create_app(source)
    async with serving(app) as port, httpx.AsyncClient() as client:
        async with client.stream("GET", f"http://127.0.0.1:{port}/api/v1/events") as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == "event: snapshot"
            assert app.stream.clients == 1
            source.put(view(downloaded_bytes=1))
            async with asyncio.timeout(5):
                while '"pull.progress"' not in await anext(lines):
                    pass
        await until(lambda: not app.stream.clients, deadline_seconds=2)
        assert not source.subscriptions


async def test_shutdown_ends_streams() -> None:
    """When the process stops, viewers are told when to come back, and the server ends within seconds."""
    source = FakePullSource(view())
    loop = asyncio.get_running_loop()
    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as tasks:

        async def watch(port: int) -> str:
            return (await client.get(f"http://127.0.0.1:{port}/api/v1/events")).text

        app = create_app(source)
        async with serving(app) as port:
            viewers = [tasks.create_task(watch(port)) for _ in range(20)]
            await until(lambda: app.stream.clients == len(viewers))
            source.close()
            stopped = loop.time()
        assert loop.time() - stopped < 2

    endings = {viewer.result().splitlines()[-2] for viewer in viewers}
    assert all(ending.startswith("retry: ") for ending in endings)
    assert len(endings) > 1


async def test_slow_viewer_gets_a_snapshot() -> None:
    """A viewer that stops reading for a while gets the state of then, not all that happened."""
    source = FakePullSource(view())
    app = EventStream(source, Fragments(CLOCKS), CLOCKS, window_seconds=lambda viewers: 0.001)
    sent = 0
    async with serving(app) as port:
        with socket.socket() as slow:
            slow.setblocking(False)
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(slow, ("127.0.0.1", port))
            await loop.sock_sendall(slow, GET_EVENTS)
            await until(lambda: app.clients)
            [group] = app._hub._groups.values()
            [viewer] = group.viewers
            while not viewer._begins_again:
                sent += 1
                source.put(view(f"{sent:012x}", error="x" * 20_000))
                await until(lambda: app._hub._gathering.told == source.sequence)
            received = b""
            async with asyncio.timeout(10):
                while received.count(b"event: snapshot") < 2 or b'"id":"%012x"' % sent not in received:
                    received += await loop.sock_recv(slow, 65536)

    assert received.count(b'"type":"pull.started"') < sent


async def test_peer_that_never_reads_is_cut_off() -> None:
    """A viewer that takes nothing at all loses its connection, and is forgotten."""
    source = FakePullSource(view(error="x" * 20_000_000))
    manners = Manners(write_seconds=0.05, look_seconds=0.05)
    app = EventStream(source, Fragments(CLOCKS), CLOCKS, manners=manners)
    async with serving(app) as port, connection(port) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET_EVENTS)
        await until(lambda: app.clients)
        await until(lambda: not app.clients)


@pytest.mark.parametrize("begun", [b"", b"GET / HT"])
async def test_headers_have_a_deadline(begun: bytes) -> None:
    """A connection that does not finish the headers of its first request is closed."""
    async with (
        serving(create_app(FakePullSource()), connection=Impatient) as port,
        connection(port) as (reader, writer),
    ):
        writer.write(begun)
        async with asyncio.timeout(5):
            assert await _all_of(reader) == b""


async def test_headers_of_later_requests_have_a_deadline() -> None:
    """A connection that was good for one request is closed when it does not finish the headers of the next."""
    async with (
        serving(create_app(FakePullSource()), connection=Impatient) as port,
        connection(port) as (reader, writer),
    ):
        writer.write(GET_HEALTHZ)
        await reader.readuntil(b"\r\n\r\nok\n")
        writer.write(b"GET / HT")
        async with asyncio.timeout(2):  # shorter than the time that an idle connection may stay
            assert await _all_of(reader) == b""


async def test_deadline_of_headers_spares_streams() -> None:
    """A request that is complete may be answered for as long as it takes."""
    manners = Manners(ping_seconds=0.02, look_seconds=0.01)
    app = EventStream(FakePullSource(), Fragments(CLOCKS), CLOCKS, manners=manners)
    async with serving(app, connection=Impatient) as port, connection(port) as (reader, writer):
        writer.write(GET_EVENTS)
        async with asyncio.timeout(5):
            for _ in range(10):
                await reader.readuntil(b": ping\n\n")


async def test_requests_are_limited() -> None:
    """Over too many connections at once requests are answered 503."""
    app = create_app(FakePullSource())
    async with serving(app, max_connections=2) as port, connection(port), connection(port) as (reader, writer):
        writer.write(GET_HEALTHZ)
        assert (await reader.readline()).startswith(b"HTTP/1.1 503")


async def test_refused_requests_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever sends thousands of requests that are refused does not write as many lines into our log."""
    async with serving(create_app(FakePullSource())) as port:
        for _ in range(3):
            async with connection(port) as (reader, writer):
                writer.write(b"nonsense\r\n\r\n")
                assert b"400" in await reader.readline()

    assert caplog.text.count("Invalid HTTP request received.") <= 1


async def test_connections_are_limited() -> None:
    """Twice as many connections as may have requests are all there can be; the next is closed at once."""
    app = create_app(FakePullSource())
    async with (
        serving(app, max_connections=1) as port,
        connection(port),
        connection(port),
        connection(port) as (refused, _),
        asyncio.timeout(2),
    ):
        assert await _all_of(refused) == b""


async def _all_of(reader: asyncio.StreamReader) -> bytes:
    received = b""
    try:
        while piece := await reader.read(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received
