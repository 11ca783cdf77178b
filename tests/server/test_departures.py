"""Connections whose end is noticed a few at a time, with real sockets."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack
from itertools import pairwise

import pytest

from pulltrace.server.http.departures import AT_ONCE, Departures
from tests.server.waiting import open_epolls, until

MANY = 150


class Watched(asyncio.Protocol):
    """One whose end is noticed by others."""

    def __init__(self, departures: Departures) -> None:
        self.departures = departures
        self.lost = False
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.departures.watch(self, transport)

    def data_received(self, data: bytes) -> None:
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.departures.forget(self)
        self.lost = True


class Connections:
    """Both ends of connections, ours watched."""

    def __init__(self, stack: ExitStack) -> None:
        self.departures = Departures()
        self.all: list[Watched] = []
        self._stack = stack

    async def open(self) -> tuple[Watched, socket.socket]:
        ours, theirs = socket.socketpair()
        self._stack.enter_context(theirs)
        _, watched = await asyncio.get_running_loop().create_connection(lambda: Watched(self.departures), sock=ours)
        self.all.append(watched)
        return watched, theirs


@pytest.fixture
async def connections() -> AsyncIterator[Connections]:
    """None yet."""
    with ExitStack() as stack:
        made = Connections(stack)
        yield made
        for watched in made.all:
            if not watched.lost:
                watched.transport.abort()
        await until(lambda: all(watched.lost for watched in made.all))


async def test_many_that_are_cut_off_together_leave_room_for_others(connections: Connections) -> None:
    """However many end in the same moment, in one turn of the loop no more than some are dealt with; and all are, soon."""
    opened = [await connections.open() for _ in range(MANY)]
    for watched, theirs in opened:
        watched.transport.write(b"unread")
        theirs.close()  # with something unread: a reset
    closing = [0]
    while closing[-1] < MANY:
        await asyncio.sleep(0)
        closing.append(sum(watched.transport.is_closing() for watched, _ in opened))
        assert len(closing) < 100, closing
    steps = {after - before for before, after in pairwise(closing)}

    assert max(steps) == AT_ONCE
    await until(lambda: all(watched.lost for watched, _ in opened))


async def test_what_a_peer_says_is_thrown_away(connections: Connections) -> None:
    """A viewer has nothing to say: it stays, and nobody gets it."""
    watched, theirs = await connections.open()
    theirs.sendall(b"GET / HTTP/1.1\r\n\r\n")
    await until(lambda: not _unread(watched))

    assert (watched.received, watched.transport.is_closing()) == (b"", False)


def _unread(watched: Watched) -> bytes:
    ours = socket.socket(fileno=os.dup(watched.transport.get_extra_info("socket").fileno()))
    with ours:
        try:
            return ours.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""


async def test_a_peer_that_ends_is_still_sent_what_was_written(connections: Connections) -> None:
    """The end of what it says is the end of the connection, after what waits for it; until then nobody looks again."""
    before = open_epolls()
    watched, theirs = await connections.open()
    assert open_epolls() == before + 1
    watched.transport.write(b"x" * 1_000_000)
    assert watched.transport.get_write_buffer_size() > 0

    theirs.shutdown(socket.SHUT_WR)
    await until(watched.transport.is_closing)
    assert open_epolls() == before
    assert not watched.lost

    theirs.setblocking(False)
    size = 0
    while received := await asyncio.get_running_loop().sock_recv(theirs, 65536):
        size += len(received)
    assert (size, watched.lost) == (1_000_000, True)


async def test_nothing_is_kept_of_those_who_left(connections: Connections) -> None:
    """One that ends on our side is forgotten too; with the last one the file goes, and the next one opens another."""
    before = open_epolls()
    for _ in range(2):
        first, _ = await connections.open()
        second, theirs = await connections.open()
        first.transport.close()
        await until(lambda first=first: first.lost)  # type: ignore[misc]
        assert open_epolls() == before + 1
        theirs.close()
        await until(lambda second=second: second.lost)  # type: ignore[misc]
        assert open_epolls() == before
