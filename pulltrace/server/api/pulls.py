"""`GET /api/v1/pulls`: every pull there is, or those that the query asks for; and one alone by its id."""

from __future__ import annotations

import falcon
import falcon.asgi

from pulltrace.server.api.responder import Answering
from pulltrace.server.json import paging
from pulltrace.server.json.filters import OF_PULLS, Filters

QUERY = {**OF_PULLS, **paging.QUERY}


class Pulls:
    """The pulls as one list."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        query = self._answering.query(request, QUERY)
        filters = Filters.of(query)
        snapshot = self._answering.source.snapshot()
        rows = filter(filters.fit_pull, snapshot.pulls.values())
        if not self._answering.unchanged(request, response, snapshot):
            self._answering.send_list(response, "pulls", query, rows, paging.place_of_pull, snapshot)

    on_head = on_get


class OnePull:
    """One pull."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response, pull_id: str) -> None:
        self._answering.query(request, {})
        snapshot = self._answering.source.snapshot()
        view = snapshot.pulls.get(pull_id)
        if view is None:
            raise falcon.HTTPNotFound(
                title="No such pull",
                description=f"There is no pull {pull_id[:40]!r}: it never was, or has ended too long ago.",
            )
        self._answering.send_one(response, "pull", view, snapshot)

    on_head = on_get
