"""The HTTP application of the aggregator: all paths on one screen (docs/http-api.md)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import falcon.asgi

from pulltrace.pulls.thresholds import RECENT_SECONDS
from pulltrace.pulls.view import NodeView, PodLookup, PullSource
from pulltrace.server.api import openapi, resources, wait
from pulltrace.server.api.probes import Check, Probe, all_is_well
from pulltrace.server.api.responder import Responder
from pulltrace.server.api.thresholds import ThresholdsResource
from pulltrace.server.http import problems
from pulltrace.server.http.allowed_hosts import EVERY_HOST, AllowedHosts
from pulltrace.server.http.asgi import Application, Receive, Scope, Send, secured
from pulltrace.server.http.client_address import Network
from pulltrace.server.http.connection_limiter import DEFAULT_LIMITS, ConnectionLimits
from pulltrace.server.http.error_responses import limit_requests
from pulltrace.server.http.guard import guarded
from pulltrace.server.http.static_files import BUILT_UI, StaticFiles
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.row_cache import RowCache
from pulltrace.server.sse import endpoint


@dataclass(frozen=True, slots=True)
class App:
    """The ASGI application."""

    stream: endpoint.EventStream
    _responder: Responder
    _entry: Application

    @property
    def answers(self) -> int:
        """How many documents of the API were requested so far."""
        return self._responder.answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._entry(scope, receive, send)


def create_app(
    source: PullSource,
    *,
    nodes: Callable[[], Sequence[NodeView]] = tuple,
    lookup: PodLookup | None = None,
    healthy: Check = all_is_well,
    ready: Check = all_is_well,
    limits: ConnectionLimits = DEFAULT_LIMITS,
    proxies: Sequence[Network] = (),
    hosts: AllowedHosts = EVERY_HOST,
    retention_seconds: float = RECENT_SECONDS,
    static_folder: Path = BUILT_UI,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> App:
    """Return the application that serves the rows of the source."""
    clocks = Clocks(clock, monotonic)
    row_cache = RowCache(clocks)
    responder = Responder(source, row_cache, clocks)
    events = endpoint.EventStream(source, row_cache, clocks, limits=limits, proxies=proxies)

    pages = falcon.asgi.App()
    pages.set_error_serializer(problems.serialize)
    pages.add_route("/api/v1/pulls", resources.pulls(responder))
    pages.add_route("/api/v1/pulls/{pull_id}", resources.one_pull(responder))
    pages.add_route("/api/v1/pods", resources.pods(responder))
    pages.add_route("/api/v1/pods/{namespace}/{name}", resources.one_pod(responder))
    pages.add_route("/api/v1/workloads", resources.workloads(responder))
    pages.add_route("/api/v1/nodes", resources.nodes(responder, nodes))
    pages.add_route("/api/v1/thresholds", ThresholdsResource(responder, retention_seconds))
    pages.add_route(openapi.PATH, openapi.OpenApiResource())
    pages.add_route("/healthz", Probe(healthy))
    pages.add_route("/readyz", Probe(ready))
    pages.add_sink(StaticFiles(static_folder).answer, prefix="/")

    documents = limit_requests(pages)
    routes: dict[str, Application] = {
        endpoint.PATH: events,
        wait.PATH: wait.Wait(source, lookup, clocks, proxies=proxies),
    }

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        await routes.get(path, documents)(scope, receive, send)

    return App(events, responder, secured(guarded(route, hosts)))
