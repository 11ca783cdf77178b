"""When changes are told, and which: pure, with time as an argument.

Changes are gathered for a moment (a window) and told together. Two bounds decide how long:

- Every window costs one send for each viewer, and a send costs 10 to 20 µs of this process. While few watch, a window
  of 30 ms costs nothing and what is told is new. With more viewers it grows, so that there are at most
  `SENDS_PER_SECOND`, until it reaches a quarter of a second: later than that a picture does not look live any more.
- Nobody needs to see the same bar move more than four times a second, so the mere progress of one row waits until it
  was last told that long ago. What is news (a start, an end, another phase, a failure) never waits for that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from pulltrace.pulls.view import AnyChange, PullChange

SHORTEST_WINDOW_SECONDS = 0.03
LONGEST_WINDOW_SECONDS = 0.25
SENDS_PER_SECOND = 2500
PROGRESS_SECONDS = 0.25


def window_seconds(viewers: int) -> float:
    """How long to gather for so many viewers."""
    return min(LONGEST_WINDOW_SECONDS, max(SHORTEST_WINDOW_SECONDS, viewers / SENDS_PER_SECOND))


class Gathering:
    """Changes that have not been told yet."""

    def __init__(self, sequence: int = 0) -> None:
        self._sequence = sequence
        self._waiting: dict[str, list[AnyChange]] = {}
        self._told_at: dict[str, float] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def told(self) -> int:
        """The sequence up to which everything has been told."""
        firsts = [changes[0].sequence for changes in self._waiting.values()]
        return min(firsts) - 1 if firsts else self._sequence

    @property
    def sequence(self) -> int:
        """That of the last change that was taken in."""
        return self._sequence

    def begin(self, sequence: int) -> None:
        """Forget all that waits: everything up to this sequence is told in another way."""
        self._sequence = sequence
        self._waiting.clear()
        self._told_at.clear()

    def add(self, changes: Iterable[AnyChange]) -> None:
        for change in changes:
            row = change.after or change.before
            if row is not None:
                self._waiting.setdefault(row.id, []).append(change)
            self._sequence = change.sequence

    def holds(self, change: AnyChange) -> bool:
        """Whether the change waits to be told."""
        row = change.after or change.before
        waiting = None if row is None else self._waiting.get(row.id)
        return waiting is not None and change.sequence >= waiting[0].sequence

    def due_at(self) -> float:
        """When the first of what waits may be told; the window, which comes on top, is the caller's."""
        return min((self._free_at(row_id) for row_id in self._waiting), default=math.inf)

    def take(self, now: float) -> list[AnyChange]:
        """What is to be told now, in order; `now` is on the clock of `due_at`."""
        due = [row_id for row_id in self._waiting if self._free_at(row_id) <= now]
        taken = [change for row_id in due for change in self._waiting.pop(row_id)]
        self._told_at = {row_id: at for row_id, at in self._told_at.items() if at + PROGRESS_SECONDS > now}
        self._told_at |= dict.fromkeys(due, now)
        taken.sort(key=_sequence)
        return taken

    def _free_at(self, row_id: str) -> float:
        told_at = self._told_at.get(row_id)
        if told_at is None or any(map(_is_news, self._waiting[row_id])):
            return -math.inf
        return told_at + PROGRESS_SECONDS


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
