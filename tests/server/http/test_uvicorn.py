"""The names and the behaviour of uvicorn that `http.deadlines` relies on. A failure here after an upgrade means: read that module."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from pulltrace.server.http.asgi import Receive, Scope, Send
from tests.server.peer import Peer

RELY = "pulltrace.server.http.deadlines relies on this; uvicorn has changed it"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n"


class Application:
    """An ASGI application that notes what it was asked and what it saw."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "http.disconnect":
            self.messages.append(message["type"])
        self.messages.append(message["type"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


def connected(**settings: Any) -> tuple[H11Protocol, Peer, Application]:
    application = Application()
    config = uvicorn.Config(application, ws="none", lifespan="off", log_config=None, **settings)
    protocol, peer = H11Protocol(config, ServerState(), {}), Peer()
    peer.connect(protocol)
    return protocol, peer, application


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "name",
    [
        "connection_made",
        "connection_lost",
        "data_received",
        "pause_writing",
        "resume_writing",
        "send_400_response",
        "shutdown",
        "on_response_complete",
    ],
)
def test_methods(name: str) -> None:
    """The methods that are overridden exist in uvicorn's own class, so that overriding them has an effect."""
    assert name in vars(H11Protocol), f"H11Protocol.{name}: {RELY}"


async def test_attributes() -> None:
    """The protocol has its parser, its transport and its loop under these names."""
    protocol, peer, _ = connected()

    assert type(protocol.conn) is h11.Connection, RELY
    assert protocol.transport is peer, RELY
    assert protocol.loop is asyncio.get_running_loop(), RELY


async def test_parser_can_be_replaced() -> None:
    """All bytes go through `conn`, and the events are those of its `next_event`."""
    protocol, _, application = connected()
    protocol.conn = h11.Connection(h11.SERVER)
    states = []
    for part in (GET, b"Content-Length: 2\r\n\r\na", b"b"):
        protocol.data_received(part)
        states.append(protocol.conn.their_state)
    await turns()

    assert states == [h11.IDLE, h11.SEND_BODY, h11.DONE], RELY
    assert application.messages == ["http.request"], RELY


async def test_bad_request_is_one_call() -> None:
    """An error of the parser is in progress while `send_400_response` runs, which sends the whole response."""
    seen = []

    class Refusing(H11Protocol):
        def send_400_response(self, msg: str) -> None:
            seen.append(msg)

    config = uvicorn.Config(Application(), ws="none", lifespan="off", log_config=None)
    protocol, peer = Refusing(config, ServerState(), {}), Peer()
    peer.connect(protocol)
    protocol.data_received(b"nonsense\r\n\r\n")

    assert len(seen) == 1, RELY
    assert peer.take() == b"", RELY


async def test_lost_connection_may_be_reported_twice() -> None:
    """An early `connection_lost` reaches the application before it starts, makes its sends no-ops, and may be repeated."""
    protocol, peer, application = connected()
    protocol.data_received(GET + b"\r\n")
    protocol.connection_lost(None)
    await turns()
    protocol.connection_lost(None)

    assert application.messages == ["http.disconnect"], RELY
    assert peer.take() == b"", RELY


async def test_end_of_a_response_is_one_call() -> None:
    """The protocol learns of the end of each response; the parser is idle then, or reads the next request."""
    states = []

    class Noting(H11Protocol):
        def on_response_complete(self) -> None:
            super().on_response_complete()
            states.append(self.conn.their_state)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    config = uvicorn.Config(application, ws="none", lifespan="off", log_config=None)
    protocol, peer = Noting(config, ServerState(), {}), Peer()
    peer.connect(protocol)
    protocol.data_received((GET + b"\r\n") * 2)
    await turns()

    assert states == [h11.DONE, h11.IDLE], RELY
    peer.leave()


async def test_limit_counts_connections() -> None:
    """uvicorn answers with 503 as soon as there are as many connections as the limit, idle ones included (`IncompleteRequests`)."""
    protocol, peer, application = connected(limit_concurrency=1)
    protocol.data_received(GET + b"\r\n")
    await turns()

    assert peer.take().startswith(b"HTTP/1.1 503 "), RELY
    assert application.messages == [], RELY
