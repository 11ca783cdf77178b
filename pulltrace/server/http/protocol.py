"""HTTP connections that end when the peer makes no progress, that make way for others, and that take no ambiguous request.

uvicorn waits without end for a request whose headers drip in, and for a peer that does not read what it is sent; its limit
of connections refuses requests because of connections that send none; and what it says of bad requests is for nobody.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from pulltrace.server.http import error_responses
from pulltrace.server.http.request_heads import StrictConnection

CONNECTION = "connection"
"""Where an application finds the connection in the `state` of its scope."""

HEADER_SECONDS = 10.0
"""From the connection, or from the first byte of a further request, to its end: its headers, and a body if it has one."""

WRITE_SECONDS = 10.0
"""How often it is looked whether a peer reads what waits for it (when that is more than 64 KiB)."""

WRITE_BYTES = 16 * 1024
"""A peer that read less than this since the last look is sent no more."""

PIECE_BYTES = 4 * 1024
"""So much of what a peer sends is read at a time. h11 has no bound for headers that come all at once: 256 KiB of short lines
would keep everybody waiting for 0.13 s."""


class Connection(H11Protocol):
    """uvicorn's connection with a deadline for what the peer sends, and one for what it reads."""

    header_seconds = HEADER_SECONDS
    write_seconds = WRITE_SECONDS

    _reading: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.conn = StrictConnection(h11.SERVER, error_responses.MAX_HEADER_BYTES)
        self._max_requests = self.limit_concurrency
        self.limit_concurrency = None  # uvicorn need not look at it
        self._application = self.app
        self.waits_since: float | None = self.loop.time()
        """For a request; None while there is one."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # uvicorn puts a copy of this into the scope of each request, as `state`.
        self.app_state = {CONNECTION: self}
        # As many as are answered at once, and as many again that wait for their request.
        if self._max_requests is not None and len(self.connections) > 2 * self._max_requests:
            self._make_room()
        self._reading = self.loop.call_later(self.header_seconds, transport.abort)

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), PIECE_BYTES):
            if self.transport.is_closing():
                return
            self.app = error_responses.answer_busy if self._has_too_many_requests() else self._application
            super().data_received(data[start : start + PIECE_BYTES])
        if self._has_request():
            self._forget_reading()
            self.waits_since = None
        elif self._reading is None:
            self._reading = self.loop.call_later(self.header_seconds, self.transport.abort)

    def on_response_complete(self) -> None:
        self.waits_since = self.loop.time()
        super().on_response_complete()
        if self._has_request():  # the next one had come already
            self.waits_since = None

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP any more is answered, or cut off in the middle of an answer; and the application, which may know
        nothing of it yet, is told that the peer has left. Else each such request would be a stack trace in the log.
        """
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            for event in error_responses.answer_to_bad_request(sys.exception()):
                self.transport.write(self.conn.send(event) or b"")
            self.transport.close()
        else:
            self.transport.abort()
        if (cycle := self._answered()) is not None:
            cycle.disconnected = True
            cycle.message_event.set()

    def _has_request(self) -> bool:
        """Whether one is being answered that has come as a whole."""
        cycle = self._answered()
        return cycle is not None and not cycle.more_body

    def _answered(self) -> RequestResponseCycle | None:
        """The request that is being answered, if there is one."""
        # NOTE: uvicorn declares the cycle as always there; before the first request it is None.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return None if cycle is None or cycle.response_complete else cycle

    def _has_too_many_requests(self) -> bool:
        return self._max_requests is not None and len(self.tasks) >= self._max_requests

    def _make_room(self) -> None:
        """End the connection that has waited for a request for the longest time: a slow or idle one, not one that works."""
        others = cast("set[Connection]", self.connections) - {self}
        waiting = [(one.waits_since, id(one), one) for one in others if one.waits_since is not None]
        if waiting:
            _, _, longest = min(waiting)
            self.connections.discard(longest)
            longest.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        self._forget_writing()
        super().resume_writing()

    def hand_over(self, heir: asyncio.Protocol, head: bytes) -> bool:
        """Begin the answer with these lines, and give the connection to another protocol; False when it is closed already.

        Nothing of this one stays: uvicorn takes the request for one whose peer has left, and forgets it.
        """
        if self.transport.is_closing() or self.cycle.disconnected:
            self.cycle.disconnected = True  # the loop may not have said so yet
            return False
        self._forget_reading()
        self._forget_writing()
        self.connections.discard(self)
        self.cycle.disconnected = True
        self.transport.set_protocol(heir)
        self.transport.resume_reading()
        dates = b"".join(b"%s: %s\r\n" % header for header in self.server_state.default_headers)
        self.transport.write(b"%s%s\r\n" % (head, dates))
        heir.connection_made(self.transport)
        self._forget_itself()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_reading()
        self._forget_writing()
        super().connection_lost(exc)
        self._forget_itself()

    def _forget_itself(self) -> None:
        """What refers to itself is freed late: ten thousand of these are not to wait for the collector."""
        self.app_state = {}
        if self.scope:
            self.scope["state"].clear()

    def _watch_writing(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._writing = self.loop.call_later(self.write_seconds, self._look_at_writing, waiting)

    def _look_at_writing(self, waited: int) -> None:
        if waited - self.transport.get_write_buffer_size() < WRITE_BYTES:
            self.transport.abort()
        else:
            self._watch_writing()

    def _forget_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _forget_writing(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
