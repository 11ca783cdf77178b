"""The deadlines over real connections: peers that read or send slowly, or nothing at all."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack

import pytest

from pulltrace.server.app import create_app
from pulltrace.server.http import server as serving_module
from pulltrace.server.http.asgi import Receive, Scope, Send
from pulltrace.server.http.connection_limiter import DEFAULT_LIMITS
from pulltrace.server.http.deadlines import DeadlineProtocol
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.row_cache import RowCache
from pulltrace.server.sse.endpoint import EventStream
from pulltrace.server.sse.hub import DEFAULT_POLICY, StreamPolicy
from tests.builders.views import pull_view
from tests.fakes.pull_source import FakePullSource
from tests.server.connections import GET_EVENTS, GET_HEALTHZ, Busy, all_of, ask, connection
from tests.server.serve import serving
from tests.server.waiting import until

CLOCKS = Clocks()
CHUNKED = b"GET %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n"


class Impatient(DeadlineProtocol):
    """Deadlines that a test can wait for."""

    request_seconds = 0.05
    write_seconds = 0.05


async def watch(stack: AsyncExitStack, port: int) -> socket.socket:
    """Open a stream that is not read."""
    slow = stack.enter_context(socket.socket())
    slow.setblocking(False)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.get_running_loop().sock_connect(slow, ("127.0.0.1", port))
    await asyncio.get_running_loop().sock_sendall(slow, GET_EVENTS)
    return slow


class Waiting(Busy):
    """An application that answers when the client has left."""

    left = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        while (await receive())["type"] != "http.disconnect":
            pass
        self.left = True


# -- Slow readers ---------------------------------------------------------------


async def test_slow_subscriber_gets_a_snapshot() -> None:
    """A subscriber that stops reading for a while gets the current state, not the history."""
    source = FakePullSource(pull_view())
    app = EventStream(source, RowCache(CLOCKS), CLOCKS, limits=DEFAULT_LIMITS, window_seconds=lambda subscribers: 0.001)
    sent = 0
    async with serving(app) as port, AsyncExitStack() as stack:
        slow = await watch(stack, port)
        loop = asyncio.get_running_loop()
        await until(lambda: app.subscribers)
        [group] = app._hub._groups.values()
        [subscriber] = group.subscribers
        while not subscriber._restart:
            sent += 1
            source.put(pull_view(f"{sent:012x}", error="x" * 20_000))
            await until(lambda: app._hub._throttle.published_sequence == source.sequence)
        received = b""
        async with asyncio.timeout(10):
            while received.count(b"event: snapshot") < 2 or b'"id":"%012x"' % sent not in received:
                received += await loop.sock_recv(slow, 65536)

    assert received.count(b'"type":"pull.started"') < sent


async def test_peer_that_never_reads_is_cut_off() -> None:
    """A subscriber that reads nothing loses its connection and is removed."""
    source = FakePullSource(pull_view(error="x" * 20_000_000))
    app = EventStream(source, RowCache(CLOCKS), CLOCKS, limits=DEFAULT_LIMITS)
    async with serving(app, protocol=Impatient) as port, connection(port) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET_EVENTS)
        await until(lambda: app.subscribers)
        await until(lambda: not app.subscribers)


async def test_peer_that_never_reads_does_not_hold_up_the_shutdown(caplog: pytest.LogCaptureFixture) -> None:
    """The stream ends with the time for its farewell, its connection soon after, and the log has no error."""
    source = FakePullSource(pull_view(error="x" * 20_000_000))
    app = EventStream(source, RowCache(CLOCKS), CLOCKS, limits=DEFAULT_LIMITS)
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        async with serving(app) as port:
            await watch(stack, port)
            await until(lambda: app.subscribers)
            source.close()
            await app.wait_until_empty(0.01)
            stopped_at = loop.time()
        assert loop.time() - stopped_at < serving_module.GRACE_SECONDS / 2

    assert not app.subscribers
    assert caplog.text == ""


async def test_cancelled_requests_are_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """uvicorn cancels a response that outlives the shutdown: its log has no stack trace."""
    monkeypatch.setattr(serving_module, "GRACE_SECONDS", 0.01)
    app = Busy()
    async with AsyncExitStack() as stack, serving(app) as port:
        _, writer = await stack.enter_async_context(connection(port))
        writer.write(GET_HEALTHZ)
        await until(lambda: app.asked == 1)

    assert [record.getMessage() for record in caplog.records] == [
        "Cancel 1 running task(s), timeout graceful shutdown exceeded"
    ]


def test_vanished_subscriber_is_removed_within_30_seconds() -> None:
    """A peer vanishes silently: a keep-alive comment is not acknowledged, and the kernel gives up within the promised time."""
    seconds = DEFAULT_POLICY.keep_alive_seconds + DEFAULT_POLICY.check_seconds + serving_module.UNACKNOWLEDGED_SECONDS
    with serving_module.listen(serving_module.parse_address("127.0.0.1:0", "X"), "X") as bound:
        bound.setblocking(True)
        with socket.create_connection(bound.getsockname()), bound.accept()[0] as accepted:
            milliseconds = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)

    assert milliseconds == 1000 * serving_module.UNACKNOWLEDGED_SECONDS
    assert seconds <= 30


# -- Slow senders ------------------------------------------------------------------


@pytest.mark.parametrize("begun", [b"", b"GET / HT"])
async def test_headers_have_a_deadline(begun: bytes) -> None:
    """A connection that does not finish the headers of its first request is closed."""
    async with (
        serving(create_app(FakePullSource()), protocol=Impatient) as port,
        connection(port) as (reader, writer),
    ):
        writer.write(begun)
        assert await all_of(reader) == b""


async def test_headers_of_later_requests_have_a_deadline() -> None:
    """A connection that was good for one request is closed when it does not finish the headers of the next."""
    async with (
        serving(create_app(FakePullSource()), protocol=Impatient) as port,
        connection(port) as (reader, writer),
    ):
        writer.write(GET_HEALTHZ)
        await reader.readuntil(b"\r\n\r\nok\n")
        writer.write(b"GET / HT")
        async with asyncio.timeout(2):  # shorter than the time that an idle connection may stay
            assert await all_of(reader) == b""


async def test_deadline_of_headers_spares_streams() -> None:
    """A request that is complete may be answered for as long as it takes."""
    policy = StreamPolicy(keep_alive_seconds=0.02, check_seconds=0.01)
    app = EventStream(FakePullSource(), RowCache(CLOCKS), CLOCKS, limits=DEFAULT_LIMITS, policy=policy)
    async with serving(app, protocol=Impatient) as port, connection(port) as (reader, writer):
        writer.write(GET_EVENTS)
        async with asyncio.timeout(5):
            for _ in range(10):
                await reader.readuntil(b": ping\n\n")


async def test_bytes_after_the_request_end_a_stream() -> None:
    """A stream is the last response of its connection: bytes of the client would wait in memory as long as it lasts."""
    app = create_app(FakePullSource(pull_view()))
    async with serving(app) as port, connection(port) as (reader, writer):
        writer.write(GET_EVENTS)
        await reader.readuntil(b"event: snapshot\n")
        writer.write(GET_EVENTS)
        await until(lambda: not app.stream.subscribers)
        assert b"HTTP/1.1" not in await all_of(reader)


async def test_bytes_after_the_request_end_a_wait() -> None:
    """The server does not see that such a client has left: its next request has a deadline, and ends this one."""
    app = Waiting()
    async with serving(app, protocol=Impatient) as port, connection(port) as (_, writer):
        writer.write(GET_HEALTHZ)
        await until(lambda: app.asked == 1)
        writer.write(b"x")
        await until(lambda: app.left)


async def test_later_request_is_answered_in_turn() -> None:
    """The deadline of a later request ends when the server reads it."""
    app = Busy()
    async with serving(app) as port, connection(port) as (reader, writer):
        writer.write(GET_HEALTHZ * 2)
        await until(lambda: app.asked == 1)
        app.go.set()
        for _ in range(2):
            await reader.readuntil(b"HTTP/1.1 204 No Content\r\n")


@pytest.mark.parametrize("path", [b"/healthz", b"/api/v1/events", b"/api/v1/wait?pod=a/b", b"/nothing"])
async def test_bodies_have_a_deadline(path: bytes) -> None:
    """Nor does a connection stay that announces a body and does not send it, whatever it asks for."""
    request = b"GET %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc" % path
    app = create_app(FakePullSource())
    async with serving(app, protocol=Impatient) as port, connection(port) as (reader, writer):
        writer.write(request)
        if path == b"/api/v1/events":  # its answer has begun, and it needs no body
            assert await reader.readuntil(b"event: snapshot")
        else:
            await all_of(reader)
            assert reader.at_eof()


async def test_slow_senders_do_not_displace_requests() -> None:
    """Many more connections than the limit owe their headers: the oldest are aborted, and all other requests are answered."""
    app = create_app(FakePullSource(pull_view()))
    async with serving(app, max_incomplete=100) as port, AsyncExitStack() as stack:
        dripping = []
        for _ in range(500):
            reader, writer = await stack.enter_async_context(connection(port))
            writer.write(b"GET / HTTP/1.1\r\nHo")
            dripping.append(reader)
        async with asyncio.timeout(5):
            answers = [await ask(port, path) for path in ("/api/v1/pulls", "/healthz")]
            await dripping[0].read()
        await until(lambda: sum(not reader.at_eof() for reader in dripping) <= 100)

    assert [answer.status for answer in answers] == [200, 200]


async def test_running_requests_are_not_aborted() -> None:
    """However many connections come, only those without a request are aborted."""
    app = Busy()
    async with serving(app, max_incomplete=1) as port, AsyncExitStack() as stack:
        served, writer = await stack.enter_async_context(connection(port))
        writer.write(GET_HEALTHZ)
        await until(lambda: app.asked == 1)
        idle = [(await stack.enter_async_context(connection(port)))[0] for _ in range(5)]
        await until(lambda: sum(reader.at_eof() for reader in idle) == 4)
        app.go.set()

        assert await served.readline() == b"HTTP/1.1 204 No Content\r\n"
        assert not idle[-1].at_eof()


async def test_idle_connections_do_not_displace_requests() -> None:
    """Clients keep more connections than the server has places for: the longest idle one is aborted, and no request refused."""
    app = create_app(FakePullSource(pull_view()))
    async with serving(app, max_connections=20, max_incomplete=10) as port, AsyncExitStack() as stack:
        for _ in range(60):
            reader, writer = await stack.enter_async_context(connection(port))
            writer.write(GET_HEALTHZ)
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"


async def test_idle_connection_serves_the_next_request() -> None:
    """A connection whose next request runs is idle no longer."""
    app = Busy()
    app.go.set()
    async with serving(app, max_incomplete=1) as port, AsyncExitStack() as stack:
        reader, writer = await stack.enter_async_context(connection(port))
        writer.write(GET_HEALTHZ)
        await reader.readuntil(b"\r\n\r\n")
        app.go.clear()
        writer.write(GET_HEALTHZ)
        await until(lambda: app.asked == 2)
        others = [(await stack.enter_async_context(connection(port)))[0] for _ in range(3)]
        await until(lambda: sum(other.at_eof() for other in others) == 2)
        app.go.set()

        assert await reader.readline() == b"HTTP/1.1 204 No Content\r\n"
