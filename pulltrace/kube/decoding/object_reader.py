"""Objects one at a time from the bytes of an API server: the objects of a list, the lines of a watch.

A client can limit neither the number nor the size of the objects in a page: API servers ignore the limit of a list
from their cache, and one Pod may take 1.5 MiB. So one object limits the memory: an object that is too long for its
kind is discarded while it arrives, and only one reader at a time holds a large one.

Most objects of a list are found in one step. API servers begin each with its metadata, and `},{"metadata":{` is never
inside a string, where quotes are escaped. The text up to there is one object if it parses, since no JSON object begins
with another. All others (the last one, a large one, a proxy's spelling) are found by counting brackets.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from pulltrace.kube.decoding.api_objects import Raw
from pulltrace.kube.decoding.partial_json import BALANCED, MAX_OBJECT_BYTES, STRING_REST, Shape, read_object
from pulltrace.kube.errors import ApiUnreachable

HEAD_BYTES = 4096
"""Kept bytes of an object that is too long; its name and version are in them."""
ENVELOPE_BYTES = 64 * 1024
"""Longest text around the objects of a list: kind, metadata and the token of the next page."""
ENDLESS_BYTES = 256 * 1024 * 1024
"""A longer object is endless: no API server sends it."""
LARGE_BYTES = 256 * 1024
"""A reader with more bytes waits until no other holds as many."""

BUSY_SECONDS = 0.02
"""Longest time for which objects that have arrived are read without a pause for other tasks."""

_BEGINNING = b'{"metadata":{'
_BETWEEN = b"}," + _BEGINNING
_ITEMS = re.compile(rb'"items"[ \t\r\n]*:[ \t\r\n]*(\[|null)')
_SPACE = re.compile(rb"[ \t\r\n]*+")


@dataclass(frozen=True, slots=True)
class TooLong:
    """An object, or a line of a watch, that was discarded."""

    head: bytes
    """Its first bytes."""


@dataclass(frozen=True, slots=True)
class NotJson:
    """An object that is not JSON."""

    reason: str


ListItem: TypeAlias = "Raw | TooLong | NotJson"


class LargeObjectLock:
    """Lets one reader of a process hold more than `LARGE_BYTES`."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def reservation(self) -> AsyncIterator[Reservation]:
        reservation = Reservation(self._lock)
        try:
            yield reservation
        finally:
            reservation.release()


class Reservation:
    """The memory of one reader."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock
        self._locked = False

    async def grow(self, size: int) -> None:
        """Wait until this reader may hold `size` bytes."""
        if size > LARGE_BYTES and not self._locked:
            await self._lock.acquire()
            self._locked = True

    def release(self) -> None:
        """Let another reader hold a large object."""
        if self._locked:
            self._locked = False
            self._lock.release()


class Yielding:
    """Lets other tasks run while one reads objects that have arrived: a flood of them would block the probes."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def between_objects(self) -> None:
        """Pause if objects were read for `BUSY_SECONDS`."""
        if time.monotonic() - self._since >= BUSY_SECONDS:
            await asyncio.sleep(0)
            self._since = time.monotonic()


async def read_lines(
    chunks: AsyncIterator[bytes], reservation: Reservation, max_line_bytes: int = MAX_OBJECT_BYTES
) -> AsyncGenerator[bytes | TooLong, None]:
    """Yield the lines of a watch. The caller must drop a line before it waits for anything."""
    buffer, head, dropped = bytearray(), b"", 0
    async for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        buffer += first
        for part in rest:
            reservation.release()  # the caller has parsed the line before any other task runs
            if head or buffer:
                yield _line(buffer, head, max_line_bytes)  # no name keeps it alive while the generator waits
            buffer, head, dropped = bytearray(part), b"", 0
        if len(buffer) > max_line_bytes or (head and buffer):
            head = head or bytes(buffer[:HEAD_BYTES])
            dropped = _bounded(dropped + len(buffer))
            buffer = bytearray()
            reservation.release()
        await reservation.grow(len(buffer))
    if head or buffer:
        yield _line(buffer, head, max_line_bytes)


def _line(buffer: bytearray, head: bytes, max_line_bytes: int) -> bytes | TooLong:
    if head or len(buffer) > max_line_bytes:
        return TooLong(head or bytes(buffer[:HEAD_BYTES]))
    line = bytes(buffer)
    buffer.clear()
    return line


def _bounded(dropped: int) -> int:
    if dropped > ENDLESS_BYTES:
        raise ApiUnreachable(f"an object is longer than {ENDLESS_BYTES} bytes")
    return dropped


