"""What each registry usually gives, so that much less can be called slow. Pure; a `Taker` of changes."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable

from pulltrace.aggregator.metrics.metric_labels import OTHER, BoundedLabel, registry_of
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import AnyChange, Change, PullView, Snapshot

KEPT = 32
"""Newest pulls of each registry that are looked at."""
ENOUGH = 5
"""Fewer say nothing about what is usual."""
LEAST_BYTES = 16 << 20
"""A smaller pull is over before its rate means anything."""


class RegistryBaseline:
    """Rates of completed pulls, from the request to the image's record: rather too low than too high."""

    def __init__(self) -> None:
        self._label = BoundedLabel()
        self._rates: dict[str, deque[float]] = {}

    def begin(self, snapshot: Snapshot, now: float) -> None:
        """What ended before this process came up counts as well."""
        self._rates.clear()
        for view in snapshot.pulls.values():
            self._add(view)

    def take(self, changes: Iterable[AnyChange], now: float) -> None:
        for change in changes:
            if isinstance(change, Change) and change.after and not (change.before and change.before.pull.phase.ended):
                self._add(change.after)

    def rate(self, registry: str) -> float | None:
        """Bytes a second of half of its pulls, or more; None where nobody can say yet."""
        rates = self._rates.get(registry, ())
        return statistics.median(rates) if len(rates) >= ENOUGH else None

    def _add(self, view: PullView) -> None:
        pull = view.pull
        if pull.phase is not Phase.COMPLETED or pull.ended_at is None or pull.downloaded_bytes < LEAST_BYTES:
            return
        registry = registry_of(view)
        if self._label(registry) != OTHER:
            seconds = max(pull.ended_at - pull.started_at, 0.1)
            self._rates.setdefault(registry, deque(maxlen=KEPT)).append(pull.downloaded_bytes / seconds)
