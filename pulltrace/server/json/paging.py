"""Lists in pages: `limit` is the number of rows, `cursor` the sort key after which the page begins. Pure.

A cursor is the sort key of the last row, not a number of rows. Rows that are added or removed between two
pages neither repeat nor hide another row. A row whose own key changes (a pull that ends) may appear again.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import orjson

from pulltrace.pulls.view import PodView, PullView
from pulltrace.server.http.problems import BadParameter
from pulltrace.server.json.filters import ANY_TEXT

MAX_LIMIT = 5000
PARAMETERS: Mapping[str, Sequence[str]] = {"limit": ANY_TEXT, "cursor": ANY_TEXT}

SortKey = tuple[bool, float, str]
"""Whether the row has ended, then its time, then its id."""

Row = TypeVar("Row", PullView, PodView)


def page(
    rows: Iterable[Row], sort_key: Callable[[Row], SortKey], query: Mapping[str, Sequence[str]]
) -> tuple[list[Row], str | None]:
    """Return the page of the ordered rows, and the cursor of the next page if there is one; raises BadParameter."""
    after = _read_cursor(query["cursor"][-1]) if "cursor" in query else None
    ordered = sorted(rows if after is None else (row for row in rows if sort_key(row) > after), key=sort_key)
    limit = _read_limit(query["limit"][-1]) if "limit" in query else len(ordered)
    if len(ordered) <= limit:
        return ordered, None
    return ordered[:limit], _cursor(sort_key(ordered[limit - 1]))


def pull_sort_key(view: PullView) -> SortKey:
    """Order running pulls first (oldest first), then ended ones (newest first)."""
    it = view.pull
    if it.phase.ended:
        return (True, -(it.started_at if it.ended_at is None else it.ended_at), it.id)
    return (False, it.started_at, it.id)


def pod_sort_key(view: PodView) -> SortKey:
    """Order waiting pods first (oldest first), then ended ones (newest first)."""
    if view.ended_at is not None:
        return (True, -view.ended_at, view.id)
    return (False, view.waiting_since or 0.0, view.id)


def _read_limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_LIMIT):
        raise BadParameter("limit", text, (), f"limit is a whole number from 1 to {MAX_LIMIT}.")
    return int(text)


def _cursor(last: SortKey) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(last)).decode().rstrip("=")


def _read_cursor(text: str) -> SortKey:
    try:
        last = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        last = None
    match last:
        case [bool(ended), float(when), str(row_id)]:
            return (ended, when, row_id)
        case _:
            raise BadParameter("cursor", text, (), "cursor is not one that an answer gave as nextCursor.")
