"""The HTTP application of the aggregator: all paths on one screen (docs/http-api.md)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import falcon.asgi

from pulltrace.pulls.view import NodeSource, PodFinding, PullSource
from pulltrace.server import openapi, problems, stream, wait
from pulltrace.server.allowed_hosts import EVERY_HOST, AllowedHosts
from pulltrace.server.answering import Answering
from pulltrace.server.asgi import Application, Receive, Scope, Send, secured
from pulltrace.server.clocks import Clocks
from pulltrace.server.fragments import Fragments
from pulltrace.server.guard import guarded
from pulltrace.server.nodes import Nodes, NoNodes
from pulltrace.server.peers import Network
from pulltrace.server.pods import OnePod, Pods, Workloads
from pulltrace.server.probes import Check, Probe, all_is_well
from pulltrace.server.pulls import OnePull, Pulls
from pulltrace.server.room import DEFAULT_LIMITS, Limits
from pulltrace.server.static import BUILT_UI, StaticFiles


@dataclass(frozen=True, slots=True)
class App:
    """An ASGI application; `stream.clients` tells how many are watching, `answers` how often it was asked."""

    stream: stream.EventStream
    _answering: Answering
    _entry: Application

    @property
    def answers(self) -> int:
        """How often a document of the API was asked for so far."""
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
    limits: Limits = DEFAULT_LIMITS,
    proxies: Sequence[Network] = (),
    hosts: AllowedHosts = EVERY_HOST,
    static_folder: Path = BUILT_UI,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> App:
    """The application that shows what the source has."""
    clocks = Clocks(clock, monotonic)
    fragments = Fragments(clocks)
    answering = Answering(source, fragments, clocks)
    events = stream.EventStream(source, fragments, clocks, limits=limits, proxies=proxies)

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

    beside: dict[str, Application] = {
        stream.PATH: events,
        wait.PATH: wait.Wait(source, finder, clocks, proxies=proxies),
    }

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        await beside.get(path, pages)(scope, receive, send)

    return App(events, answering, secured(guarded(route, hosts)))
