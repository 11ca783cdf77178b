"""The rows that one group of subscribers sees, and their changes. Pure, but for the ids of the shown rows.

A row that begins to match the filters is new to the subscribers; a row that no longer matches is gone for them. A shown row that
has ended stays until its removal although no pod waits for it: a subscriber of a workload sees how its pulls end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from pulltrace.pulls.view import AnyChange, PodChange, PodView, PullChange, PullView, Row
from pulltrace.server.json.filters import Filters

RowT = TypeVar("RowT", PullView, PodView)


class RowFilter:
    """The rows that match the filters, or matched when they ended."""

    def __init__(self, filters: Filters, *, pods: bool) -> None:
        self._filters = filters
        self._pods = pods
        self._shown: set[str] = set()

    def reset(self, pulls: Mapping[str, PullView], pods: Mapping[str, PodView]) -> None:
        """Start from all present rows."""
        if self._filters:
            rows: Iterator[Row] = (row for part in (pulls, pods) for row in part.values())
            self._shown = {row.id for row in rows if self._matches(row, shown=row.id in self._shown)}

    def shown(self, rows: Mapping[str, RowT]) -> Iterable[RowT]:
        """Return the rows of one kind that the subscribers see."""
        if not self._filters:
            return rows.values()
        return (row for key, row in rows.items() if key in self._shown)

    def apply(self, changes: Iterable[AnyChange]) -> Iterator[AnyChange]:
        """Yield the new changes as the subscribers see them; call it once for each change, in order."""
        for change in changes:
            row = change.after or change.before
            if row is None or (isinstance(change, PodChange) and not self._pods):
                continue
            if not self._filters:
                yield change
                continue
            was_shown = row.id in self._shown
            is_shown = change.after is not None and self._matches(change.after, shown=was_shown)
            (self._shown.add if is_shown else self._shown.discard)(row.id)
            yield from _as_shown(change, before=was_shown, after=is_shown)

    def replay(self, changes: Iterable[AnyChange]) -> Iterator[AnyChange]:
        """Yield changes that were applied before, for a subscriber that missed them."""
        for change in changes:
            row = change.after or change.before
            if row is None or (isinstance(change, PodChange) and not self._pods):
                continue
            shown = row.id in self._shown
            was_shown = change.before is not None and self._matches(change.before, shown=shown)
            is_shown = change.after is not None and self._matches(change.after, shown=shown or was_shown)
            yield from _as_shown(change, before=was_shown, after=is_shown)

    def _matches(self, row: Row, *, shown: bool) -> bool:
        if isinstance(row, PullView):
            return (shown and row.pull.phase.ended) or self._filters.matches_pull(row)
        return (shown and not row.state.pending) or self._filters.matches_pod(row)


def _as_shown(change: AnyChange, *, before: bool, after: bool) -> Iterator[AnyChange]:
    if not (before or after):
        return
    if isinstance(change, PullChange):
        yield PullChange(change.sequence, change.before if before else None, change.after if after else None)
    else:
        yield PodChange(change.sequence, change.before if before else None, change.after if after else None)
