"""The HTTP application of the aggregator: all paths on one screen (docs/http-api.md)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import falcon.asgi

from pulltrace.pulls.view import NodeSource, PodFinding, PullSource
from pulltrace.server.api import openapi, wait
from pulltrace.server.api.nodes import Nodes, NoNodes
from pulltrace.server.api.pods import OnePod, Pods, Workloads
from pulltrace.server.api.probes import Check, Probe, all_is_well
from pulltrace.server.api.pulls import OnePull, Pulls
from pulltrace.server.api.responder import Answering
from pulltrace.server.http import problems
from pulltrace.server.http.allowed_hosts import EVERY_HOST, AllowedHosts
from pulltrace.server.http.asgi import Application, Receive, Scope, Send, secured
from pulltrace.server.http.client_address import Network
from pulltrace.server.http.connection_limiter import DEFAULT_LIMITS, ConnectionLimits
from pulltrace.server.http.error_responses import limit_requests
from pulltrace.server.http.guard import guarded
from pulltrace.server.http.static_files import BUILT_UI, StaticFiles
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.row_cache import Fragments
from pulltrace.server.sse import endpoint


@dataclass(frozen=True, slots=True)
class App:
    """The ASGI application."""

    stream: endpoint.EventStream
    _answering: Answering
    _entry: Application

    @property
    def answers(self) -> int:
        """How many documents of the API were requested so far."""
        return self._answering.answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._entry(scope, receive, send)


def create_app(
    source: PullSource,
    *,
    nodes: NodeSource | None = None,
    finder: PodFinding | None = None,
    healthy: Check = all_is_well,
    ready: Check = all_is_well,
    limits: ConnectionLimits = DEFAULT_LIMITS,
    proxies: Sequence[Network] = (),
    hosts: AllowedHosts = EVERY_HOST,
    static_folder: Path = BUILT_UI,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> App:
    """Return the application that serves the rows of the source."""
    clocks = Clocks(clock, monotonic)
    fragments = Fragments(clocks)
    answering = Answering(source, fragments, clocks)
    events = endpoint.EventStream(source, fragments, clocks, limits=limits, proxies=proxies)

    pages = falcon.asgi.App()
    pages.set_error_serializer(problems.serialize)
    pages.add_route("/api/v1/pulls", Pulls(answering))
    pages.add_route("/api/v1/pulls/{pull_id}", OnePull(answering))
    pages.add_route("/api/v1/pods", Pods(answering))
    pages.add_route("/api/v1/pods/{namespace}/{name}", OnePod(answering))
    pages.add_route("/api/v1/workloads", Workloads(answering))
    pages.add_route("/api/v1/nodes", Nodes(answering, nodes or NoNodes()))
    pages.add_route(openapi.PATH, openapi.OpenApi())
    pages.add_route("/healthz", Probe(healthy))
    pages.add_route("/readyz", Probe(ready))
    pages.add_sink(StaticFiles(static_folder).answer, prefix="/")

    documents = limit_requests(pages)
    routes: dict[str, Application] = {
        endpoint.PATH: events,
        wait.PATH: wait.Wait(source, finder, clocks, proxies=proxies),
    }

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        await routes.get(path, documents)(scope, receive, send)

    return App(events, answering, secured(guarded(route, hosts)))
