"""`GET` of pulls, pods, workloads and nodes: lists, and one row by its path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import falcon
import falcon.asgi
import orjson

from pulltrace.pulls.view import NodeView, PodView, PullView, Row, Snapshot
from pulltrace.pulls.workload_summary import summarize
from pulltrace.server.api.responder import Parameters, Query, Responder
from pulltrace.server.json import paging, serializers
from pulltrace.server.json.filters import ANY_TEXT, POD_FILTERS, PULL_FILTERS, Filters

PULL_PARAMETERS = {**PULL_FILTERS, **paging.PARAMETERS}
POD_PARAMETERS = {**POD_FILTERS, **paging.PARAMETERS}
WORKLOAD_PARAMETERS = {"namespace": ANY_TEXT, "workload": ANY_TEXT}
NODE_PARAMETERS = {"node": ANY_TEXT}

RowT = TypeVar("RowT", PullView, PodView)

Page: TypeAlias = tuple[Iterable[bytes], str | None]
"""The encoded rows, and the cursor of the next page if there is one."""


class ListResource:
    """The rows of one kind that a query selects."""

    def __init__(
        self,
        responder: Responder,
        name: str,
        parameters: Parameters,
        page: Callable[[Query, Snapshot], Page],
        *,
        etag: bool = False,
    ) -> None:
        """`etag`: the page changes only when the snapshot does, so that an unchanged one needs no body."""
        self._responder = responder
        self._name = name
        self._parameters = parameters
        self._page = page
        self._etag = etag

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        responder = self._responder
        query = responder.read_query(request, self._parameters)
        snapshot = responder.source.snapshot()
        if self._etag and responder.unchanged(request, response, snapshot):
            return
        texts, next_cursor = self._page(query, snapshot)
        body = serializers.document(
            {self._name: texts}, synced=snapshot.synced, now=responder.clocks.wall(), next_cursor=next_cursor
        )
        responder.row_cache.keep_only(snapshot.pulls, snapshot.pods)
        responder.send(response, body)

    on_head = on_get


class ItemResource:
    """One row, found by the parameters of its path."""

    def __init__(
        self,
        responder: Responder,
        name: str,
        find: Callable[[Snapshot, Mapping[str, str]], Row | None],
        absent: Callable[[Mapping[str, str]], str],
    ) -> None:
        """`absent` returns the detail of the 404 for a row that is not in the snapshot."""
        self._responder = responder
        self._name = name
        self._find = find
        self._absent = absent

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response, **path: str) -> None:
        responder = self._responder
        responder.read_query(request, {})
        snapshot = responder.source.snapshot()
        row = self._find(snapshot, path)
        if row is None:
            raise falcon.HTTPNotFound(title=f"No such {self._name}", description=self._absent(path))
        text = responder.row_cache.text(row)
        responder.row_cache.keep_only(snapshot.pulls, snapshot.pods)
        body = serializers.single(self._name, text, synced=snapshot.synced, now=responder.clocks.wall())
        responder.send(response, body)

    on_head = on_get


def pulls(responder: Responder) -> ListResource:
    return _rows(
        responder, "pulls", PULL_PARAMETERS, lambda it: it.pulls, lambda it: it.matches_pull, paging.pull_sort_key
    )


def one_pull(responder: Responder) -> ItemResource:
    return ItemResource(
        responder,
        "pull",
        lambda snapshot, path: snapshot.pulls.get(path["pull_id"]),
        lambda path: f"There is no pull {path['pull_id'][:40]!r}: it never was, or has ended too long ago.",
    )


def pods(responder: Responder) -> ListResource:
    return _rows(responder, "pods", POD_PARAMETERS, lambda it: it.pods, lambda it: it.matches_pod, paging.pod_sort_key)


def _rows(
    responder: Responder,
    name: str,
    parameters: Parameters,
    rows: Callable[[Snapshot], Mapping[str, RowT]],
    matcher: Callable[[Filters], Callable[[RowT], bool]],
    sort_key: Callable[[RowT], paging.SortKey],
) -> ListResource:
    """Return the list of the matching rows of a snapshot, in pages."""

    def page(query: Query, snapshot: Snapshot) -> Page:
        selected = filter(matcher(Filters.from_query(query)), rows(snapshot).values())
        shown, next_cursor = paging.page(selected, sort_key, query)
        return responder.row_cache.texts(shown), next_cursor

    return ListResource(responder, name, parameters, page, etag=True)


def one_pod(responder: Responder) -> ItemResource:
    def absent(path: Mapping[str, str]) -> str:
        name, namespace = path["name"][:100], path["namespace"][:100]
        return f"Pod {name!r} in namespace {namespace!r} waits for no image, and has not lately."

    return ItemResource(
        responder, "pod", lambda snapshot, path: snapshot.pods.get(f"{path['namespace']}/{path['name']}"), absent
    )


def workloads(responder: Responder) -> ListResource:
    def page(query: Query, snapshot: Snapshot) -> Page:
        selected = filter(Filters.from_query(query).matches_pod, snapshot.pods.values())
        now, monotonic_now = responder.clocks.wall(), responder.clocks.monotonic()
        return [orjson.dumps(serializers.summary(each, now)) for each in summarize(selected, monotonic_now)], None

    return ListResource(responder, "workloads", WORKLOAD_PARAMETERS, page)


def nodes(responder: Responder, current: Callable[[], Sequence[NodeView]]) -> ListResource:
    """Return the list of nodes; `current` returns all nodes with an agent in the order of their names."""

    def page(query: Query, snapshot: Snapshot) -> Page:
        selected, now = query.get("node"), responder.clocks.monotonic()
        rows = (row for row in current() if selected is None or row.name in selected)
        return [orjson.dumps(serializers.node(row, now)) for row in rows], None

    return ListResource(responder, "nodes", NODE_PARAMETERS, page)
