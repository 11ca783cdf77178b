"""Parts of a request that are decoded: query strings, cursors, event ids, addresses, media types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network

import falcon
import orjson

from pulltrace.pulls.model import Phase
from pulltrace.server.api import wait
from pulltrace.server.api.metrics_app import encoder_for
from pulltrace.server.http import problems
from pulltrace.server.http.client_address import client_address
from pulltrace.server.json import paging
from pulltrace.server.json.event_ids import MAX_DIGITS, sequence_of
from pulltrace.server.json.filters import POD_FILTERS, PULL_FILTERS, Filters
from pulltrace.server.json.paging import Row, SortKey
from tests.builders.views import NOW, estimated_pod, pull_view

PULLS = [
    *(pull_view(f"{number:012x}", started_at=NOW + number) for number in range(3)),
    pull_view("f" * 12, Phase.FAILED, ended_at=NOW),
]
PODS = [estimated_pod(f"web-{number}") for number in range(3)]
PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
ANSWER_CHARACTERS = 4096


def check_query(data: bytes) -> None:
    """Read a query string, or answer 400 with a short problem; its pages follow each other to the end."""
    text = data.decode("latin-1")
    _page(text, {**PULL_FILTERS, **paging.PARAMETERS}, PULLS, paging.pull_sort_key, Filters.matches_pull)
    _page(text, {**POD_FILTERS, **paging.PARAMETERS}, PODS, paging.pod_sort_key, Filters.matches_pod)
    try:
        query = problems.read_query(text, wait.PARAMETERS)
        wait._target(query)
        assert 0 <= wait._timeout_seconds(query) <= wait.MAX_SECONDS
    except falcon.HTTPBadRequest as error:
        _is_short(error)


def _page(
    text: str,
    allowed: Mapping[str, Sequence[str]],
    rows: Sequence[Row],
    place: Callable[[Row], SortKey],
    fit: Callable[[Filters, Row], bool],
) -> None:
    try:
        query = problems.read_query(text, allowed)
        filters = Filters.from_query(query)
        fitting = [row for row in rows if fit(filters, row)]
        shown, cursor = paging.page(fitting, place, query)
    except falcon.HTTPBadRequest as error:
        _is_short(error)
        return
    while cursor is not None:
        more, cursor = paging.page(fitting, place, {**query, "cursor": (cursor,)})
        shown += more
        assert more
        assert len(shown) <= len(fitting)
    assert [place(row) for row in shown] == sorted(place(row) for row in shown)


def _is_short(error: falcon.HTTPBadRequest) -> None:
    document = problems.document(error)
    assert orjson.loads(document)["status"] == 400
    assert len(document) <= ANSWER_CHARACTERS


def check_header(data: bytes) -> None:
    """Read a header: an event id is one of this process, an address is valid or unknown, and an unsupported media type
    gets the usual answer.
    """
    text = data.decode("latin-1")
    sequence = sequence_of(text)
    assert sequence is None or 0 <= sequence < 10**MAX_DIGITS
    for client in (("10.0.0.1", 1), (text, 1), None):
        address = client_address({"client": client, "headers": [(b"x-forwarded-for", data)]}, PROXIES)
        if address:
            ip_network(address)
    assert encoder_for(text)[1].startswith(("text/plain", "application/openmetrics-text"))