class ListReader:
    """Reads the objects of one list; `envelope` is the text around them, once all are read.

    Raises `ApiUnreachable` for anything but a list.
    """

    def __init__(
        self, chunks: AsyncIterator[bytes], reservation: Reservation, shape: Shape | None, max_object_bytes: int
    ) -> None:
        self.envelope = b""
        self._chunks = chunks
        self._reservation = reservation
        self._shape = shape
        self._max_object_bytes = max_object_bytes
        self._buffer = bytearray()

    async def items(self) -> AsyncGenerator[ListItem, None]:
        while (found := _ITEMS.search(self._buffer)) is None:
            if len(self._buffer) > ENVELOPE_BYTES or not await self._more():
                self.envelope = bytes(self._buffer[:ENVELOPE_BYTES])
                return
        before, end, filled = bytes(self._buffer[: found.start()]), found.end(), found[1] == b"["
        del found  # or the buffer could not be cut
        del self._buffer[:end]
        first = True
        while filled and await self._next_item(first=first):
            first = False
            item = await self._object()
            self._reservation.release()
            yield item
        while await self._more():
            if len(self._buffer) > ENVELOPE_BYTES:
                raise ApiUnreachable("a list continues after its end")
        self.envelope = before + b'"items":null' + bytes(self._buffer)

    async def _more(self) -> bool:
        """Read another chunk; return False at the end."""
        await self._reservation.grow(len(self._buffer))
        async for chunk in self._chunks:
            self._buffer += chunk
            return True
        return False

    async def _next_character(self) -> bytes:
        """Return the next character that is not white space, without consuming it."""
        while True:
            del self._buffer[: _SPACE.match(self._buffer).end()]  # type: ignore[union-attr]  # it also matches nothing
            if self._buffer or not await self._more():
                return bytes(self._buffer[:1])

    async def _next_item(self, *, first: bool) -> bool:
        """Consume the text before the next object; return False at the end of the list."""
        character = await self._next_character()
        if character == b"]":
            del self._buffer[:1]
            return False
        if not first:
            if character != b",":
                raise ApiUnreachable("a list ends between two objects")
            del self._buffer[:1]
            character = await self._next_character()
        if character != b"{":
            raise ApiUnreachable("a list contains something that is not an object")
        return True

    async def _object(self) -> ListItem:
        """Return the object that begins here."""
        searched = 0
        while self._buffer.startswith(_BEGINNING) and searched <= self._max_object_bytes:
            if end := self._buffer.find(_BETWEEN, searched) + 1:
                if end > self._max_object_bytes:
                    break
                try:
                    value = read_object(bytes(self._buffer[:end]), self._shape)
                except ValueError:
                    break
                del self._buffer[:end]
                return value  # type: ignore[no-any-return]  # it begins with a brace
            searched = max(0, len(self._buffer) - len(_BETWEEN))
            if not await self._more():
                break
        return await self._object_by_brackets()

    async def _object_by_brackets(self) -> ListItem:
        """Return the object that begins here, found by counting brackets."""
        brackets, head, dropped = _Brackets(), b"", 0
        while (end := brackets.end(self._buffer)) == 0:
            if head or len(self._buffer) > self._max_object_bytes:
                head = head or bytes(self._buffer[:HEAD_BYTES])
                dropped = _bounded(dropped + brackets.at)
                del self._buffer[: brackets.at]
                brackets.at = 0
                self._reservation.release()
            if not await self._more():
                raise ApiUnreachable("a list ends within an object")
        if head or end > self._max_object_bytes:
            head = head or bytes(self._buffer[:HEAD_BYTES])
            del self._buffer[:end]
            return TooLong(head)
        raw = bytes(memoryview(self._buffer)[:end])
        del self._buffer[:end]
        try:
            return read_object(raw, self._shape)  # type: ignore[no-any-return]  # as above
        except ValueError as error:
            return NotJson(str(error))


class _Brackets:
    """Counts the brackets of an object that arrives in parts."""

    def __init__(self) -> None:
        self.at = 1
        """The position; the first character is the object's own bracket."""
        self._depth = 1
        self._in_string = False

    def end(self, buffer: bytearray) -> int:
        """Return the end of the object; 0 while it has not arrived."""
        while True:
            if self._in_string:
                self.at = STRING_REST.match(buffer, self.at).end()  # type: ignore[union-attr]  # it also matches nothing
                if buffer[self.at : self.at + 1] != b'"':
                    return 0
                self._in_string = False
                self.at += 1
            self.at = BALANCED.match(buffer, self.at).end()  # type: ignore[union-attr]  # as above
            mark = bytes(buffer[self.at : self.at + 1])
            if not mark:
                return 0
            self.at += 1
            if mark == b'"':
                self._in_string = True
            elif mark in (b"{", b"["):
                self._depth += 1
            else:
                self._depth -= 1
                if not self._depth:
                    return self.at
