"""The HTTP application of the aggregator: all paths on one screen (docs/http-api.md)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import falcon.asgi

from pulltrace.pulls.view import PullSource
from pulltrace.server import problems, stream
from pulltrace.server.asgi import Application, Receive, Scope, Send, secured
from pulltrace.server.fragments import Fragments
from pulltrace.server.probes import Check, Probe, all_is_well
from pulltrace.server.pulls import Pulls
from pulltrace.server.static import BUILT_UI, StaticFiles


@dataclass(frozen=True, slots=True)
class App:
    """An ASGI application; `stream.clients` tells how many are watching, `pulls.answers` how often it was asked."""

    stream: stream.EventStream
    pulls: Pulls
    _entry: Application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._entry(scope, receive, send)


def create_app(
    source: PullSource,
    *,
    healthy: Check = all_is_well,
    ready: Check = all_is_well,
    max_clients: int = stream.MAX_CLIENTS,
    static_folder: Path = BUILT_UI,
    clock: Callable[[], float] = time.time,
) -> App:
    """The application that shows what the source has."""
    fragments = Fragments()
    events = stream.EventStream(source, fragments, max_clients=max_clients, clock=clock)

    pulls = Pulls(source, fragments, clock)

    pages = falcon.asgi.App()
    pages.set_error_serializer(problems.serialize)
    pages.add_route("/api/v1/pulls", pulls)
    pages.add_route("/healthz", Probe(healthy))
    pages.add_route("/readyz", Probe(ready))
    pages.add_sink(StaticFiles(static_folder).answer, prefix="/")

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == stream.PATH:
            await events(scope, receive, send)
        else:
            await pages(scope, receive, send)

    return App(events, pulls, secured(route))
