"""One reader of the live stream: a transport, and what it has not taken yet.

NOTE: this is an `asyncio.Protocol` that gets the connection once the headers are sent (`Connection.hand_over`), not an
ASGI application with a task that waits. Ten thousand viewers are ten thousand small objects then: a block is one
`transport.write` for each of them, nobody is woken, and no HTTP machinery is kept in memory for what is only bytes
from here on. (Measured: 4 KiB for each viewer instead of 40, and a tenth of the time for each block.)

What does not fit into the transport's buffer (64 KiB) waits in a short queue of references to texts that all viewers
share. A viewer that lets it fill up gets no backlog but a new snapshot, as soon as it reads again: what it missed is
history, and what it is told is always what is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from pulltrace.server.http.protocol import WRITE_BYTES, WRITE_SECONDS
from pulltrace.server.sse.subscription_options import Options

QUEUED_BLOCKS = 16
"""A viewer that is so many windows behind (0.5 to 4 s of steady change) begins again with a snapshot."""

QUEUED_BYTES = 1024 * 1024
"""Beyond what has begun: with more than that a snapshot is about as short."""

PIECE_BYTES = 64 * 1024
"""So much of a large text goes to the transport at once; the rest waits here, where it is shared."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How a viewer is treated; all in seconds."""

    ping_seconds: float = 12.0
    """Proxies close what is silent for long; 15 s at most is promised."""
    write_seconds: float = WRITE_SECONDS
    """A viewer that reads less than 16 KiB of what waits for it in so long a time is cut off."""
    max_age_seconds: float = 30 * 60.0
    """After about so long a viewer is asked to come again, so that viewers spread over the replicas there are now."""
    look_seconds: float = 1.0
    """How often all this is looked at."""
    held_bytes: int = 64 * 1024 * 1024
    """So much may wait for all viewers together (`holding`)."""


DEFAULT_MANNERS = Manners()


@dataclass(frozen=True, slots=True)
class Texts:
    """What a viewer may have to be sent besides blocks, ready for the connection."""

    snapshot: Callable[[], bytes]
    ping: bytes
    farewell: Callable[[], bytes]
    """When to come back, and the end of the answer."""


class Viewer(asyncio.Protocol):
    """One reader of the stream."""

    __slots__ = (
        "_begins_again",
        "_ended",
        "_ends_at",
        "_full",
        "_gone",
        "_looked_at",
        "_queue",
        "_sent_bytes",
        "_spoken_at",
        "_texts",
        "_transport",
        "_unread_bytes",
        "address",
        "options",
    )

    def __init__(
        self,
        options: Options,
        address: str,
        texts: Texts,
        first: bytes,
        gone: Callable[[Viewer], None],
        *,
        ends_at: float,
    ) -> None:
        """`first` is sent first; `gone` is called when the connection is; `ends_at` is on the loop's clock."""
        now = asyncio.get_running_loop().time()
        self.options = options
        self.address = address
        self._texts = texts
        self._gone = gone
        self._ends_at = ends_at
        self._transport: asyncio.Transport | None = None
        self._queue: deque[bytes] | None = deque((first,))
        self._sent_bytes = 0
        """Of the first text in the queue."""
        self._spoken_at = now
        self._full = False
        self._looked_at = now
        self._unread_bytes = 0
        self._begins_again = False
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._queue = None
        self._gone(self)

    def pause_writing(self) -> None:
        self._full = True
        self._looked_at = asyncio.get_running_loop().time()
        self._unread_bytes = self._waiting_bytes()

    def resume_writing(self) -> None:
        self._full = False
        self._pump()

    def offer(self, block: bytes, now: float) -> None:
        """Send the block, at once or as soon as there is room."""
        if self._ended or self._begins_again:
            return
        if self._queue is None and not self._full and self._transport is not None:
            self._spoken_at = now
            if len(block) <= PIECE_BYTES:
                self._transport.write(block)
            else:  # what the peer does not take at once would be copied for it alone
                self._wait(block)
                self._pump()
        elif self._queue is not None and self._is_behind(block):
            self.begin_again()
        else:
            self._wait(block)

    def begin_again(self) -> None:
        """Send a snapshot next, and nothing of what was queued but the rest of a text that has begun."""
        if self._ended:
            return
        self._begins_again = True
        if self._queue is not None:
            begun = self._queue[0] if self._sent_bytes else None
            self._queue = None if begun is None else deque((begun,))
        if not self._full:
            self._pump()

    def end(self) -> None:
        """Send what is queued, then when to come back, and then no more."""
        if not self._ended:
            self._wait(self._texts.farewell())
            self._ended = True
            self._looked_at = asyncio.get_running_loop().time()
            self._unread_bytes = 0
            self._pump()

    @property
    def held(self) -> Iterable[bytes]:
        """The texts that wait here, which other viewers may share."""
        return self._queue or ()

    def cut_off(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def attend(self, now: float, manners: Manners) -> None:
        """Look after the connection: call every second or so."""
        if self._transport is None:
            return
        if (self._full or self._ended) and now - self._looked_at >= manners.write_seconds:
            unread_bytes = self._waiting_bytes()
            if self._unread_bytes - unread_bytes < WRITE_BYTES:
                self.cut_off()
            self._looked_at, self._unread_bytes = now, unread_bytes
        elif now >= self._ends_at:
            self.end()
        elif now - self._spoken_at >= manners.ping_seconds:
            self.offer(self._texts.ping, now)

    def _is_behind(self, block: bytes) -> bool:
        queue = self._queue or ()
        waiting_bytes = sum(map(len, islice(queue, 1, None)))
        return len(queue) >= QUEUED_BLOCKS or waiting_bytes + len(block) > QUEUED_BYTES

    def _wait(self, text: bytes) -> None:
        if self._queue is None:
            self._queue = deque()
        self._queue.append(text)

    def _pump(self) -> None:
        """Hand on what waits, until the transport has enough."""
        while self._transport is not None and not self._full:
            if not self._queue:
                self._queue = None
                if self._begins_again and not self._ended:
                    self._begins_again = False
                    self._wait(self._texts.snapshot())
                    continue
                if self._ended:
                    self._transport.close()
                return
            text = self._queue[0]
            piece = memoryview(text)[self._sent_bytes : self._sent_bytes + PIECE_BYTES]
            self._sent_bytes += len(piece)
            if self._sent_bytes >= len(text):
                self._queue.popleft()
                self._sent_bytes = 0
            self._transport.write(piece)

    def _waiting_bytes(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()
