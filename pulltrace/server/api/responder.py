"""What all documents of the API have in common: strict queries, one set of texts, and `ETag`."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import falcon
import falcon.asgi
from falcon import ETag

from pulltrace.pulls.view import PullSource, Snapshot
from pulltrace.server.http import problems
from pulltrace.server.json import paging, serializers
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.event_ids import event_id
from pulltrace.server.json.paging import Place, Row
from pulltrace.server.json.row_cache import Fragments

Query = Mapping[str, Sequence[str]]


class Answering:
    """What the documents are made from; counts how often they are asked for."""

    def __init__(self, source: PullSource, fragments: Fragments, clocks: Clocks) -> None:
        self.source = source
        self.fragments = fragments
        self.clocks = clocks
        self.answers = 0

    def query(self, request: falcon.asgi.Request, allowed: Mapping[str, Collection[str]]) -> Query:
        """The parameters of the request, which is counted; raises BadParameter."""
        query = problems.read_query(request.query_string, allowed)
        self.answers += 1
        return query

    def send(self, response: falcon.asgi.Response, data: bytes) -> None:
        response.content_type = "application/json"
        if response.etag is None:
            response.cache_control = ["no-store"]
        response.data = data

    def send_list(
        self,
        response: falcon.asgi.Response,
        name: str,
        query: Query,
        rows: Iterable[Row],
        place: Callable[[Row], Place],
        snapshot: Snapshot,
    ) -> None:
        """A list of rows under its name, or the part of it that the query asks for."""
        shown, next_cursor = paging.page(rows, place, query)
        texts = self.fragments.of_all(shown)
        self.fragments.keep_only(snapshot.pulls, snapshot.pods)
        now = self.clocks.wall()
        self.send(
            response, serializers.document({name: texts}, synced=snapshot.synced, now=now, next_cursor=next_cursor)
        )

    def send_one(self, response: falcon.asgi.Response, name: str, row: Row, snapshot: Snapshot) -> None:
        """One row alone."""
        text = self.fragments.of(row)
        self.fragments.keep_only(snapshot.pulls, snapshot.pods)
        self.send(response, serializers.single(name, text, synced=snapshot.synced, now=self.clocks.wall()))

    def unchanged(self, request: falcon.asgi.Request, response: falcon.asgi.Response, snapshot: Snapshot) -> bool:
        """Marks the answer with the state it tells of; True, and the answer is made, when the client has it already."""
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
