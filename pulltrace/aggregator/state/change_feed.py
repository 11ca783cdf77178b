"""Hands the store's changes, each once and in order, to whoever keeps an account of them.

Nobody is woken for a change: the account is brought up to date a few times a second and before it is read.
What was there before (the first list; a gap in the log) is handed over as a beginning, not as changes: it has
happened, and was counted, before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from pulltrace.aggregator.state.store import PullStore
from pulltrace.pulls.view import AnyChange, Snapshot

TICK_SECONDS = 0.25


class ChangeConsumer(Protocol):
    """Keeps an account."""

    def begin(self, snapshot: Snapshot, now: float) -> None:
        """All there is, at the start and after a gap."""

    def take(self, changes: Iterable[AnyChange], now: float) -> None:
        """What has changed since; called with nothing too, since time passes."""


class ChangeFeed:
    """One place in the store's log, for all takers together."""

    def __init__(self, store: PullStore, takers: Sequence[ChangeConsumer], monotonic: Callable[[], float]) -> None:
        self._store = store
        self._takers = takers
        self._monotonic = monotonic
        self._sequence: int | None = None

    def catch_up(self) -> None:
        """Hands over what is new."""
        now = self._monotonic()
        changes = None if self._sequence is None else self._store.changes_after(self._sequence)
        if changes is None:
            snapshot = self._store.snapshot()
            self._sequence = snapshot.sequence
            for taker in self._takers:
                taker.begin(snapshot, now)
        else:
            self._sequence = changes[-1].sequence if changes else self._sequence
            for taker in self._takers:
                taker.take(changes, now)

    def begin_again(self) -> None:
        """What is there now has happened before: a first list has come in, of pods for example."""
        self._sequence = None

    async def run(self) -> None:
        """Stays up to date until it is cancelled."""
        while True:
            self.catch_up()
            await asyncio.sleep(TICK_SECONDS)
