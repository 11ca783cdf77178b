"""A proxy between a program and the API server, with the faults of networks and load balancers.

A `Link` ends TLS with a certificate of the control plane's own authority and speaks TLS again to the API server,
so it sees requests, counts them, and can answer one itself. Its clients show a token: a client's certificate would
end here. It runs in its own thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.cluster.api import Identity
from tests.cluster.pki import Certificate
from tests.cluster.processes import free_port

T = TypeVar("T")
ORDER_SECONDS = 10
CHUNK_BYTES = 65_536


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    at: float
    method: str
    path: str
    """With its query."""

    @property
    def is_watch(self) -> bool:
        return "watch=true" in self.path

    @property
    def is_list(self) -> bool:
        """Whether it reads a whole collection and is no watch."""
        return self.method == "GET" and not self.is_watch and ("limit=" in self.path)


@dataclass
class Answer:
    """An answer of the link instead of the API server; it ends the connection."""

    path: str
    """A regular expression for the path with its query."""
    raw: bytes
    times: int | None = None
    """How often; None until `restore`."""


def http(status: str, body: bytes = b"", *headers: str, content_type: str = "application/json") -> bytes:
    """Return a whole answer, in bytes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


def broken_off(body: bytes) -> bytes:
    """Return the start of a watch that ends in the middle of its chunk."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + f"{len(body) + 100:x}\r\n".encode() + body


@dataclass(eq=False)
class _Pair:
    """The connection of a client, and its connection to the API server."""

    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    moving: asyncio.Event = field(default_factory=asyncio.Event)


class Link:
    """A proxy before an API server; `with Link(control_plane.admin) as link:` starts and ends it."""

    def __init__(self, server: Identity, certificate: Certificate) -> None:
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.seen: list[Seen] = []
        self._upstream = server
        self._certificate = certificate
        self._answers: list[Answer] = []
        self._pairs: set[_Pair] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="link", daemon=True)

    def through(self, identity: Identity) -> Identity:
        """Return the same identity, on its way through here."""
        return replace(identity, url=self.url)

    # -- orders ----------------------------------------------------------------------------------------

    def refuse(self) -> None:
        """Reset every connection, and refuse each new one."""
        self._order(self._stop_listening())
        self.cut()

    def restore(self) -> None:
        """End all faults, for old connections too."""
        self._answers.clear()
        self._order(self._listen())

    def cut(self) -> None:
        """Reset every connection that is open; new ones work."""
        self._order(self._cut())

    def go_silent(self) -> None:
        """Let no byte through on the open connections, and keep them open; new ones work."""
        self._order(self._freeze())

    def answer(self, path: str, raw: bytes, times: int | None = None) -> None:
        """Answer requests for this path with it, instead of the API server."""
        self._answers.append(Answer(path, raw, times))

    def present(self, certificate: Certificate) -> None:
        """Show another certificate from now on; open connections break."""
        self._certificate = certificate
        self.refuse()
        self.restore()

    def requests(self, pattern: str = "", since: float = 0.0) -> list[Seen]:
        """Return the requests since then (monotonic) whose method and path match."""
        return [one for one in self.seen if one.at >= since and re.search(pattern, f"{one.method} {one.path}")]

    # -- in the thread ---------------------------------------------------------------------------------

    def _order(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(ORDER_SECONDS)

    async def _listen(self) -> None:
        for pair in self._pairs:
            pair.moving.set()
        if self._server is None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self._certificate.certificate, self._certificate.key)
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=context)

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _freeze(self) -> None:
        for pair in self._pairs:
            pair.moving.clear()

    async def _cut(self) -> None:
        for pair in list(self._pairs):
            pair.moving.set()
            for writer in pair.writers:
                # A reset, not a normal end: a router does this when it has lost the connection.
                if (raw := writer.get_extra_info("socket")) is not None:
                    with contextlib.suppress(OSError):
                        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = _Pair([writer])
        pair.moving.set()
        self._pairs.add(pair)
        address, _, port = self._upstream.url.removeprefix("https://").partition(":")
        try:
            context = ssl.create_default_context(cafile=str(self._upstream.authority))
            theirs, ours = await asyncio.open_connection(address, int(port), ssl=context)
            pair.writers.append(ours)
            back = asyncio.create_task(self._pass_on(theirs, writer, pair))
            try:
                await self._requests(reader, ours, writer, pair)
            finally:
                back.cancel()
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # either side has closed, which is allowed
        finally:
            self._pairs.discard(pair)
            for each in pair.writers:
                each.transport.abort()

    async def _requests(
        self, reader: asyncio.StreamReader, ours: asyncio.StreamWriter, back: asyncio.StreamWriter, pair: _Pair
    ) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            self.seen.append(Seen(time.monotonic(), method, path))
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
            await pair.moving.wait()
            if (answer := self._answer_to(path)) is not None:
                back.write(answer)
                await back.drain()
                back.close()
                return
            ours.write(head + body)
            await ours.drain()

    def _answer_to(self, path: str) -> bytes | None:
        for answer in self._answers:
            if answer.times != 0 and re.search(answer.path, path):
                answer.times = None if answer.times is None else answer.times - 1
                return answer.raw
        return None

    @staticmethod
    async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: _Pair) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await pair.moving.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    def __enter__(self) -> Self:
        self._thread.start()
        self._order(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ORDER_SECONDS)
        self._loop.close()
