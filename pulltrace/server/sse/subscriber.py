"""One subscriber of the stream: a bounded queue between the hub and the subscriber's ASGI task.

The hub puts frames (complete events as bytes) into the queues of many subscribers by reference. A subscriber whose queue is
full receives a new snapshot instead of the backlog: it misses history, and its state is current.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from pulltrace.server.sse.subscription_options import SubscriptionOptions

QUEUED_FRAMES = 16
"""Windows (4 s of steady change with many subscribers) that a subscriber may be behind."""

QUEUED_BYTES = 1024 * 1024
"""Limit for the frames after the first; a snapshot is about as short as more than that."""

PIECE_BYTES = 32 * 1024
"""The largest part of a frame that a task sends at once.

The transport copies what the peer does not accept at once, so this bounds the memory that a slow subscriber has to itself: 10,000 of
them take 320 MiB.
"""


class Subscriber:
    """The queue of one subscriber; the hub writes, one ASGI task reads."""

    __slots__ = (
        "_ended",
        "_frames",
        "_restart",
        "_sent_bytes",
        "_snapshot",
        "_wake_up",
        "address",
        "expires_at",
        "options",
    )

    def __init__(
        self,
        options: SubscriptionOptions,
        address: str,
        first: bytes,
        snapshot: Callable[[], bytes],
        *,
        expires_at: float,
    ) -> None:
        """Send `first` first; `snapshot` encodes the current one; `expires_at` is on the event loop's clock."""
        self.options = options
        self.address = address
        self.expires_at = expires_at
        self._snapshot = snapshot
        self._frames = [first]
        self._sent_bytes = 0
        """Bytes of the first frame in the queue."""
        self._restart = False
        self._ended = False
        self._wake_up: asyncio.Future[None] | None = None

    @property
    def finished(self) -> bool:
        """Whether the stream has ended and the queue is empty."""
        return self._ended and not self._frames

    @property
    def queued(self) -> Sequence[bytes]:
        """The frames in the queue, which other subscribers may share."""
        return self._frames

    def put(self, frame: bytes) -> None:
        """Queue the frame; drop the queue and schedule a snapshot when it is full."""
        if self._ended or self._restart:
            return
        if self._is_full(frame):
            self.restart()
        else:
            self._frames.append(frame)
            self._wake()

    def restart(self) -> None:
        """Send a snapshot next. The queue keeps only the rest of a frame that has been sent in part."""
        if not self._ended:
            self._restart = True
            del self._frames[1 if self._sent_bytes else 0 :]
            self._wake()

    def end(self, farewell: bytes) -> None:
        """Send the queue and the farewell, then end the stream."""
        if not self._ended:
            self._frames.append(farewell)
            self._ended = True
            self._wake()

    def close(self) -> None:
        """End the stream at once and free the queue."""
        self._ended = True
        self._frames.clear()
        self._wake()

    async def next(self) -> bytes:
        """Wait for the next bytes to send; they are empty when the stream ends meanwhile.

        Other tasks run before each part of a backlog, so that they do not wait for it and a lost connection ends it.
        """
        if self._frames:
            await asyncio.sleep(0)
        while not self._frames:
            if self._ended:
                return b""
            if self._restart:
                self._restart = False
                self._frames.append(self._snapshot())
            else:
                self._wake_up = asyncio.get_running_loop().create_future()
                await self._wake_up
        frame = self._frames[0]
        piece = frame if len(frame) <= PIECE_BYTES else frame[self._sent_bytes : self._sent_bytes + PIECE_BYTES]
        self._sent_bytes += len(piece)
        if self._sent_bytes == len(frame):
            self._frames.pop(0)
            self._sent_bytes = 0
        return piece

    def _is_full(self, frame: bytes) -> bool:
        return len(self._frames) >= QUEUED_FRAMES or sum(map(len, self._frames[1:])) + len(frame) > QUEUED_BYTES

    def _wake(self) -> None:
        if self._wake_up is not None and not self._wake_up.done():
            self._wake_up.set_result(None)


def total_bytes(frames: Iterable[bytes]) -> int:
    """Return the memory of the frames; a shared one counts once."""
    return sum(map(len, {id(frame): frame for frame in frames}.values()))


def over_budget(subscribers: Iterable[Subscriber], max_bytes: int) -> list[Subscriber]:
    """Return the subscribers to close so that their queues hold at most `max_bytes` together.

    Subscribers share frames, so ten thousand may wait for one snapshot. A client that reconnects at another moment waits for
    a snapshot of its own, and may read it for an hour. Frames with the most bytes for each subscriber go first.
    """
    waiting: dict[int, tuple[bytes, list[Subscriber]]] = {}
    for subscriber in subscribers:
        for frame in subscriber.queued:
            waiting.setdefault(id(frame), (frame, []))[1].append(subscriber)
    held_bytes = sum(len(frame) for frame, _ in waiting.values())
    closing: dict[int, Subscriber] = {}
    for frame, waiters in sorted(waiting.values(), key=lambda each: len(each[0]) / len(each[1]), reverse=True):
        if held_bytes <= max_bytes:
            break
        closing |= {id(subscriber): subscriber for subscriber in waiters}
        held_bytes -= len(frame)
    return list(closing.values())
