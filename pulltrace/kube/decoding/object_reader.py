"""Objects read one at a time from what an API server sends: the objects of a list, the lines of a watch.

A client bounds neither the number nor the size of the objects in a page: API servers ignore the limit of a list from
their cache, and one Pod may take 1.5 MiB. So one object bounds the memory: an object that is too long for its kind is
dropped while it arrives, and only one reader at a time holds a large one.

Most objects of a list are found in one step. API servers write each beginning with its metadata, and
`},{"metadata":{` is never inside a string, where quotes are escaped. What is cut off there and parses is one object,
since no JSON object begins with another. All else (the last one, a large one, a proxy's spelling) is found by
counting brackets.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from pulltrace.kube.decoding.fields import Raw
from pulltrace.kube.decoding.json_fields import BALANCED, STRING_REST, Shape, read_object
from pulltrace.kube.errors import ApiUnreachable

MAX_OBJECT_BYTES = 12 * 1024 * 1024
"""Longest object. etcd takes 1.5 MiB, which is up to 9 MiB as JSON, where `<` is six characters."""
HEAD_BYTES = 4096
"""Kept of what is too long; its name and version are in it."""
ENVELOPE_BYTES = 64 * 1024
"""Longest text around the objects of a list: kind, metadata and the token of the next page."""
ENDLESS_BYTES = 256 * 1024 * 1024
"""A longer object has no end: no API server sent it."""
LARGE_BYTES = 256 * 1024
"""Beyond it a reader waits until no other holds as much."""

BUSY_SECONDS = 0.02
"""So long may objects that have all arrived be read one after another before others have their turn."""

_BEGINNING = b'{"metadata":{'
_BETWEEN = b"}," + _BEGINNING
_ITEMS = re.compile(rb'"items"[ \t\r\n]*:[ \t\r\n]*(\[|null)')
_SPACE = re.compile(rb"[ \t\r\n]*+")


@dataclass(frozen=True, slots=True)
class TooLong:
    """An object, or a line of a watch, that was not kept."""

    head: bytes
    """Its beginning."""


@dataclass(frozen=True, slots=True)
class NotRead:
    """An object that is not JSON."""

    why: str


Piece: TypeAlias = "Raw | TooLong | NotRead"


class Gate:
    """Lets one reader of a process hold more than `LARGE_BYTES`."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        turn = Turn(self._lock)
        try:
            yield turn
        finally:
            turn.end()


class Turn:
    """One reader at the gate."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock
        self._has_it = False

    async def hold(self, size: int) -> None:
        """Wait until so many bytes may be held."""
        if size > LARGE_BYTES and not self._has_it:
            await self._lock.acquire()
            self._has_it = True

    def end(self) -> None:
        """Let another reader hold as much."""
        if self._has_it:
            self._has_it = False
            self._lock.release()


class Pauses:
    """Lets other tasks run while one reads what has arrived already: without them a flood of objects would stop the probes."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def pause(self) -> None:
        """Call between two objects."""
        if time.monotonic() - self._since >= BUSY_SECONDS:
            await asyncio.sleep(0)
            self._since = time.monotonic()


async def lines_of(
    chunks: AsyncIterator[bytes], turn: Turn, max_line_bytes: int = MAX_OBJECT_BYTES
) -> AsyncGenerator[bytes | TooLong, None]:
    """The lines of a watch. The reader must let go of a line before it waits for anything."""
    buffer, head, dropped = bytearray(), b"", 0
    async for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        buffer += first
        for part in rest:
            turn.end()  # the reader has parsed the line before anything else runs
            if head or buffer:
                yield _line(buffer, head, max_line_bytes)  # no name holds it while the generator waits
            buffer, head, dropped = bytearray(part), b"", 0
        if len(buffer) > max_line_bytes or (head and buffer):
            head = head or bytes(buffer[:HEAD_BYTES])
            dropped = _endless(dropped + len(buffer))
            buffer = bytearray()
            turn.end()
        await turn.hold(len(buffer))
    if head or buffer:
        yield _line(buffer, head, max_line_bytes)


