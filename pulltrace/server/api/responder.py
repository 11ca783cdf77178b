"""The parts that all answers of the API share: strict queries, cached row texts and `ETag`."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

import falcon
import falcon.asgi
from falcon import ETag

from pulltrace.pulls.view import PullSource, Snapshot
from pulltrace.server.http import problems
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.event_ids import event_id
from pulltrace.server.json.row_cache import RowCache

Parameters: TypeAlias = Mapping[str, Collection[str]]
"""The parameters that a path takes, each with its values; an empty collection means any text."""
Query: TypeAlias = Mapping[str, Sequence[str]]
"""The values of each parameter that the request has."""


class Responder:
    """Reads requests and writes answers; `answers` counts the requests."""

    def __init__(self, source: PullSource, row_cache: RowCache, clocks: Clocks) -> None:
        self.source = source
        self.row_cache = row_cache
        self.clocks = clocks
        self.answers = 0

    def read_query(self, request: falcon.asgi.Request, parameters: Parameters) -> Query:
        """Return the query of the request and count the request; raises BadParameter."""
        query = problems.read_query(request.query_string, parameters)
        self.answers += 1
        return query

    def send(self, response: falcon.asgi.Response, body: bytes) -> None:
        response.content_type = "application/json"
        if response.etag is None:
            response.cache_control = ["no-store"]
        response.data = body

    def unchanged(self, request: falcon.asgi.Request, response: falcon.asgi.Response, snapshot: Snapshot) -> bool:
        """Set the `ETag` of the snapshot and query; True, and the answer is 304, when the client names that `ETag`."""
        query = zlib.crc32(request.query_string.encode())
        etag = ETag(f"{event_id(snapshot.sequence).decode()}-{query:08x}")
        etag.is_weak = True
        response.etag = etag.dumps()
        response.cache_control = ["no-cache"]
        known = request.if_none_match or ()
        if "*" not in known and not any(str(each) == str(etag) for each in known):
            return False
        response.status = falcon.HTTP_304
        return True
