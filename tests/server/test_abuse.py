"""The server over real connections with peers that make no progress, want too much, or send what is no request."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from pulltrace.server.app import create_app
from pulltrace.server.http import server as serving_module
from pulltrace.server.http.asgi import SECURITY_HEADERS, Receive, Scope, Send
from pulltrace.server.http.protocol import Connection
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.row_cache import RowCache
from pulltrace.server.sse.client import DEFAULT_MANNERS, Manners
from pulltrace.server.sse.endpoint import EventStream
from tests.builders.views import pull_view as view
from tests.fakes.pull_source import FakePullSource
from tests.server.serve import serving
from tests.server.waiting import until

CLOCKS = Clocks()
GET_HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
GET_EVENTS = b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"GET %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n"


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


async def watch(stack: AsyncExitStack, port: int) -> socket.socket:
    """A viewer that reads nothing."""
    slow = stack.enter_context(socket.socket())
    slow.setblocking(False)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.get_running_loop().sock_connect(slow, ("127.0.0.1", port))
    await asyncio.get_running_loop().sock_sendall(slow, GET_EVENTS)
    return slow


class Answer:
    """What came over a connection until it was closed."""

    def __init__(self, received: bytes) -> None:
        head, _, self.body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split(" ")[1])
        self.headers = dict(line.split(": ", 1) for line in lines)


async def all_of(reader: asyncio.StreamReader) -> bytes:
    received = b""
    try:
        async with asyncio.timeout(5):
            while piece := await reader.read(65536):
                received += piece
    except ConnectionResetError:
        pass
    return received


async def ask(port: int, path: str) -> Answer:
    async with connection(port) as (reader, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return Answer(await all_of(reader))


class Busy:
    """An application that answers when the test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        await self.go.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


# -- Who reads slowly, or not at all ---------------------------------------------------------------


async def test_slow_viewer_gets_a_snapshot() -> None:
    """A viewer that stops reading for a while gets the state of then, not all that happened."""
    source = FakePullSource(view())
    app = EventStream(source, RowCache(CLOCKS), CLOCKS, window_seconds=lambda viewers: 0.001)
    sent = 0
    async with serving(app) as port, AsyncExitStack() as stack:
        slow = await watch(stack, port)
        loop = asyncio.get_running_loop()
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
    app = EventStream(source, RowCache(CLOCKS), CLOCKS, manners=manners)
    async with serving(app) as port, connection(port) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET_EVENTS)
        await until(lambda: app.clients)
        await until(lambda: not app.clients)


def test_viewer_that_vanished_is_forgotten_within_30_seconds() -> None:
    """Nothing said goodbye: a ping finds out, and the kernel gives up on it, within the time that is promised."""
    seconds = DEFAULT_MANNERS.ping_seconds + DEFAULT_MANNERS.look_seconds + serving_module.UNACKNOWLEDGED_SECONDS
    with serving_module.listen(serving_module.parse_address("127.0.0.1:0", "X"), "X") as bound:
        bound.setblocking(True)
        with socket.create_connection(bound.getsockname()), bound.accept()[0] as accepted:
            milliseconds = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)

    assert milliseconds == 1000 * serving_module.UNACKNOWLEDGED_SECONDS
    assert seconds <= 30


# -- Who sends slowly, or nothing ------------------------------------------------------------------


@pytest.mark.parametrize("begun", [b"", b"GET / HT"])
async def test_headers_have_a_deadline(begun: bytes) -> None:
    """A connection that does not finish the headers of its first request is closed."""
    async with (
        serving(create_app(FakePullSource()), connection=Impatient) as port,
        connection(port) as (reader, writer),
    ):
        writer.write(begun)
        assert await all_of(reader) == b""


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
            assert await all_of(reader) == b""


async def test_deadline_of_headers_spares_streams() -> None:
    """A request that is complete may be answered for as long as it takes."""
    manners = Manners(ping_seconds=0.02, look_seconds=0.01)
    app = EventStream(FakePullSource(), RowCache(CLOCKS), CLOCKS, manners=manners)
    async with serving(app, connection=Impatient) as port, connection(port) as (reader, writer):
        writer.write(GET_EVENTS)
        async with asyncio.timeout(5):
            for _ in range(10):
                await reader.readuntil(b": ping\n\n")


@pytest.mark.parametrize("path", [b"/healthz", b"/api/v1/events", b"/api/v1/wait?pod=a/b", b"/nothing"])
async def test_bodies_have_a_deadline(path: bytes) -> None:
    """Nor does a connection stay that announces a body and does not send it, whatever it asks for."""
    request = b"GET %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc" % path
    app = create_app(FakePullSource())
    async with serving(app, connection=Impatient) as port, connection(port) as (reader, writer):
        writer.write(request)
        if path == b"/api/v1/events":  # its answer has begun, and it needs no body
            assert await reader.readuntil(b"event: snapshot")
        else:
            await all_of(reader)
            assert reader.at_eof()


