"""Which rows a group of viewers is told of, and which changes of them: pure, but for what it has shown.

A row that begins to fit the filters is new to its viewers; one that fits no more is gone for them. A row that they saw
and that has ended stays with them until it is removed, though nobody waits for it any more: whoever watches a
workload is told how its pulls end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pulltrace.pulls.view import AnyChange, PodChange, PodState, PodView, PullChange, PullView, Row
from pulltrace.server.json.filters import Filters

_OVER = frozenset({PodState.READY, PodState.GONE})


class Selection:
    """The rows that fit the filters, or did so when they ended."""

    def __init__(self, filters: Filters, *, pods: bool) -> None:
        self._filters = filters
        self._pods = pods
        self._shown: set[str] = set()

    def begin(self, pulls: Mapping[str, PullView], pods: Mapping[str, PodView]) -> None:
        """Show what is there now."""
        if self._filters:
            rows: Iterator[Row] = (row for part in (pulls, pods) for row in part.values())
            self._shown = {row.id for row in rows if self._stays(row, shown=row.id in self._shown)}

    def pulls(self, rows: Mapping[str, PullView]) -> Iterable[PullView]:
        if not self._filters:
            return rows.values()
        return (row for key, row in rows.items() if key in self._shown)

    def pods(self, rows: Mapping[str, PodView]) -> Iterable[PodView]:
        if not self._filters:
            return rows.values()
        return (row for key, row in rows.items() if key in self._shown)

    def take(self, changes: Iterable[AnyChange]) -> Iterator[AnyChange]:
        """The changes as these viewers see them; each change is taken once, in order."""
        for change in changes:
            row = change.after or change.before
            if row is None or (isinstance(change, PodChange) and not self._pods):
                continue
            if not self._filters:
                yield change
                continue
            was = row.id in self._shown
            stays = change.after is not None and self._stays(change.after, shown=was)
            (self._shown.add if stays else self._shown.discard)(row.id)
            yield from _seen(change, was=was, stays=stays)

    def look_back(self, changes: Iterable[AnyChange]) -> Iterator[AnyChange]:
        """The same for changes that were taken before, for a viewer that missed them."""
        for change in changes:
            row = change.after or change.before
            if row is None or (isinstance(change, PodChange) and not self._pods):
                continue
            shown = row.id in self._shown
            was = change.before is not None and self._stays(change.before, shown=shown)
            stays = change.after is not None and self._stays(change.after, shown=shown or was)
            yield from _seen(change, was=was, stays=stays)

    def _stays(self, row: Row, *, shown: bool) -> bool:
        if isinstance(row, PullView):
            return (shown and row.pull.phase.ended) or self._filters.matches_pull(row)
        return (shown and row.state in _OVER) or self._filters.matches_pod(row)


def _seen(change: AnyChange, *, was: bool, stays: bool) -> Iterator[AnyChange]:
    if not (was or stays):
        return
    if isinstance(change, PullChange):
        yield PullChange(change.sequence, change.before if was else None, change.after if stays else None)
    else:
        yield PodChange(change.sequence, change.before if was else None, change.after if stays else None)
