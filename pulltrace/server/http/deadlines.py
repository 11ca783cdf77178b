"""uvicorn's HTTP/1.1 protocol with two deadlines that it lacks, and with strict request heads.

uvicorn waits without end for a request whose bytes come slowly, and for a peer that does not read its response. This module
relies on a few names of uvicorn; tests/server/http/test_uvicorn.py fails when an upgrade changes one of them.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from pulltrace.server.http.error_responses import bad_request_response
from pulltrace.server.http.request_heads import StrictConnection

REQUEST_SECONDS = 10.0
"""From the connection, or the first byte of a later request, to the end of the request with its body."""

WRITE_SECONDS = 10.0
"""A peer that reads less than `WRITE_BYTES` of what the transport holds for it in this time is disconnected."""

SHUTDOWN_WRITE_SECONDS = 0.5
"""The write deadline once the server stops: a peer that does not read holds up neither its end nor the process."""

WRITE_BYTES = 16 * 1024

MAX_INCOMPLETE = 1024
"""Connections of one server that wait for a request or the rest of one."""


class IncompleteRequests:
    """The connections of one server that owe a request or are idle, oldest first; beyond the limit the oldest is aborted.

    NOTE: uvicorn's `limit_concurrency` counts these connections and refuses requests instead. With a limit of 100 connections and
    500 that send their headers slowly, it refused 20 of 20 healthy requests; with this class all 20 were answered.
    """

    def __init__(self, limit: int = MAX_INCOMPLETE) -> None:
        self._limit = limit
        self._transports: dict[asyncio.Transport, None] = {}

    def add(self, transport: asyncio.Transport) -> None:
        self._transports[transport] = None
        if len(self._transports) > self._limit:
            oldest = next(iter(self._transports))
            del self._transports[oldest]
            oldest.abort()

    def discard(self, transport: asyncio.Transport) -> None:
        self._transports.pop(transport, None)


class DeadlineProtocol(H11Protocol):
    """uvicorn's protocol with a deadline for the peer's requests and one for its reading."""

    request_seconds = REQUEST_SECONDS
    write_seconds = WRITE_SECONDS

    def __init__(self, *args: Any, incomplete: IncompleteRequests | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = StrictConnection(h11.SERVER)
        self._incomplete = incomplete or IncompleteRequests()
        self._request_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # No bytes of its own for a slow peer: a send of more waits until the peer has read, and the write deadline holds for each.
        transport.set_write_buffer_limits(high=0)
        self._start_request_timer()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # uvicorn reads a later request after the response to this one, and does not see until then that the client has left.
        if self.conn.their_state in {h11.IDLE, h11.SEND_BODY} or self.conn.trailing_data[0]:
            self._start_request_timer()
        else:
            self._stop_request_timer()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_write_timer()

    def resume_writing(self) -> None:
        self._stop_write_timer()
        super().resume_writing()

    def shutdown(self) -> None:
        self.write_seconds = min(self.write_seconds, SHUTDOWN_WRITE_SECONDS)
        if self._write_timer is not None:
            self._stop_write_timer()
            self._start_write_timer()
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_request_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._stop_request_timer()
        super().on_response_complete()
        # uvicorn closes a connection that stays idle; until then it takes a place that another client may need.
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._incomplete.add(self.transport)

    def send_400_response(self, msg: str) -> None:
        """Answer with a problem document, or abort where a response has begun already."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            for event in bad_request_response(sys.exception()):
                self.transport.write(self.conn.send(event) or b"")
            self.transport.close()
        else:
            self.transport.abort()
        # The event loop reports the end later. An application that starts before that would fail, with a stack trace in the log.
        super().connection_lost(None)

    def _start_request_timer(self) -> None:
        if self._request_timer is None:
            self._request_timer = self.loop.call_later(self.request_seconds, self.transport.abort)
            self._incomplete.add(self.transport)

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None
        self._incomplete.discard(self.transport)

    def _start_write_timer(self) -> None:
        buffered_bytes = self.transport.get_write_buffer_size()
        self._write_timer = self.loop.call_later(self.write_seconds, self._check_progress, buffered_bytes)

    def _check_progress(self, buffered_bytes: int) -> None:
        if buffered_bytes - self.transport.get_write_buffer_size() < WRITE_BYTES:
            self.transport.abort()
        else:
            self._start_write_timer()

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
