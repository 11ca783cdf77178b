"""Feeds the store's changes, each once and in order, to metrics and Events.

Changes wait in the store's log until the feed catches up, a few times a second and before each scrape. Rows from before
(the first list, or a gap in the log) come as a snapshot: what led to them was counted before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from pulltrace.aggregator.state.store import PullStore
from pulltrace.pulls.view import AnyChange, Snapshot

TICK_SECONDS = 0.25


class ChangeConsumer(Protocol):
    """Derives figures from changes: `Metrics`, `ActivePulls`, `RegistryBaseline`."""

    def reset(self, snapshot: Snapshot, now: float) -> None:
        """Start from a snapshot, at first and after a gap."""

    def apply(self, changes: Iterable[AnyChange], now: float) -> None:
        """Apply the changes since the last call; there may be none."""


class ChangeFeed:
    """One position in the store's log, for all consumers together."""

    def __init__(self, store: PullStore, consumers: Sequence[ChangeConsumer], monotonic: Callable[[], float]) -> None:
        self._store = store
        self._consumers = consumers
        self._monotonic = monotonic
        self._sequence: int | None = None

    def catch_up(self) -> None:
        """Feed what is new."""
        now = self._monotonic()
        changes = None if self._sequence is None else self._store.changes_after(self._sequence)
        if changes is None:
            snapshot = self._store.snapshot()
            self._sequence = snapshot.sequence
            for consumer in self._consumers:
                consumer.reset(snapshot, now)
        else:
            self._sequence = changes[-1].sequence if changes else self._sequence
            for consumer in self._consumers:
                consumer.apply(changes, now)

    def restart(self) -> None:
        """Start from a snapshot at the next call: a first list, of pods for example, is no news."""
        self._sequence = None

    async def run(self) -> None:
        """Catch up until cancelled."""
        while True:
            self.catch_up()
            await asyncio.sleep(TICK_SECONDS)
