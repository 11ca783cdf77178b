"""The stream under test, behind the real server or without a connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from pulltrace.pulls.model import Phase
from pulltrace.server.http.asgi import secured
from pulltrace.server.http.connection_limiter import DEFAULT_LIMITS
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.row_cache import RowCache
from pulltrace.server.sse.endpoint import EventStream
from pulltrace.server.sse.hub import Hub
from pulltrace.server.sse.subscriber import Subscriber
from pulltrace.server.sse.subscription_options import SubscriptionOptions
from tests.builders.views import NOW, pull_view
from tests.fakes.pull_source import FakePullSource
from tests.server.serve import serving

ROW = (
    '{"id":"0123456789ab","nodeName":"node-1","imageRef":"docker.io/library/nginx:1.29","nameKnown":true,'
    '"imageCandidates":[],"repositories":[],"phase":"%s","stale":false,"totalKnown":true,"totalBytes":100,'
    '"downloadedBytes":%d,"cachedBytes":0,"lazyBytes":0,"unpackedBytes":0,"bytesPerSec":0,"percent":%d.0,"layerCount":0,'
    '"layersDone":0,"startedAt":"2026-11-23T15:04:00.000Z","progressedAt":"2026-11-23T15:04:00.000Z","pods":[],'
    '%s"layers":[]}'
)
PLAIN = SubscriptionOptions()
CLOCKS = Clocks(lambda: NOW, lambda: 1000.0)
HEAD = '{"schemaVersion":"v1","timestamp":"2026-11-23T15:04:05.678Z"'
ENDED = '"completedAt":"2026-11-23T15:04:05.678Z",'


class Reader:
    """The client's end of a stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.text = ""
        self._pieces = answer.aiter_text()

    async def until(self, wanted: str, deadline_seconds: float = 10.0) -> str:
        """Return all text since the last call, as soon as it ends with `wanted`."""
        async with asyncio.timeout(deadline_seconds):
            while not self.text.endswith(wanted):
                self.text += await anext(self._pieces)
        text, self.text = self.text, ""
        return text

    async def rest(self) -> AsyncIterator[str]:
        """Yield the text until the stream ends."""
        async for text in self._pieces:
            yield text

    async def event(self) -> str:
        return await self.until("\n\n")


class Client:
    """A subscriber whose queue is read only when the test does so."""

    def __init__(self, hub: Hub, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self._hub = hub

    @property
    def frames(self) -> list[bytes]:
        return list(self.subscriber.queued)

    @property
    def closed(self) -> bool:
        return self.subscriber.finished

    def take(self) -> bytes:
        """Empty the queue."""
        taken = b"".join(self.frames)
        self.subscriber._frames.clear()
        return taken

    def leave(self) -> None:
        self._hub.unsubscribe(self.subscriber)


class Streams:
    """An event stream under test and its source."""

    def __init__(self, *views: Any, **options: Any) -> None:
        self.source = FakePullSource(*views)
        window_seconds = options.pop("window_seconds", 0.01)
        options.setdefault("limits", DEFAULT_LIMITS)
        self.app = EventStream(
            self.source, RowCache(CLOCKS), CLOCKS, window_seconds=lambda subscribers: window_seconds, **options
        )

    @property
    def hub(self) -> Hub:
        return self.app._hub

    @asynccontextmanager
    async def open(self, query: str = "", **headers: str) -> AsyncIterator[Reader]:
        async with (
            serving(secured(self.app)) as port,
            httpx.AsyncClient() as client,
            client.stream("GET", f"http://127.0.0.1:{port}/api/v1/events?{query}", headers=headers) as answer,
        ):
            yield Reader(answer)

    async def get(self, query: str = "", method: str = "GET", **headers: str) -> httpx.Response:
        async with serving(secured(self.app)) as port, httpx.AsyncClient() as client:
            return await client.request(method, f"http://127.0.0.1:{port}/api/v1/events?{query}", headers=headers)

    def join(self, options: SubscriptionOptions = PLAIN, **given: Any) -> Client:
        """Add a subscriber without a connection."""
        return Client(self.hub, self.hub.subscribe(options, **given))


def at(downloaded_bytes: int, phase: Phase = Phase.DOWNLOADING, **pull: Any) -> Any:
    return pull_view(phase=phase, total_bytes=100, downloaded_bytes=downloaded_bytes, **pull)
