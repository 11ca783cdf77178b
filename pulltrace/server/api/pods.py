"""`GET /api/v1/pods`: the pods that wait for images, or did so within the history time; one alone by its name."""

from __future__ import annotations

import falcon
import falcon.asgi

from pulltrace.pulls.workload_summary import summarize
from pulltrace.server.api.responder import Answering
from pulltrace.server.json import paging, pod_serializers, serializers
from pulltrace.server.json.filters import ANY_TEXT, OF_PODS, Filters

QUERY = {**OF_PODS, **paging.QUERY}
WORKLOADS_QUERY = {"namespace": ANY_TEXT, "workload": ANY_TEXT}


class Pods:
    """The pods as one list."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        query = self._answering.query(request, QUERY)
        filters = Filters.of(query)
        snapshot = self._answering.source.snapshot()
        rows = filter(filters.fit_pod, snapshot.pods.values())
        if not self._answering.unchanged(request, response, snapshot):
            self._answering.send_list(response, "pods", query, rows, paging.place_of_pod, snapshot)

    on_head = on_get


class OnePod:
    """One pod."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    async def on_get(
        self, request: falcon.asgi.Request, response: falcon.asgi.Response, namespace: str, name: str
    ) -> None:
        self._answering.query(request, {})
        snapshot = self._answering.source.snapshot()
        view = snapshot.pods.get(f"{namespace}/{name}")
        if view is None:
            raise falcon.HTTPNotFound(
                title="No such pod",
                description=f"Pod {name[:100]!r} in namespace {namespace[:100]!r} waits for no image, and has not lately.",
            )
        self._answering.send_one(response, "pod", view, snapshot)

    on_head = on_get


class Workloads:
    """`GET /api/v1/workloads`: the same, summed up by what the pods belong to."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        filters = Filters.of(self._answering.query(request, WORKLOADS_QUERY))
        snapshot = self._answering.source.snapshot()
        clocks = self._answering.clocks
        now = clocks.wall()
        found = summarize(filter(filters.fit_pod, snapshot.pods.values()), clocks.monotonic())
        texts = [pod_serializers.encode_workload(each, now) for each in found]
        self._answering.send(response, serializers.document({"workloads": texts}, synced=snapshot.synced, now=now))

    on_head = on_get
