"""`GET /api/v1/events`: what changes, as server-sent events, for as long as the viewer stays.

NOTE: this is a plain ASGI application beside Falcon's, not a Falcon responder with `resp.sse`. Falcon (4.4) writes
every event anew for every viewer, sees that a viewer has left only when it sends the next event, and does not close
the generator when sending fails. Here the bytes come from the hub as they are, a viewer that leaves is gone at once,
and whatever happens it is taken off the hub's list.
"""

from __future__ import annotations

import asyncio
import random

import falcon

from pulltrace.pulls.view import PullSource
from pulltrace.server import hub, problems
from pulltrace.server.asgi import Message, Receive, Scope, Send, respond
from pulltrace.server.clocks import Clocks
from pulltrace.server.filters import OF_PULLS, Filters
from pulltrace.server.fragments import Fragments
from pulltrace.server.groups import Options

PATH = "/api/v1/events"

MAX_CLIENTS = 500

PING = b": ping\n\n"
PING_SECONDS = 12.0
"""Proxies close what is silent for long; 15 s at most is promised."""

SEND_SECONDS = 45.0
"""No send takes longer, whatever serves us. Our own server (`connection`) cuts off who reads nothing after 10 s."""

CHUNK_BYTES = 64 * 1024
"""So much goes out in one piece: a slow viewer of a large snapshot has `SEND_SECONDS` for each of them."""

MAX_AGE_SECONDS = 30 * 60.0
"""After about so long a viewer is asked to come again, so that viewers spread over the replicas there are now."""

RETRY_MILLISECONDS = (2000, 7000)
"""When viewers come back after the end of a stream: not all at once."""

FULL_RETRY_SECONDS = 15

_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # Ingress controllers built on nginx gather what a server says, unless told not to.
    (b"x-accel-buffering", b"no"),
)
_SWITCH = ("true", "false")
QUERY = {"layers": _SWITCH, "pods": _SWITCH, **OF_PULLS}


class EventStream:
    """The ASGI application of the live stream."""

    def __init__(
        self,
        source: PullSource,
        fragments: Fragments,
        *,
        max_clients: int = MAX_CLIENTS,
        window_seconds: float = hub.WINDOW_SECONDS,
        ping_seconds: float = PING_SECONDS,
        send_seconds: float = SEND_SECONDS,
        max_age_seconds: float = MAX_AGE_SECONDS,
        clocks: Clocks | None = None,
    ) -> None:
        self._hub = hub.Hub(
            source, fragments, max_viewers=max_clients, window_seconds=window_seconds, clocks=clocks or Clocks()
        )
        self._max_clients = max_clients
        self._ping_seconds = ping_seconds
        self._send_seconds = send_seconds
        self._max_age_seconds = max_age_seconds

    @property
    def clients(self) -> int:
        """How many are watching now."""
        return len(self._hub)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            viewer = self._join(scope)
        except falcon.HTTPError as error:
            headers = [(name.lower().encode(), value.encode()) for name, value in dict(error.headers or {}).items()]
            body = problems.document(error)
            await respond(send, error.status_code, problems.CONTENT_TYPE, body, headers)
            return
        leaving = asyncio.create_task(_end_when_gone(receive, viewer))
        try:
            await self._send(send, {"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            await self._relay(viewer, send)
            farewell = b"retry: %d\n\n" % random.randint(*RETRY_MILLISECONDS)
            await self._send(send, {"type": "http.response.body", "body": farewell})
        except TimeoutError:
            # Nobody reads. The server closes the connection, for the answer is not complete.
            return
        finally:
            leaving.cancel()
            self._hub.leave(viewer)

    def _join(self, scope: Scope) -> hub.Viewer:
        if scope["method"] != "GET":
            raise falcon.HTTPMethodNotAllowed(["GET"])
        query = problems.read_query(scope["query_string"].decode("latin-1"), QUERY)
        layers, pods = (query.get(name, _SWITCH[1:])[-1] == "true" for name in ("layers", "pods"))
        try:
            return self._hub.join(Options(layers=layers, pods=pods, filters=Filters.of(query)))
        except hub.TooManyViewers:
            raise falcon.HTTPServiceUnavailable(
                title="Too many viewers",
                description=f"This replica serves {self._max_clients} live streams and has no room for another now. "
                "GET /api/v1/pulls still answers.",
                retry_after=FULL_RETRY_SECONDS,
            ) from None

    async def _relay(self, viewer: hub.Viewer, send: Send) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time() + self._max_age_seconds * random.uniform(0.9, 1.1)
        while loop.time() < last:
            block = await viewer.next(self._ping_seconds)
            if block is None:
                return
            text = block or PING
            for start in range(0, len(text), CHUNK_BYTES):
                chunk = text[start : start + CHUNK_BYTES]
                await self._send(send, {"type": "http.response.body", "body": chunk, "more_body": True})

    async def _send(self, send: Send, message: Message) -> None:
        async with asyncio.timeout(self._send_seconds):
            await send(message)


async def _end_when_gone(receive: Receive, viewer: hub.Viewer) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    viewer.end()
