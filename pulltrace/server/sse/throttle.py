"""When changes are published. Pure, with time as an argument.

Changes are collected for a moment (a window) and published together. Two limits decide how long:

- Each window costs one send for each subscriber. With few subscribers a window of 30 ms costs little and rows are current. The
  window grows with the subscribers, to at most a quarter of a second.
- The mere progress of one row is published at most four times a second: no reader needs a bar to move more often. News (a start,
  an end, another phase, a failure) does not wait for that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from pulltrace.pulls.view import AnyChange, PullChange

SHORTEST_WINDOW_SECONDS = 0.03
LONGEST_WINDOW_SECONDS = 0.25
SENDS_PER_SECOND = 2500
"""Sends to all subscribers together, as long as the window is shorter than the longest."""
PROGRESS_SECONDS = 0.25


def window_seconds(subscribers: int) -> float:
    """Return how long changes are collected with so many subscribers."""
    return min(LONGEST_WINDOW_SECONDS, max(SHORTEST_WINDOW_SECONDS, subscribers / SENDS_PER_SECOND))


class Throttle:
    """Changes that are not published yet."""

    def __init__(self, sequence: int = 0) -> None:
        self._sequence = sequence
        self._pending: dict[str, list[AnyChange]] = {}
        self._published_at: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._pending)

    @property
    def published_sequence(self) -> int:
        """The sequence up to which everything has been published."""
        firsts = [changes[0].sequence for changes in self._pending.values()]
        return min(firsts) - 1 if firsts else self._sequence

    @property
    def sequence(self) -> int:
        """The sequence of the last change that was added."""
        return self._sequence

    def reset(self, sequence: int) -> None:
        """Drop all pending changes: a snapshot publishes everything up to this sequence."""
        self._sequence = sequence
        self._pending.clear()
        self._published_at.clear()

    def add(self, changes: Iterable[AnyChange]) -> None:
        for change in changes:
            row = change.after or change.before
            if row is not None:
                self._pending.setdefault(row.id, []).append(change)
            self._sequence = change.sequence

    def is_pending(self, change: AnyChange) -> bool:
        """Return whether the change is not published yet."""
        row = change.after or change.before
        pending = None if row is None else self._pending.get(row.id)
        return pending is not None and change.sequence >= pending[0].sequence

    def ready_at(self) -> float:
        """Return when the first pending change may be published; the caller adds the window."""
        return min((self._row_ready_at(row_id) for row_id in self._pending), default=math.inf)

    def pop_ready(self, now: float) -> list[AnyChange]:
        """Remove and return the changes to publish now, in order; `now` is on the clock of `ready_at`."""
        ready = [row_id for row_id in self._pending if self._row_ready_at(row_id) <= now]
        popped = [change for row_id in ready for change in self._pending.pop(row_id)]
        self._published_at = {key: at for key, at in self._published_at.items() if at + PROGRESS_SECONDS > now}
        self._published_at |= dict.fromkeys(ready, now)
        popped.sort(key=_sequence)
        return popped

    def _row_ready_at(self, row_id: str) -> float:
        published_at = self._published_at.get(row_id)
        if published_at is None or any(map(_is_news, self._pending[row_id])):
            return -math.inf
        return published_at + PROGRESS_SECONDS


def _sequence(change: AnyChange) -> int:
    return change.sequence


def _is_news(change: AnyChange) -> bool:
    if isinstance(change, PullChange):
        before, after = change.before, change.after
        if before is None or after is None:
            return True
        return (before.pull.phase, before.stale, before.failure) != (after.pull.phase, after.stale, after.failure)
    if change.before is None or change.after is None:
        return True
    return change.before.state is not change.after.state
