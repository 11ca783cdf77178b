"""Requests that two servers may read differently, over real connections: refused, and nothing after them is read."""

from __future__ import annotations

import asyncio
import re

import pytest
import uvicorn
from uvicorn.server import ServerState

from pulltrace.server.app import create_app
from pulltrace.server.http.deadlines import DeadlineProtocol
from pulltrace.server.http.request_heads import BAD_LINES, flaw
from tests.fakes.pull_source import FakePullSource
from tests.server.connections import Answer, all_of, assert_problem, connection
from tests.server.peer import Peer
from tests.server.serve import serving

START = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
NEXT = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKS = b"0\r\n\r\n"

AMBIGUOUS = {
    "length and chunks": START + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "chunks and length": START + b"Transfer-Encoding: chunked\r\ncontent-length:5\r\n\r\n" + CHUNKS,
    "no length and chunks": START + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "two lengths": START + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "two equal lengths": START + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
    "list of lengths": START + b"Content-Length: 5, 5\r\n\r\nabcde",
    "signed length": START + b"Content-Length: +5\r\n\r\nabcde",
    "empty length": START + b"Content-Length:\r\n\r\n",
    "folded line": START + b"X: a\r\n b\r\n\r\n",
    "folded with a tab": START + b"X: a\r\n\tb\r\n\r\n",
    "folded coding": START + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKS,
    "folded first line": b"GET /healthz HTTP/1.1\r\n Host: x\r\nHost: x\r\n\r\n",
    "bare line feeds": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "bare line feed in a line": START + b"X: a\nContent-Length: 5\r\n\r\nabcde",
    "bare line feed at the end": START + b"\n",
    "bare carriage return": START + b"X: a\rContent-Length: 5\r\n\r\n",
    "carriage return before the end": START + b"X: a\r\r\n\r\n",
    "NUL": START + b"X: a\x00b\r\n\r\n",
    "space before the colon": START + b"Content-Length : 5\r\n\r\nabcde",
    "space before a name": b"GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n",
    "no name": START + b": a\r\n\r\n",
    "old with chunks": b"GET /healthz HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "future with chunks": b"GET /healthz HTTP/1.2\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "two codings": START + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKS,
    "two codings in two lines": START + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "unknown coding": START + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS,
    "vertical tab before the coding": START + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKS,
    "coding in quotes": START + b'Transfer-Encoding: "chunked"\r\n\r\n' + CHUNKS,
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "no host in the future": b"GET /healthz HTTP/1.2\r\n\r\n",
    "two hosts": START + b"Host: y\r\n\r\n",
    "two equal hosts": START + b"Host: x\r\n\r\n",
    "empty host": b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n",
    "list of hosts": b"GET /healthz HTTP/1.1\r\nHost: x, y\r\n\r\n",
    "host with a path": b"GET /healthz HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "host with a user": b"GET /healthz HTTP/1.1\r\nHost: localhost@evil.test\r\n\r\n",
    "host with a name for a port": b"GET /healthz HTTP/1.1\r\nHost: evil.test:localhost\r\n\r\n",
}


def statuses(received: bytes) -> list[int]:
    """Return the status of each answer."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


@pytest.mark.parametrize("request_", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_ambiguous_request(request_: bytes) -> None:
    """It is answered 400 with a problem document, the connection ends, and what follows is not answered."""
    async with serving(create_app(FakePullSource())) as port, connection(port) as (reader, writer):
        writer.write(request_ + NEXT)
        received = await all_of(reader)

    assert statuses(received) == [400]
    assert_problem(Answer(received), 400, "Bad request")


@pytest.mark.parametrize("request_", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
@pytest.mark.parametrize("size", [1, 3])
async def test_ambiguous_request_in_pieces(request_: bytes, size: int) -> None:
    """It is refused however it is split."""
    config = uvicorn.Config(create_app(FakePullSource()), ws="none", log_config=None)
    protocol, peer = DeadlineProtocol(config, ServerState(), {}), Peer()
    peer.connect(protocol)
    sent = request_ + NEXT
    for start in range(0, len(sent), size):
        if not peer.is_closing():
            protocol.data_received(sent[start : start + size])
            await asyncio.sleep(0)
    received = peer.take()
    peer.leave()

    assert statuses(received) == [400]
    assert_problem(Answer(received), 400, "Bad request")
    assert peer.is_closing()


@pytest.mark.parametrize(
    "request_", [AMBIGUOUS["length and chunks"], AMBIGUOUS["folded line"], AMBIGUOUS["bare line feeds"]]
)
async def test_ambiguous_request_behind_a_good_one(request_: bytes) -> None:
    """In a row of requests the good ones before it are answered, and none after it."""
    async with serving(create_app(FakePullSource())) as port, connection(port) as (reader, writer):
        writer.write(NEXT + NEXT + request_ + NEXT)
        received = await all_of(reader)

    assert statuses(received) == [200, 200, 400]


@pytest.mark.parametrize(
    "request_",
    [
        START + b"Content-Length: 5\r\n\r\nabcde",
        START + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        START + b"Transfer-Encoding: Chunked\r\n\r\n3;a=b\rc\r\nabc\r\n0\r\nX: a\n b\r\n\r\n",
    ],
    ids=["length", "chunks", "odd chunks"],
)
async def test_body_ends_the_connection(request_: bytes) -> None:
    """A request with a body is answered, and what follows the body is no request, wherever another server sees its end."""
    async with serving(create_app(FakePullSource())) as port, connection(port) as (reader, writer):
        writer.write(request_ + NEXT)
        received = await all_of(reader)

    assert statuses(received) == [200]
    assert Answer(received).headers["connection"] == "close"


async def test_good_requests_share_a_connection() -> None:
    """Requests of one connection, in a row and split anywhere, are each answered."""
    requests = START + b"Content-Length: 0\r\nX:\t a  b \r\n\r\n" + NEXT + b"GET /healthz HTTP/1.0\r\n\r\n"
    for split in range(1, len(requests), 7):
        async with serving(create_app(FakePullSource())) as port, connection(port) as (reader, writer):
            writer.write(requests[:split])
            await asyncio.sleep(0)
            writer.write(requests[split:])
            received = await all_of(reader)
            assert statuses(received) == [200] * 3, split


def test_flaw_is_seen_before_the_end() -> None:
    """A head that can only be refused is refused at once; a line that may still end well is not."""
    assert flaw(b"GET / HTTP/1.1\nHost", complete=False) == BAD_LINES
    assert flaw(b"GET / HTTP/1.1\r", complete=False) is None
    assert flaw(b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", complete=False) is None
