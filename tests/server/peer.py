"""A transport whose other end reads as much as the test says; it keeps the parts of asyncio's contract that we use."""

from __future__ import annotations

import asyncio

HIGH_BYTES = 64 * 1024
LOW_BYTES = 16 * 1024


class Peer(asyncio.Transport):
    """The other end of a connection."""

    def __init__(self, *, reading: bool = True) -> None:
        super().__init__()
        self.reading = reading
        self.written: list[bytes] = []
        self.unread_bytes = 0
        self.aborted = False
        self.closed = False
        self._protocol: asyncio.Protocol | None = None
        self._paused = False

    def plays(self, protocol: asyncio.Protocol) -> None:
        """Be the transport of this protocol."""
        self._protocol = protocol
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(data if isinstance(data, bytes) else bytes(data))
        if not self.reading:
            self.unread_bytes += len(data)
            if self.unread_bytes > HIGH_BYTES and not self._paused and self._protocol is not None:
                self._paused = True
                self._protocol.pause_writing()

    def read(self, count: int | None = None) -> None:
        """The other end reads so much of what waits, or all."""
        self.unread_bytes = 0 if count is None else max(0, self.unread_bytes - count)
        if self._paused and self.unread_bytes <= LOW_BYTES and self._protocol is not None:
            self._paused = False
            self._protocol.resume_writing()

    def take(self) -> bytes:
        """All that was written since the last call."""
        taken = b"".join(self.written)
        self.written.clear()
        return taken

    def leave(self) -> None:
        """The other end closes the connection."""
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

    def resume_reading(self) -> None:
        pass
