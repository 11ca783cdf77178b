"""`GET /api/v1/events`: changes as server-sent events, for as long as the client stays connected.

NOTE: a plain ASGI application beside Falcon's. Falcon 4.4 (`resp.sse`) encodes each event again for each client, sees that a client
has left only when it sends the next event, and does not close the generator when sending fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import falcon

from pulltrace.pulls.view import PullSource
from pulltrace.server.http import problems
from pulltrace.server.http.asgi import Receive, Scope, Send
from pulltrace.server.http.client_address import Network, client_address
from pulltrace.server.http.connection_limiter import ConnectionLimiter, ConnectionLimits, TooManyConnections
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.filters import PULL_FILTERS, Filters
from pulltrace.server.json.row_cache import RowCache
from pulltrace.server.sse import throttle
from pulltrace.server.sse.hub import DEFAULT_POLICY, Hub, StreamPolicy
from pulltrace.server.sse.subscriber import Subscriber
from pulltrace.server.sse.subscription_options import SubscriptionOptions

PATH = "/api/v1/events"

RETRY_SECONDS = 15
"""When a refused client may try again."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"connection", b"close"),
    # Ingress controllers built on nginx buffer responses by default.
    (b"x-accel-buffering", b"no"),
]
_SWITCH = ("true", "false")
QUERY = {"layers": _SWITCH, "pods": _SWITCH, **PULL_FILTERS}


class EventStream:
    """The ASGI application of the stream."""

    def __init__(
        self,
        source: PullSource,
        row_cache: RowCache,
        clocks: Clocks,
        *,
        limits: ConnectionLimits,
        policy: StreamPolicy = DEFAULT_POLICY,
        proxies: Sequence[Network] = (),
        window_seconds: Callable[[int], float] = throttle.window_seconds,
    ) -> None:
        """`proxies` are trusted to name the client's address."""
        self._source = source
        self._limiter = ConnectionLimiter(limits)
        self._hub = Hub(source, row_cache, clocks, limiter=self._limiter, policy=policy, window_seconds=window_seconds)
        self._proxies = proxies

    @property
    def subscribers(self) -> int:
        """How many streams are open."""
        return len(self._limiter)

    async def wait_until_empty(self, timeout_seconds: float) -> None:
        """Return when the last stream has ended. Streams end when the source closes; the timeout ends the rest at once."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._limiter.empty.wait()
        except TimeoutError:
            self._hub.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            subscriber = self._subscribe(scope)
        except falcon.HTTPError as error:
            await problems.respond_error(send, error)
            return
        disconnect = asyncio.create_task(_close_on_disconnect(receive, subscriber))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            # NOTE: a local variable would keep the last bytes in memory while the task waits for the next.
            while not subscriber.finished:
                await send({"type": "http.response.body", "body": await subscriber.next(), "more_body": True})
            await send({"type": "http.response.body"})
        finally:
            self._hub.unsubscribe(subscriber)
            disconnect.cancel()

    def _subscribe(self, scope: Scope) -> Subscriber:
        if scope["method"] != "GET":
            raise falcon.HTTPMethodNotAllowed(["GET"])
        query = problems.read_query(scope["query_string"].decode("latin-1"), QUERY)
        if self._source.closed:
            raise _unavailable("Shutting down", "This replica ends now; others may serve.")
        layers, pods = (query.get(name, _SWITCH[1:])[-1] == "true" for name in ("layers", "pods"))
        last_event_id = next((value for name, value in scope["headers"] if name == b"last-event-id"), b"")
        try:
            return self._hub.subscribe(
                SubscriptionOptions(layers, pods, Filters.from_query(query)),
                client_address(scope, self._proxies),
                last_event_id.decode("latin-1"),
            )
        except TooManyConnections as error:
            raise _unavailable("Too many streams", str(error)) from None


async def _close_on_disconnect(receive: Receive, subscriber: Subscriber) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    subscriber.close()


def _unavailable(title: str, detail: str) -> falcon.HTTPServiceUnavailable:
    return falcon.HTTPServiceUnavailable(
        title=title, description=f"{detail} GET /api/v1/pulls still answers.", retry_after=RETRY_SECONDS
    )
