"""`GET /api/v1/thresholds`: the limits that the page shares with the agent, the aggregator and the Events."""

from __future__ import annotations

import falcon.asgi
import orjson

from pulltrace.pulls import thresholds
from pulltrace.server.api.responder import Responder
from pulltrace.server.json import schemas, serializers


class ThresholdsResource:
    """The limits, which do not change while the process runs."""

    def __init__(self, responder: Responder, retention_seconds: float) -> None:
        """`retention_seconds`: how long ended pulls and pods stay listed."""
        self._responder = responder
        self._retention_seconds = retention_seconds

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        self._responder.read_query(request, {})
        body: schemas.Thresholds = {
            **serializers.head(self._responder.clocks.wall()),
            "stalledSeconds": thresholds.STALLED_SECONDS,
            "slowShare": thresholds.SLOW_SHARE,
            "longSeconds": thresholds.LONG_SECONDS,
            "extrapolatedSeconds": thresholds.EXTRAPOLATED_SECONDS,
            "retentionSeconds": self._retention_seconds,
        }
        self._responder.send(response, orjson.dumps(body))

    on_head = on_get
