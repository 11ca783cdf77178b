"""`GET /api/v1/pulls`: every row there is, or those that the query asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import falcon.asgi

from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import PullSource, PullView
from pulltrace.server import problems, wire
from pulltrace.server.fragments import Fragments

ANY_TEXT = ()

QUERY: Mapping[str, Sequence[str]] = {
    "node": ANY_TEXT,
    "namespace": ANY_TEXT,
    "image": ANY_TEXT,
    "phase": tuple(phase.value for phase in Phase),
}


class Pulls:
    """The rows of the source, as one document."""

    def __init__(self, source: PullSource, fragments: Fragments, clock: Callable[[], float]) -> None:
        self._source = source
        self._fragments = fragments
        self._clock = clock
        self.answers = 0
        """How often it was asked so far."""

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        wanted = problems.read_query(request.query_string, QUERY)
        self.answers += 1
        snapshot = self._source.snapshot()
        texts = self._fragments.of_all(snapshot.pulls.values(), lambda view: fits(view, wanted))
        response.content_type = "application/json"
        response.cache_control = ["no-store"]
        response.data = wire.document(texts, synced=snapshot.synced, now=self._clock())

    on_head = on_get


def fits(view: PullView, wanted: Mapping[str, Sequence[str]]) -> bool:
    """Whether the row has, for every parameter, one of the values given for it."""
    return all(_FITS[name](view, value_of_any) for name, value_of_any in wanted.items())


def _names(view: PullView) -> tuple[str, ...]:
    """All that a row may be looked for by: also the names that are not certain, and what pods call it."""
    certain = () if view.image is None else (view.image,)
    return (*certain, *view.candidates, *view.pull.repositories, *(each.image for each in view.waiting))


_FITS: Mapping[str, Callable[[PullView, Sequence[str]], bool]] = {
    "node": lambda view, values: view.node in values,
    "namespace": lambda view, values: any(each.namespace in values for each in view.waiting),
    "image": lambda view, values: any(value in name for name in _names(view) for value in values),
    "phase": lambda view, values: view.pull.phase.value in values,
}
