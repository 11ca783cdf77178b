"""When a connection is cut off for reading too little; over real connections in test_serving."""

from __future__ import annotations

import asyncio

import uvicorn
from uvicorn.server import ServerState

from pulltrace.server.app import create_app
from pulltrace.server.http.protocol import WRITE_BYTES, Connection
from tests.fakes.pull_source import FakePullSource


class Peer(asyncio.Transport):
    """A transport whose other end reads as much as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.unread_bytes = 1_000_000
        self.aborted = False

    def get_write_buffer_size(self) -> int:
        return self.unread_bytes

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def close(self) -> None:
        self.aborted = True


def connected() -> tuple[Connection, Peer]:
    config = uvicorn.Config(create_app(FakePullSource()), ws="none", log_config=None)
    connection, peer = Connection(config, ServerState(), {}), Peer()
    connection.connection_made(peer)
    connection.pause_writing()
    return connection, peer


async def test_steady_reader_stays() -> None:
    """A peer that reads on is served, however long it takes."""
    connection, peer = connected()
    for _ in range(10):
        before = peer.unread_bytes
        peer.unread_bytes -= WRITE_BYTES
        connection._look_at_writing(before)

    assert not peer.aborted
    assert connection._writing is not None
    connection.connection_lost(None)


async def test_dripping_reader_is_cut_off() -> None:
    """A peer that reads a few bytes now and then is no better than one that reads nothing."""
    connection, peer = connected()
    connection._look_at_writing(peer.unread_bytes + WRITE_BYTES - 1)

    assert peer.aborted
    connection.connection_lost(None)


async def test_nothing_is_watched_once_all_is_read() -> None:
    """The deadline is for what waits; without anything waiting there is none."""
    connection, peer = connected()
    connection.resume_writing()

    assert connection._writing is None
    assert not peer.aborted
    connection.connection_lost(None)
