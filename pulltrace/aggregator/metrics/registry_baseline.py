"""The usual rate of each registry, to which *slow* is relative. Pure."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable

from pulltrace.aggregator.metrics.metric_labels import OTHER, BoundedLabel, registry_of
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import AnyChange, PullChange, PullView, Snapshot

RECENT_PULLS = 32
"""Newest pulls of each registry in the median."""
MIN_PULLS = 5
"""Fewer pulls have no usual rate."""
MIN_BYTES = 16 << 20
"""A smaller pull ends before its rate means anything."""


class RegistryBaseline:
    """Rates of completed pulls, from the request to the image's record, so rather too low; a `ChangeConsumer`."""

    def __init__(self) -> None:
        self._label = BoundedLabel()
        self._rates: dict[str, deque[float]] = {}

    def reset(self, snapshot: Snapshot, now: float) -> None:
        """Start from a snapshot: pulls that ended before this process started count as well."""
        self._rates.clear()
        for view in snapshot.pulls.values():
            self._add(view)

    def apply(self, changes: Iterable[AnyChange], now: float) -> None:
        for change in changes:
            if (
                isinstance(change, PullChange)
                and change.after
                and not (change.before and change.before.pull.phase.ended)
            ):
                self._add(change.after)

    def rate(self, registry: str) -> float | None:
        """Return the median of its pulls in bytes a second; None for too few pulls."""
        rates = self._rates.get(registry, ())
        return statistics.median(rates) if len(rates) >= MIN_PULLS else None

    def _add(self, view: PullView) -> None:
        pull = view.pull
        if pull.phase is not Phase.COMPLETED or pull.ended_at is None or pull.downloaded_bytes < MIN_BYTES:
            return
        registry = registry_of(view)
        if self._label(registry) != OTHER:
            seconds = max(pull.ended_at - pull.started_at, 0.1)
            self._rates.setdefault(registry, deque(maxlen=RECENT_PULLS)).append(pull.downloaded_bytes / seconds)