async def test_hundreds_of_dripping_connections_keep_nobody_waiting() -> None:
    """Many more connections than there may be hang in their headers: the oldest make way, and everybody else is answered."""
    app = create_app(FakePullSource(view()))
    async with serving(app, max_connections=100) as port, AsyncExitStack() as stack:
        dripping = []
        for _ in range(500):
            reader, writer = await stack.enter_async_context(connection(port))
            writer.write(b"GET / HTTP/1.1\r\nHo")
            dripping.append(reader)
        async with asyncio.timeout(5):
            answers = [await ask(port, path) for path in ("/api/v1/pulls", "/healthz")]
            await dripping[0].read()
        await until(lambda: sum(not reader.at_eof() for reader in dripping) <= 200)

    assert [answer.status for answer in answers] == [200, 200]


# -- Who wants too much ----------------------------------------------------------------------------


def assert_problem(answer: Answer, status: int, title: str) -> None:
    """A problem document, with what a browser is told with every answer."""
    written = {name.encode(): value.encode() for name, value in answer.headers.items()}
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert json.loads(answer.body) | {"detail": ""} == {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": "",
    }
    assert written.items() >= dict(SECURITY_HEADERS).items()


async def test_requests_are_limited() -> None:
    """One request too many at once is told so, and when to come back; those that are answered are not touched."""
    app = Busy()
    async with serving(app, max_connections=2) as port, AsyncExitStack() as stack:
        served = [await stack.enter_async_context(connection(port)) for _ in range(2)]
        for _, writer in served:
            writer.write(GET_HEALTHZ)
        await until(lambda: app.asked == 2)
        refused, writer = await stack.enter_async_context(connection(port))
        writer.write(GET_HEALTHZ)
        answer = Answer(await all_of(refused))
        app.go.set()
        statuses = [await reader.readline() for reader, _ in served]

    assert_problem(answer, 503, "Too many requests at once")
    assert answer.headers["retry-after"] == "5"
    assert statuses == [b"HTTP/1.1 204 No Content\r\n"] * 2


async def test_requests_that_are_answered_do_not_make_way() -> None:
    """However many connections come, the ones that go are those that have asked nothing yet."""
    app = Busy()
    async with serving(app, max_connections=1) as port, AsyncExitStack() as stack:
        served, writer = await stack.enter_async_context(connection(port))
        writer.write(GET_HEALTHZ)
        await until(lambda: app.asked == 1)
        idle = [(await stack.enter_async_context(connection(port)))[0] for _ in range(5)]
        await until(lambda: sum(reader.at_eof() for reader in idle) == 4)
        app.go.set()

        assert await served.readline() == b"HTTP/1.1 204 No Content\r\n"
        assert not idle[-1].at_eof()


@pytest.mark.parametrize(
    ("request_", "status", "title"),
    [
        (
            b"GET /api/v1/pulls?image=%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 30_000),
            431,
            "Request header fields too large",
        ),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * 10_000 + b"\r\n", 431, "Request header fields too large"),
        (b"nonsense\r\n\r\n", 400, "Bad request"),
        (CHUNKED % b"/healthz", 400, "Bad request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, "Bad request"),
    ],
    ids=["query", "headers", "no-http", "no-chunk", "no-length"],
)
async def test_what_is_no_request(request_: bytes, status: int, title: str) -> None:
    """What is too large, or no HTTP, is answered with a problem document, and the connection ends."""
    async with serving(create_app(FakePullSource())) as port, connection(port) as (reader, writer):
        writer.write(request_)
        answer = Answer(await all_of(reader))

    assert_problem(answer, status, title)


@pytest.mark.parametrize("name", ["cursor", "image", "node", "phase"])
async def test_long_values(name: str) -> None:
    """A value that is long, but not too long to be read, is answered shortly and repeated in part at most."""
    async with serving(create_app(FakePullSource(view()))) as port:
        answer = await ask(port, f"/api/v1/pulls?{name}={'x' * 12_000}")

    assert answer.status == (200 if name in {"image", "node"} else 400)
    assert len(answer.body) < 1000


@pytest.mark.parametrize("path", [b"/api/v1/events", b"/api/v1/wait?pod=a/b", b"/api/v1/pulls"])
async def test_bad_requests_do_not_fill_the_log(path: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever sends thousands of requests that are refused does not write as many lines, or stack traces, into our log."""
    async with serving(create_app(FakePullSource())) as port:
        for request in (CHUNKED % path, b"nonsense\r\n\r\n", CHUNKED % path):
            async with connection(port) as (reader, writer):
                writer.write(request)
                assert Answer(await all_of(reader)).status == 400

    assert caplog.text.count("\n") <= 1
