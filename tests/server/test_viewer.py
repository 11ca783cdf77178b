"""One viewer: what it is sent when it reads, when it reads slowly, and when it does not read."""

from __future__ import annotations

import asyncio

from pulltrace.server.sse.client import PIECE_BYTES, QUEUED_BLOCKS, QUEUED_BYTES, Manners, Texts, Viewer
from pulltrace.server.sse.subscription_options import Options
from tests.server.peer import Peer

MANNERS = Manners(ping_seconds=12, write_seconds=10, max_age_seconds=1800)
LARGE = b"x" * (3 * PIECE_BYTES)


class Watched:
    """A viewer and the peer that it writes to."""

    def __init__(self, first: bytes = b"snapshot ", *, reading: bool = True, ends_in_seconds: float = 1800) -> None:
        self.now = asyncio.get_running_loop().time()
        self.gone = 0
        texts = Texts(lambda: b"fresh ", b"ping ", lambda: b"farewell")
        self.viewer = Viewer(Options(), "", texts, first, self._forget, ends_at=self.now + ends_in_seconds)
        self.peer = Peer(reading=reading)
        self.peer.plays(self.viewer)

    def _forget(self, viewer: Viewer) -> None:
        self.gone += 1

    def offer(self, *blocks: bytes) -> None:
        for block in blocks:
            self.viewer.offer(block, self.now)

    def attend(self, seconds: float) -> None:
        """So much later somebody looks after the viewer."""
        self.viewer.attend(self.now + seconds + 0.1, MANNERS)


async def test_blocks_follow_the_snapshot() -> None:
    """Who reads is sent every block at once, as the object that it is."""
    watched = Watched()
    block = b"one "
    watched.offer(block)

    assert watched.peer.written == [b"snapshot ", block]
    assert watched.peer.written[1] is block


async def test_large_text_goes_out_in_pieces() -> None:
    """Of a large text no more is handed on than the peer takes; the blocks after it come after it."""
    watched = Watched(LARGE, reading=False)
    watched.offer(b"one ", b"two ")
    assert len(b"".join(watched.peer.written)) == 2 * PIECE_BYTES

    watched.peer.read()
    watched.peer.read()
    assert watched.peer.take() == LARGE + b"one two "


async def test_slow_viewer_begins_again() -> None:
    """Who falls behind gets the rest of the text that has begun, then the state of now, and no backlog."""
    watched = Watched(LARGE, reading=False)
    watched.offer(*(b"%d " % number for number in range(QUEUED_BLOCKS + 5)))
    watched.peer.reading = True
    watched.peer.read()
    assert watched.peer.take() == LARGE + b"fresh "

    watched.offer(b"next ")
    assert watched.peer.take() == b"next "


async def test_large_block_is_not_copied_for_a_slow_viewer() -> None:
    """Who does not read has no more than two pieces of a large block to itself; the rest waits where all share it."""
    watched = Watched(reading=False)
    watched.offer(LARGE)

    assert watched.peer.unread_bytes <= 2 * PIECE_BYTES
    assert [text is LARGE for text in watched.viewer.held] == [True]


async def test_backlog_is_bounded_in_bytes() -> None:
    """A few blocks that are large are as much of a backlog as many small ones."""
    watched = Watched(LARGE, reading=False)
    watched.offer(*(b"%d" % number * (QUEUED_BYTES // 2) for number in range(3)))
    watched.peer.reading = True
    watched.peer.read()

    assert watched.peer.take() == LARGE + b"fresh "


async def test_begins_again_at_once() -> None:
    """When everything has changed a viewer that reads is sent the new state at once."""
    watched = Watched()
    watched.viewer.begin_again()
    assert watched.peer.take() == b"snapshot fresh "


async def test_pings_fill_the_silence() -> None:
    """After some silence there is a ping, and the next one after as much again."""
    watched = Watched()
    watched.peer.take()
    for seconds in (11, 12, 13, 23, 24):
        watched.attend(seconds)

    assert watched.peer.take() == b"ping ping "


async def test_end() -> None:
    """At the end a viewer is sent what is queued, then when to come back, and the connection closes."""
    watched = Watched(LARGE, reading=False)
    watched.offer(b"last ")
    watched.viewer.end()
    watched.viewer.end()
    watched.offer(b"never ")
    assert not watched.peer.closed

    watched.peer.reading = True
    watched.peer.read()
    assert watched.peer.take() == LARGE + b"last farewell"
    assert watched.peer.closed


async def test_end_before_the_beginning() -> None:
    """A viewer that is sent away before its connection is handed over still gets its first text."""
    now = asyncio.get_running_loop().time()
    texts = Texts(lambda: b"", b"", lambda: b"farewell")
    viewer = Viewer(Options(), "", texts, b"snapshot ", lambda viewer: None, ends_at=now)
    viewer.end()
    viewer.attend(now, MANNERS)
    peer = Peer()
    peer.plays(viewer)

    assert peer.take() == b"snapshot farewell"


async def test_old_viewer_is_sent_away() -> None:
    """After its time a viewer is asked to come again."""
    watched = Watched(ends_in_seconds=100)
    watched.attend(99)
    assert not watched.peer.closed
    watched.attend(100)
    assert watched.peer.closed


async def test_steady_reader_stays() -> None:
    """A peer that reads on is served, however long it takes."""
    watched = Watched(LARGE, reading=False)
    for seconds in (10, 20, 30):
        watched.peer.unread_bytes -= 16 * 1024
        watched.attend(seconds)

    assert not watched.peer.aborted


async def test_dripping_reader_is_cut_off() -> None:
    """A peer that reads a few bytes now and then is no better than one that reads nothing."""
    watched = Watched(LARGE, reading=False)
    watched.peer.unread_bytes -= 16 * 1024 - 1
    watched.attend(9)
    assert not watched.peer.aborted
    watched.attend(10)
    assert watched.peer.aborted


async def test_end_has_a_deadline() -> None:
    """A peer that never takes its farewell is cut off."""
    watched = Watched()
    watched.viewer.end()
    watched.attend(11)

    assert watched.peer.aborted


async def test_viewer_that_leaves() -> None:
    """When the connection is gone the viewer says so, and nothing is sent any more."""
    watched = Watched()
    watched.peer.leave()
    watched.peer.take()
    watched.offer(b"late ")
    watched.viewer.begin_again()
    watched.viewer.end()
    watched.attend(100)

    assert watched.gone == 1
    assert not watched.peer.written
