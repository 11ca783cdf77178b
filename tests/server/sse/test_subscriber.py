"""The queue of one subscriber: what its task sends when the client reads, reads slowly, or does not read."""

from __future__ import annotations

import asyncio

from pulltrace.server.sse.subscriber import PIECE_BYTES, QUEUED_BYTES, QUEUED_FRAMES, Subscriber, over_budget
from pulltrace.server.sse.subscription_options import SubscriptionOptions

LARGE = bytes(range(256)) * (3 * PIECE_BYTES // 256)


def subscriber(first: bytes = b"snapshot ") -> Subscriber:
    return Subscriber(SubscriptionOptions(), "", first, lambda: b"fresh ", expires_at=0.0)


async def pending(reading: asyncio.Task[bytes]) -> bool:
    """Whether the task still waits after all that can run has run."""
    for _ in range(5):
        await asyncio.sleep(0)
    return not reading.done()


async def rest(one: Subscriber) -> bytes:
    """Return everything that is queued."""
    sent = b""
    while one.queued or one._restart:
        sent += await one.next()
    return sent


async def test_frames_follow_the_snapshot() -> None:
    """A client that reads is sent each frame at once, as the object that it is."""
    one, frame = subscriber(), b"one "
    assert await one.next() == b"snapshot "
    reading = asyncio.create_task(one.next())
    assert await pending(reading)
    one.put(frame)

    assert await reading is frame
    assert not one.finished


async def test_large_frame_goes_out_in_pieces() -> None:
    """No more than a piece is copied for one client; the frames after it come after it."""
    one = subscriber(LARGE)
    one.put(b"one ")
    one.put(b"two ")
    pieces = [await one.next() for _ in range(5)]

    assert [len(piece) for piece in pieces[:3]] == [PIECE_BYTES] * 3
    assert b"".join(pieces) == LARGE + b"one two "


async def test_others_run_before_each_part_of_a_backlog() -> None:
    """A client with a long backlog keeps nothing else waiting, and a connection that is lost meanwhile ends it."""
    one = subscriber(LARGE)
    turns: list[int] = []

    async def other() -> None:
        while len(turns) < 2:
            turns.append(len(one.queued))
            await asyncio.sleep(0)
        one.close()

    beside = asyncio.create_task(other())
    sent = await rest(one)
    await beside

    assert len(sent) < len(LARGE)
    assert one.finished


async def test_slow_subscriber_gets_a_snapshot() -> None:
    """A client that falls behind gets the rest of the frame that has begun, then the current state, and no backlog."""
    one = subscriber(LARGE)
    begun = await one.next()
    for number in range(QUEUED_FRAMES + 5):
        one.put(b"%d " % number)

    assert begun + await rest(one) == LARGE + b"fresh "
    one.put(b"next ")
    assert await one.next() == b"next "


async def test_frame_that_has_not_begun_makes_way_for_the_snapshot() -> None:
    """A client that read nothing yet starts with the current state."""
    one = subscriber(LARGE)
    one.restart()

    assert await rest(one) == b"fresh "


async def test_backlog_is_bounded_in_bytes() -> None:
    """A few large frames are as much of a backlog as many small ones."""
    one = subscriber(LARGE)
    begun = await one.next()
    for number in range(3):
        one.put(b"%d" % number * (QUEUED_BYTES // 2))

    assert begun + await rest(one) == LARGE + b"fresh "


async def test_queue_holds_frames_by_reference() -> None:
    """A large frame waits where all subscribers share it."""
    one, other = subscriber(), subscriber()
    for each in (one, other):
        each.put(LARGE)

    assert one.queued[1] is other.queued[1] is LARGE


async def test_restarts_at_once() -> None:
    """When everything has changed a client that reads is sent the new state at once."""
    one = subscriber()
    await one.next()
    reading = asyncio.create_task(one.next())
    assert await pending(reading)
    one.restart()

    assert await reading == b"fresh "


async def test_end() -> None:
    """At the end the queue and the farewell are sent, once, and nothing after them."""
    one = subscriber(LARGE)
    one.put(b"last ")
    one.end(b"farewell")
    one.end(b"farewell")
    one.put(b"never ")
    one.restart()
    assert not one.finished

    assert await rest(one) == LARGE + b"last farewell"
    assert one.finished


async def test_end_wakes_the_task() -> None:
    """A task that waits for a frame gets the farewell."""
    one = subscriber()
    await one.next()
    reading = asyncio.create_task(one.next())
    assert await pending(reading)
    one.end(b"farewell")

    assert await reading == b"farewell"


async def test_close_ends_the_stream_at_once() -> None:
    """A connection that is lost frees the queue and ends the task."""
    one = subscriber()
    await one.next()
    reading = asyncio.create_task(one.next())
    assert await pending(reading)
    one.close()
    one.put(b"late ")
    one.end(b"late ")

    assert (await reading, one.finished, list(one.queued)) == (b"", True, [])


def test_nothing_is_closed_within_the_budget() -> None:
    """A frame counts once, however many subscribers wait for it."""
    frame = b"x" * 100
    assert over_budget([subscriber(frame) for _ in range(1000)], 100) == []


def test_most_expensive_goes_first() -> None:
    """A frame of one subscriber goes before a shared one, a long one before a short one, and no more than needed."""
    shared = b"s" * 100
    many = [subscriber(shared) for _ in range(10)]
    long, short = subscriber(b"l" * 60), subscriber(b"k" * 40)

    assert over_budget([*many, short, long], 150) == [long]
    assert over_budget([*many, short, long], 139) == [long, short]
    assert over_budget([*many, short, long], 0) == [long, short, *many]
