"""Raw connections to a server under test, and the responses that they receive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pulltrace.server.http.asgi import SECURITY_HEADERS, Receive, Scope, Send

GET_HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
GET_EVENTS = b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


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


class Answer:
    """The response that a connection received until its end."""

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


def assert_problem(answer: Answer, status: int, title: str) -> None:
    """Check for a problem document with the headers of every response."""
    written = {name.encode(): value.encode() for name, value in answer.headers.items()}
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert json.loads(answer.body) | {"detail": ""} == {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": "",
    }
    assert written.items() >= dict(SECURITY_HEADERS).items()
