"""A source of rows that a test fills by hand; it keeps the contract of `pulls.view.PullSource`."""

from __future__ import annotations

import asyncio
from collections import deque

from pulltrace.pulls.view import AnyChange, PodChange, PodView, PullChange, PullView, Row, Snapshot


class FakeSubscription:
    """The changes of one reader."""

    def __init__(self, source: FakePullSource) -> None:
        self._source = source
        self._changes: deque[AnyChange] = deque()
        self._news = asyncio.Event()
        self.ended = False

    async def next(self, timeout_seconds: float) -> tuple[AnyChange, ...] | None:
        if not (self._changes or self.ended):
            self._news.clear()
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self._news.wait()
            except TimeoutError:
                return ()
        if self.ended:
            return None
        changes = tuple(self._changes)
        self._changes.clear()
        return changes

    def close(self) -> None:
        self._source.subscriptions.discard(self)

    def take(self, change: AnyChange) -> None:
        self._changes.append(change)
        self._news.set()

    def end(self) -> None:
        self.ended = True
        self._news.set()


class FakePullSource:
    """Rows in memory."""

    def __init__(self, *views: Row, synced: bool = True) -> None:
        self.rows: dict[str, Row] = {view.id: view for view in views}
        self.sequence = len(views)
        self.synced = synced
        self.subscriptions: set[FakeSubscription] = set()
        self._log: list[AnyChange] = []
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    def snapshot(self) -> Snapshot:
        pulls = {key: row for key, row in self.rows.items() if isinstance(row, PullView)}
        pods = {key: row for key, row in self.rows.items() if isinstance(row, PodView)}
        return Snapshot(self.sequence, pulls, self.synced, pods)

    def subscribe(self) -> tuple[Snapshot, FakeSubscription]:
        subscription = FakeSubscription(self)
        self.subscriptions.add(subscription)
        return self.snapshot(), subscription

    def changes_after(self, sequence: int) -> list[AnyChange] | None:
        changes = [change for change in self._log if change.sequence > sequence]
        return changes if len(changes) == self.sequence - sequence else None

    def put(self, *views: Row) -> None:
        """Rows that are new or have changed."""
        for view in views:
            before = self.rows.get(view.id)
            self.rows[view.id] = view
            self._notify(before, view)

    def remove(self, row_id: str) -> None:
        self._notify(self.rows.pop(row_id), None)

    def close(self) -> None:
        self._closed = True
        self.lose_subscribers()

    def lose_subscribers(self) -> None:
        """Every reader was too slow."""
        for subscription in self.subscriptions:
            subscription.end()

    def _notify(self, before: Row | None, after: Row | None) -> None:
        self.sequence += 1
        change: AnyChange
        if isinstance(before or after, PullView):
            change = PullChange(self.sequence, *(row if isinstance(row, PullView) else None for row in (before, after)))
        else:
            change = PodChange(self.sequence, *(row if isinstance(row, PodView) else None for row in (before, after)))
        self._log.append(change)
        for subscription in self.subscriptions:
            subscription.take(change)
