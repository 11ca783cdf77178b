"""`GET /metrics` on a port of its own, and the probes, which the API's port serves as well.

The kubelet probes this port: clients that take all connections of the API's port are no reason to restart the process.

The event loop collects the values, so that none changes meanwhile. A thread encodes them: 20,000 series take a quarter
of a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import falcon.asgi
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pulltrace.server.api.probes import Check, Probe, all_is_well
from pulltrace.server.http import problems
from pulltrace.server.http.allowed_hosts import EVERY_HOST, AllowedHosts
from pulltrace.server.http.asgi import Application, secured
from pulltrace.server.http.error_responses import limit_requests
from pulltrace.server.http.guard import guarded


class _Collected(Collector):
    """Metrics of one moment."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = tuple(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


class _Page:
    """The registry as text; one page is encoded at a time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._writing = asyncio.Lock()

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        encode, content_type = encoder_for(request.get_header("Accept", default=""))
        async with self._writing:
            response.data = await asyncio.to_thread(encode, _Collected(self._registry.collect()))
        response.content_type = content_type

    on_head = on_get


def encoder_for(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    """Return the encoder and content type for an `Accept` header.

    NOTE: the library (0.26) raises TypeError for a version that is not a number; such a client gets the text format.
    """
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):
        return choose_encoder("")


def create_metrics_app(
    registry: CollectorRegistry,
    *,
    healthy: Check = all_is_well,
    ready: Check = all_is_well,
    hosts: AllowedHosts = EVERY_HOST,
) -> Application:
    """Return an ASGI application that serves the registry and the probes."""
    app = falcon.asgi.App()
    app.set_error_serializer(problems.serialize)
    app.add_route("/metrics", _Page(registry))
    app.add_route("/healthz", Probe(healthy))
    app.add_route("/readyz", Probe(ready))
    return secured(guarded(limit_requests(app), hosts))
