"""`GET /metrics` on a port of its own: the Prometheus page.

The values are collected in the event loop, where nothing changes while they are read, and written as text in a
thread: with 20,000 series that takes a quarter of a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pulltrace.server.asgi import Application, Receive, Scope, Send, respond, secured

PATH = "/metrics"
_TEXT = "text/plain; charset=utf-8"


class _Collected(Collector):
    """Metrics as they were at one moment."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = tuple(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def create_metrics_app(registry: CollectorRegistry) -> Application:
    """An ASGI application that shows the registry."""
    one_at_a_time = asyncio.Lock()

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"The metrics page does not speak {scope['type']}")
        head = scope["method"] == "HEAD"
        if scope["path"] != PATH:
            await respond(send, 404, _TEXT, b"The metrics are at /metrics.\n", head=head)
        elif not (head or scope["method"] == "GET"):
            await respond(send, 405, _TEXT, b"GET only.\n", [(b"allow", b"GET, HEAD")])
        else:
            accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
            encode, content_type = choose_encoder(accepted.decode("latin-1"))
            async with one_at_a_time:
                text = await asyncio.to_thread(encode, _Collected(registry.collect()))
            await respond(send, 200, content_type, text, head=head)

    return secured(page)
