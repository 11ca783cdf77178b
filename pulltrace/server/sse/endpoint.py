"""`GET /api/v1/events`: what changes, as server-sent events, for as long as the viewer stays.

NOTE: this is a plain ASGI application beside Falcon's, not a Falcon responder with `resp.sse`. Falcon (4.4) writes
every event anew for every viewer, sees that a viewer has left only when it sends the next event, and does not close
the generator when sending fails. Here the connection itself is handed over to a `Viewer`, which is all that is left of
the request, and the answer's headers are written as they are: h11 takes 0.1 ms, a fifth of what a new viewer costs, to make
the same text anew for each of them, and they come by the thousand when they were cut off together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import falcon

from pulltrace.pulls.view import PullSource
from pulltrace.server.http import problems
from pulltrace.server.http.asgi import SECURITY_HEADERS, Header, Receive, Scope, Send
from pulltrace.server.http.client_address import Network, peer_of
from pulltrace.server.http.connection_limiter import DEFAULT_LIMITS, Limits, Refused, Room
from pulltrace.server.http.protocol import CONNECTION, Connection
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.filters import PULL_FILTERS, Filters
from pulltrace.server.json.row_cache import RowCache
from pulltrace.server.sse import throttle
from pulltrace.server.sse.client import DEFAULT_MANNERS, Manners, Viewer
from pulltrace.server.sse.hub import Hub
from pulltrace.server.sse.subscription_options import Options

PATH = "/api/v1/events"

FULL_RETRY_SECONDS = 15

_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"connection", b"close"),
    # Ingress controllers built on nginx gather what a server says, unless told not to.
    (b"x-accel-buffering", b"no"),
)
_CHUNKED = ((b"transfer-encoding", b"chunked"),)
_SWITCH = ("true", "false")
QUERY = {"layers": _SWITCH, "pods": _SWITCH, **PULL_FILTERS}


def _head(headers: Iterable[Header]) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + b"".join(b"%s: %s\r\n" % header for header in headers)


_HEADS = {
    True: _head((*_HEADERS, *SECURITY_HEADERS, *_CHUNKED)),
    False: _head((*_HEADERS, *SECURITY_HEADERS)),
}
"""How the answer begins, for those who know chunks and those who do not; the date comes last."""


class EventStream:
    """The ASGI application of the live stream; needs our own server (`serving`)."""

    def __init__(
        self,
        source: PullSource,
        fragments: RowCache,
        clocks: Clocks,
        *,
        limits: Limits = DEFAULT_LIMITS,
        manners: Manners = DEFAULT_MANNERS,
        proxies: Sequence[Network] = (),
        window_seconds: Callable[[int], float] = throttle.window_seconds,
    ) -> None:
        """`proxies`: whose word is taken for where a viewer comes from."""
        self._hub = Hub(source, fragments, clocks, room=Room(limits), manners=manners, window_seconds=window_seconds)
        self._proxies = proxies

    @property
    def clients(self) -> int:
        """How many are watching now."""
        return len(self._hub.room)

    async def ended(self, timeout_seconds: float) -> None:
        """Returns when the last viewer has left, or after the timeout. They leave when the source is closed."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._hub.room.empty.wait()
        except TimeoutError:
            pass

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            viewer = self._join(scope)
        except falcon.HTTPError as error:
            await problems.respond_error(send, error)
            return
        # None when the peer has left already.
        connection: Connection | None = scope.get("state", {}).pop(CONNECTION, None)
        if connection is not None and connection.hand_over(viewer, _HEADS[viewer.options.chunked]):
            self._hub.watch(viewer, connection.transport)
        else:
            self._hub.leave(viewer)

    def _join(self, scope: Scope) -> Viewer:
        if scope["method"] != "GET":
            raise falcon.HTTPMethodNotAllowed(["GET"])
        query = problems.read_query(scope["query_string"].decode("latin-1"), QUERY)
        layers, pods = (query.get(name, _SWITCH[1:])[-1] == "true" for name in ("layers", "pods"))
        options = Options(layers, pods, Filters.from_query(query), chunked=scope["http_version"] != "1.0")
        last_event_id = next((value for name, value in scope["headers"] if name == b"last-event-id"), b"")
        try:
            return self._hub.join(options, peer_of(scope, self._proxies), last_event_id.decode("latin-1"))
        except Refused as refused:
            raise falcon.HTTPServiceUnavailable(
                title=refused.title,
                description=f"{refused.detail} GET /api/v1/pulls still answers.",
                retry_after=FULL_RETRY_SECONDS,
            ) from None
