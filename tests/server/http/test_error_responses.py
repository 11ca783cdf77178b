"""Requests that do not reach the application, over real connections: too many, too large, or no HTTP."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from pulltrace.server.app import create_app
from pulltrace.server.http.asgi import secured
from pulltrace.server.http.error_responses import limit_requests
from pulltrace.server.json.clock import Clocks
from tests.builders.views import pull_view
from tests.fakes.pull_source import FakePullSource
from tests.server.connections import GET_HEALTHZ, Answer, Busy, all_of, ask, assert_problem, connection
from tests.server.serve import serving
from tests.server.waiting import until

CLOCKS = Clocks()
CHUNKED = b"GET %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n"


async def test_requests_are_limited() -> None:
    """One request too many gets 503 and Retry-After; the running ones are not touched."""
    app = Busy()
    async with serving(secured(limit_requests(app, 2))) as port, AsyncExitStack() as stack:
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
async def test_invalid_requests(request_: bytes, status: int, title: str) -> None:
    """A request that is too large, or no HTTP, gets a problem document, and the connection ends."""
    async with serving(create_app(FakePullSource())) as port, connection(port) as (reader, writer):
        writer.write(request_)
        answer = Answer(await all_of(reader))

    assert_problem(answer, status, title)


@pytest.mark.parametrize("name", ["cursor", "image", "node", "phase"])
async def test_long_values(name: str) -> None:
    """A value that is long, but not too long to be read, is answered shortly and repeated in part at most."""
    async with serving(create_app(FakePullSource(pull_view()))) as port:
        answer = await ask(port, f"/api/v1/pulls?{name}={'x' * 12_000}")

    assert answer.status == (200 if name in {"image", "node"} else 400)
    assert len(answer.body) < 1000


@pytest.mark.parametrize("path", [b"/api/v1/events", b"/api/v1/wait?pod=a/b", b"/api/v1/pulls"])
async def test_bad_requests_do_not_fill_the_log(path: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of refused requests do not write as many lines, or stack traces, into the log."""
    async with serving(create_app(FakePullSource())) as port:
        for request in (CHUNKED % path, b"nonsense\r\n\r\n", CHUNKED % path):
            async with connection(port) as (reader, writer):
                writer.write(request)
                assert Answer(await all_of(reader)).status == 400

    assert caplog.text.count("\n") <= 1