def _line(buffer: bytearray, head: bytes, max_line_bytes: int) -> bytes | TooLong:
    if head or len(buffer) > max_line_bytes:
        return TooLong(head or bytes(buffer[:HEAD_BYTES]))
    line = bytes(buffer)
    buffer.clear()
    return line


def _endless(dropped: int) -> int:
    if dropped > ENDLESS_BYTES:
        raise ApiUnreachable(f"an object is longer than {ENDLESS_BYTES} bytes")
    return dropped


class ListReader:
    """The objects of one list; `envelope` is what was around them, once they have all been read.

    Raises `ApiUnreachable` for what is not a list.
    """

    def __init__(self, chunks: AsyncIterator[bytes], turn: Turn, shape: Shape | None, max_object_bytes: int) -> None:
        self.envelope = b""
        self._chunks = chunks
        self._turn = turn
        self._shape = shape
        self._max_object_bytes = max_object_bytes
        self._buffer = bytearray()

    async def objects(self) -> AsyncGenerator[Piece, None]:
        while (found := _ITEMS.search(self._buffer)) is None:
            if len(self._buffer) > ENVELOPE_BYTES or not await self._more():
                self.envelope = bytes(self._buffer[:ENVELOPE_BYTES])
                return
        before, end, filled = bytes(self._buffer[: found.start()]), found.end(), found[1] == b"["
        del found  # or the buffer could not be cut
        del self._buffer[:end]
        first = True
        while filled and await self._another(first=first):
            first = False
            piece = await self._object()
            self._turn.end()
            yield piece
        while await self._more():
            if len(self._buffer) > ENVELOPE_BYTES:
                raise ApiUnreachable("a list goes on after its end")
        self.envelope = before + b'"items":null' + bytes(self._buffer)

    async def _more(self) -> bool:
        """Whether there was another chunk."""
        await self._turn.hold(len(self._buffer))
        async for chunk in self._chunks:
            self._buffer += chunk
            return True
        return False

    async def _next_character(self) -> bytes:
        """The next character that is not white space, left where it is."""
        while True:
            del self._buffer[: _SPACE.match(self._buffer).end()]  # type: ignore[union-attr]  # it matches nothing, too
            if self._buffer or not await self._more():
                return bytes(self._buffer[:1])

    async def _another(self, *, first: bool) -> bool:
        """Whether an object begins here; takes what stands before it."""
        character = await self._next_character()
        if character == b"]":
            del self._buffer[:1]
            return False
        if not first:
            if character != b",":
                raise ApiUnreachable("a list broke off between two objects")
            del self._buffer[:1]
            character = await self._next_character()
        if character != b"{":
            raise ApiUnreachable("a list has something in it that is not an object")
        return True

    async def _object(self) -> Piece:
        """The object that begins here."""
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
        return await self._counted()

    async def _counted(self) -> Piece:
        """The same, by counting brackets."""
        brackets, head, dropped = _Brackets(), b"", 0
        while (end := brackets.end(self._buffer)) == 0:
            if head or len(self._buffer) > self._max_object_bytes:
                head = head or bytes(self._buffer[:HEAD_BYTES])
                dropped = _endless(dropped + brackets.at)
                del self._buffer[: brackets.at]
                brackets.at = 0
                self._turn.end()
            if not await self._more():
                raise ApiUnreachable("a list broke off")
        if head or end > self._max_object_bytes:
            head = head or bytes(self._buffer[:HEAD_BYTES])
            del self._buffer[:end]
            return TooLong(head)
        raw = bytes(memoryview(self._buffer)[:end])
        del self._buffer[:end]
        try:
            return read_object(raw, self._shape)  # type: ignore[no-any-return]  # as above
        except ValueError as error:
            return NotRead(str(error))


class _Brackets:
    """Counts the brackets of an object that arrives in parts."""

    def __init__(self) -> None:
        self.at = 1
        """The position reached; the first character is the object's own bracket."""
        self._depth = 1
        self._in_string = False

    def end(self, buffer: bytearray) -> int:
        """The end of the object; 0 when that has not arrived yet."""
        while True:
            if self._in_string:
                self.at = STRING_REST.match(buffer, self.at).end()  # type: ignore[union-attr]  # it matches nothing, too
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
