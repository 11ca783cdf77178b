"""A transport whose peer reads as much as the test says; it keeps the parts of asyncio's contract that the server uses."""

from __future__ import annotations

import asyncio

HIGH_BYTES = 64 * 1024


class Peer(asyncio.Transport):
    """The peer of a connection."""

    def __init__(self, *, reading: bool = True) -> None:
        super().__init__()
        self.reading = reading
        self.written: list[bytes] = []
        self.unread_bytes = 0
        self.aborted = False
        self.closed = False
        self._protocol: asyncio.Protocol | None = None
        self._paused = False
        self._high_bytes = HIGH_BYTES
        self._low_bytes = HIGH_BYTES // 4

    def connect(self, protocol: asyncio.Protocol) -> None:
        """Connect the protocol to this transport."""
        self._protocol = protocol
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(data if isinstance(data, bytes) else bytes(data))
        if not self.reading:
            self.unread_bytes += len(data)
            if self.unread_bytes > self._high_bytes and not self._paused and self._protocol is not None:
                self._paused = True
                self._protocol.pause_writing()

    def read(self, count: int | None = None) -> None:
        """Read so much of the buffer, or all of it."""
        self.unread_bytes = 0 if count is None else max(0, self.unread_bytes - count)
        if self._paused and self.unread_bytes <= self._low_bytes and self._protocol is not None:
            self._paused = False
            self._protocol.resume_writing()

    def take(self) -> bytes:
        """Return all bytes that were written since the last call."""
        taken = b"".join(self.written)
        self.written.clear()
        return taken

    def leave(self) -> None:
        """Close the connection from the peer's end."""
        assert self._protocol is not None
        self._protocol.connection_lost(None)

    def get_write_buffer_size(self) -> int:
        return self.unread_bytes

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted or self.closed

    def close(self) -> None:
        self.closed = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high_bytes = HIGH_BYTES if high is None else high
        self._low_bytes = self._high_bytes // 4 if low is None else low

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass
