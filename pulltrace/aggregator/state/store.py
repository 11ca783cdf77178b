"""The rows of all nodes, and the log of their changes: each change once and in order.

Readers share one log and keep only their position in it: an idle reader costs nothing, and a reader that falls out of
the log starts again from a snapshot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from pulltrace.pulls.view import AnyChange, PodChange, PodView, PullChange, PullView, Snapshot

RowT = TypeVar("RowT", PullView, PodView)

LOG_CHANGES = 10_000
"""A reader may be so far behind; more than one change for each pull of a large cluster."""


class PullStore:
    """Rows of pulls and pods; a `PullSource` for the server."""

    def __init__(self, log_changes: int = LOG_CHANGES) -> None:
        self._pulls: dict[str, PullView] = {}
        self._pods: dict[str, PodView] = {}
        self._log: deque[AnyChange] = deque(maxlen=log_changes)
        self._sequence = 0
        self._synced = False
        self._closed = False
        self._snapshot: Snapshot | None = None
        """The rows of this moment, copied at most once between two changes."""
        self._news = asyncio.Event()

    @property
    def closed(self) -> bool:
        return self._closed

    def node_of(self, key: str, default: str) -> str:
        """Return the node of the row with this id; `default` without such a row."""
        row = self._pulls.get(key) or self._pods.get(key)
        return row.node if row is not None else default

    def snapshot(self) -> Snapshot:
        if self._snapshot is None:
            self._snapshot = Snapshot(self._sequence, dict(self._pulls), self._synced, dict(self._pods))
        return self._snapshot

    def subscribe(self) -> tuple[Snapshot, StoreSubscription]:
        return self.snapshot(), StoreSubscription(self, self._sequence)

    def replace_pulls(self, before: Iterable[str], after: Mapping[str, PullView]) -> None:
        """Replace the pulls with the ids `before` by `after`."""
        self._publish([PullChange(self._next(), *pair) for pair in _row_changes(self._pulls, before, after)])

    def replace_pods(self, before: Iterable[str], after: Mapping[str, PodView]) -> None:
        """Replace the pods with the ids `before` by `after`."""
        self._publish([PodChange(self._next(), *pair) for pair in _row_changes(self._pods, before, after)])

    def mark_synced(self) -> None:
        """Mark the rows as complete: the Leases have been listed."""
        if not self._synced:
            self._synced = True
            self._log.clear()  # earlier readers start again, from a snapshot that is marked
            self._sequence += 1
            self._wake()

    def close(self) -> None:
        """End every subscription."""
        self._closed = True
        self._wake()

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _publish(self, changes: Sequence[AnyChange]) -> None:
        self._log.extend(changes)
        if changes:
            self._wake()

    def _wake(self) -> None:
        self._snapshot = None
        self._news.set()
        self._news = asyncio.Event()

    def changes_after(self, sequence: int) -> tuple[AnyChange, ...] | None:
        """Return the changes after `sequence`; None when the log does not reach back so far."""
        if sequence == self._sequence:
            return ()
        if not self._log or self._log[0].sequence > sequence + 1:
            return None
        behind = self._sequence - sequence
        return tuple(self._log[index] for index in range(len(self._log) - behind, len(self._log)))

    async def wait_for_news(self, timeout_seconds: float) -> None:
        """Return at the next change, or after the timeout."""
        news = self._news
        try:
            async with asyncio.timeout(timeout_seconds):
                await news.wait()
        except TimeoutError:
            pass


class StoreSubscription:
    """One reader's position in the log."""

    def __init__(self, store: PullStore, sequence: int) -> None:
        self._store = store
        self._sequence = sequence

    async def next(self, timeout_seconds: float) -> tuple[AnyChange, ...] | None:
        """Return the changes since the last call; `()` after the timeout; None when only a new snapshot helps."""
        changes = None if self._store.closed else self._store.changes_after(self._sequence)
        if changes == ():
            await self._store.wait_for_news(timeout_seconds)
            changes = None if self._store.closed else self._store.changes_after(self._sequence)
        if changes:
            self._sequence = changes[-1].sequence
        return changes

    def close(self) -> None:
        """Do nothing: a reader holds only its position."""


def _row_changes(
    rows: dict[str, RowT], before: Iterable[str], after: Mapping[str, RowT]
) -> Iterator[tuple[RowT | None, RowT | None]]:
    """Replace `before` by `after` in `rows`. Yield each row that this changes, before and after."""
    for key, row in after.items():
        if (old := rows.get(key)) is not row and old != row:
            rows[key] = row
            yield old, row
    for key in before:
        if key not in after and (gone := rows.pop(key, None)) is not None:
            yield gone, None
