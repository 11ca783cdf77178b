"""When a connection is aborted for reading too little; over real connections in test_deadlines."""

from __future__ import annotations

import asyncio

import uvicorn
from uvicorn.server import ServerState

from pulltrace.server.app import create_app
from pulltrace.server.http.deadlines import SHUTDOWN_WRITE_SECONDS, WRITE_BYTES, DeadlineProtocol, IncompleteRequests
from tests.fakes.pull_source import FakePullSource
from tests.server.connections import GET_HEALTHZ
from tests.server.peer import Peer
from tests.server.waiting import until


class Impatient(DeadlineProtocol):
    """Deadlines that a test can wait for."""

    write_seconds = 0.01


def connected(protocol: type[DeadlineProtocol] = DeadlineProtocol) -> tuple[DeadlineProtocol, Peer]:
    """Open a connection whose peer does not read, with 1 MB in the buffer."""
    config = uvicorn.Config(create_app(FakePullSource()), ws="none", log_config=None)
    connection, peer = protocol(config, ServerState(), {}), Peer(reading=False)
    peer.connect(connection)
    peer.write(b"x" * 1_000_000)
    return connection, peer


def owes_a_request(connection: DeadlineProtocol) -> bool:
    """Whether the request deadline runs."""
    return connection._request_timer is not None


async def test_steady_reader_stays() -> None:
    """A peer that reads on is served, however long it takes."""
    connection, peer = connected()
    for _ in range(10):
        before = peer.unread_bytes
        peer.read(WRITE_BYTES)
        connection._check_progress(before)

    assert not peer.aborted
    assert connection._write_timer is not None
    peer.leave()


async def test_slow_reader_is_aborted() -> None:
    """A peer that reads a few bytes now and then is no better than one that reads nothing."""
    connection, peer = connected()
    connection._check_progress(peer.unread_bytes + WRITE_BYTES - 1)

    assert peer.aborted
    peer.leave()


async def test_small_rest_has_a_deadline_too() -> None:
    """The deadline holds for each byte that the kernel does not accept, also after the end of the response."""
    connection, peer = connected(Impatient)
    peer.read()
    peer.write(b"x")
    peer.close()
    await until(lambda: peer.aborted)
    peer.leave()

    assert connection._write_timer is None


async def test_shutdown_shortens_the_deadline() -> None:
    """A server that stops waits for a peer that reads, and not for one that does not."""
    connection, peer = connected()
    before = connection._write_timer
    connection.shutdown()
    after = connection._write_timer
    assert before is not None
    assert after is not None
    assert before.cancelled()
    assert after.when() - asyncio.get_running_loop().time() <= SHUTDOWN_WRITE_SECONDS

    await until(lambda: peer.aborted)
    peer.leave()


async def test_no_deadline_without_a_buffer() -> None:
    """Once the peer has read everything no timer runs."""
    connection, peer = connected()
    peer.read()

    assert connection._write_timer is None
    assert not peer.aborted
    peer.leave()


def test_oldest_incomplete_request_is_aborted() -> None:
    """Beyond the limit the connection goes that has owed its request for the longest time; complete requests do not count."""
    incomplete, peers = IncompleteRequests(2), [Peer() for _ in range(4)]
    for peer in peers[:3]:
        incomplete.add(peer)
    assert [peer.aborted for peer in peers] == [True, False, False, False]

    incomplete.discard(peers[1])
    incomplete.discard(peers[1])
    incomplete.add(peers[3])
    assert [peer.aborted for peer in peers] == [True, False, False, False]


async def test_later_request_has_a_deadline() -> None:
    """It runs from the first byte of the request to the end of the response before, when the server reads it."""
    connection, peer = connected()
    peer.read()
    connection.data_received(GET_HEALTHZ)
    assert not owes_a_request(connection)

    connection.data_received(GET_HEALTHZ)
    assert owes_a_request(connection)

    peer.reading = True
    await until(lambda: b"ok" in peer.take())
    assert not owes_a_request(connection)
    peer.leave()


async def test_end_of_a_connection_stops_its_timers() -> None:
    """Nothing of a connection stays behind."""
    connection, peer = connected()
    peer.leave()

    assert (connection._request_timer, connection._write_timer) == (None, None)
    assert not connection._incomplete._transports


async def test_timers_run_on_the_loop_of_the_connection() -> None:
    """The request deadline runs from the connection."""
    connection, peer = connected()
    timer = connection._request_timer
    assert timer is not None
    assert 0 < timer.when() - asyncio.get_running_loop().time() <= connection.request_seconds
    peer.leave()
