"""Holds the rows and tells every reader what changes, each change once and in order.

Readers share one log of changes and keep only their place in it: a reader costs nothing while nothing
happens, and one that falls out of the log begins again with a snapshot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from pulltrace.pulls.view import AnyChange, PodChange, PodView, PullChange, PullView, Snapshot

Row = TypeVar("Row", PullView, PodView)

LOG_CHANGES = 10_000
"""What a reader may be behind; more than one change for each of the pulls of a large cluster."""


class PullStore:
    """The rows of all nodes, pulls and pods; a `PullSource` for the server."""

    def __init__(self, log_changes: int = LOG_CHANGES) -> None:
        self._pulls: dict[str, PullView] = {}
        self._pods: dict[str, PodView] = {}
        self._log: deque[AnyChange] = deque(maxlen=log_changes)
        self._sequence = 0
        self._synced = False
        self._closed = False
        self._news = asyncio.Event()

    @property
    def closed(self) -> bool:
        return self._closed

    def has(self, key: str) -> bool:
        """Whether there is a pull with this id."""
        return key in self._pulls

    def snapshot(self) -> Snapshot:
        return Snapshot(self._sequence, dict(self._pulls), self._synced, dict(self._pods))

    def subscribe(self) -> tuple[Snapshot, StoreSubscription]:
        return self.snapshot(), StoreSubscription(self, self._sequence)

    def replace(self, before: Iterable[str], after: Mapping[str, PullView]) -> tuple[PullChange, ...]:
        """Puts the pulls `after` in the place of those with the ids `before`; gives what that changed."""
        changes = tuple(PullChange(self._next(), *pair) for pair in _replaced(self._pulls, before, after))
        self._publish(changes)
        return changes

    def replace_pods(self, before: Iterable[str], after: Mapping[str, PodView]) -> tuple[PodChange, ...]:
        """The same for pods."""
        changes = tuple(PodChange(self._next(), *pair) for pair in _replaced(self._pods, before, after))
        self._publish(changes)
        return changes

    def mark_synced(self) -> None:
        """The Leases have been listed: what is here is all there is."""
        if not self._synced:
            self._synced = True
            self._log.clear()  # so that readers who came too early begin with a snapshot that says so
            self._sequence += 1
            self._wake()

    def close(self) -> None:
        """Ends every subscription."""
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
        self._news.set()
        self._news = asyncio.Event()

    def changes_after(self, sequence: int) -> tuple[AnyChange, ...] | None:
        """The changes that came after `sequence`; None when the log does not reach back so far."""
        if sequence == self._sequence:
            return ()
        if not self._log or self._log[0].sequence > sequence + 1:
            return None
        behind = self._sequence - sequence
        return tuple(self._log[index] for index in range(len(self._log) - behind, len(self._log)))

    async def wait_for_news(self, timeout_seconds: float) -> None:
        """Returns at the next change, or after the timeout."""
        news = self._news
        try:
            async with asyncio.timeout(timeout_seconds):
                await news.wait()
        except TimeoutError:
            pass


class StoreSubscription:
    """One reader's place in the log."""

    def __init__(self, store: PullStore, sequence: int) -> None:
        self._store = store
        self._sequence = sequence

    async def next(self, timeout_seconds: float) -> tuple[AnyChange, ...] | None:
        """The changes since the last call; `()` after the timeout; None when only a new snapshot helps."""
        changes = None if self._store.closed else self._store.changes_after(self._sequence)
        if changes == ():
            await self._store.wait_for_news(timeout_seconds)
            changes = None if self._store.closed else self._store.changes_after(self._sequence)
        if changes:
            self._sequence = changes[-1].sequence
        return changes

    def close(self) -> None:
        """Nothing is held for a reader but its place."""


def _replaced(
    rows: dict[str, Row], before: Iterable[str], after: Mapping[str, Row]
) -> Iterator[tuple[Row | None, Row | None]]:
    """Puts `after` in the place of `before` in `rows`; each row that this changes, as it was and as it is."""
    for key, row in after.items():
        if (old := rows.get(key)) is not row and old != row:
            rows[key] = row
            yield old, row
    for key in before:
        if key not in after and (gone := rows.pop(key, None)) is not None:
            yield gone, None
