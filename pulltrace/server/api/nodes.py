"""`GET /api/v1/nodes`: the nodes with an agent, and what each of them is doing."""

from __future__ import annotations

from collections.abc import Sequence

import falcon.asgi

from pulltrace.pulls.view import NodeSource, NodeView
from pulltrace.server.api.responder import Answering
from pulltrace.server.json import pod_serializers, serializers
from pulltrace.server.json.filters import ANY_TEXT

QUERY = {"node": ANY_TEXT}


class NoNodes:
    """For whoever has no nodes to tell of."""

    def nodes(self) -> Sequence[NodeView]:
        return ()


class Nodes:
    """The nodes as one list."""

    def __init__(self, answering: Answering, nodes: NodeSource) -> None:
        self._answering = answering
        self._nodes = nodes

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        wanted = self._answering.query(request, QUERY).get("node")
        clocks = self._answering.clocks
        now = clocks.monotonic()
        texts = [
            pod_serializers.encode_node(view, now)
            for view in self._nodes.nodes()
            if wanted is None or view.name in wanted
        ]
        synced = self._answering.source.snapshot().synced
        self._answering.send(response, serializers.document({"nodes": texts}, synced=synced, now=clocks.wall()))

    on_head = on_get
