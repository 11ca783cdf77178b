"""Rows as JSON text, each written once and used wherever it is sent.

A change goes to hundreds of viewers, and a new viewer gets thousands of rows of which few have changed since the last
one came. Measured with 3,000 rows of ten layers: writing them all takes 0.15 s in which nothing else
runs, putting texts together that are there takes 5 to 20 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from pulltrace.pulls.view import PullView
from pulltrace.server import wire

SPARE_ROWS = 256
"""So many texts of rows that may be gone are kept before somebody looks."""

_NOTHING: tuple[None, bytes] = (None, b"")


class Fragments:
    """The JSON texts of the rows that were asked for."""

    def __init__(self) -> None:
        self._by_id: dict[str, tuple[PullView | None, bytes]] = {}

    def of(self, view: PullView) -> bytes:
        known, text = self._by_id.get(view.id, _NOTHING)
        if known is not view:
            text = wire.encode_pull(view)
            self._by_id[view.id] = (view, text)
        return text

    def of_all(self, views: Collection[PullView], fits: Callable[[PullView], bool] | None = None) -> list[bytes]:
        """The texts of those that fit, in the order in which people read them.

        `views` are all rows there are: what is not among them is forgotten.
        """
        texts = [self.of(view) for view in in_order(filter(fits, views))]
        if len(self._by_id) > len(views) + SPARE_ROWS:
            there = {view.id for view in views}
            self._by_id = {pull_id: known for pull_id, known in self._by_id.items() if pull_id in there}
        return texts

    def forget(self, pull_id: str) -> None:
        self._by_id.pop(pull_id, None)


def in_order(views: Iterable[PullView]) -> list[PullView]:
    """Running pulls first (oldest first), then ended ones (newest first)."""
    return sorted(views, key=_place)


def _place(view: PullView) -> tuple[bool, float, str]:
    it = view.pull
    if it.phase.ended:
        return (True, -(it.started_at if it.ended_at is None else it.ended_at), it.id)
    return (False, it.started_at, it.id)
