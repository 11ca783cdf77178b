"""Pulls that run and pods that wait now, and since when by this process's clock. Pure.

The store's rows have times of the nodes' clocks. Times here are comparable: when a running pull was first seen, and
when a byte of it last arrived.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pulltrace.pulls import thresholds
from pulltrace.pulls.view import AnyChange, PodState, PodView, PullChange, PullView, Snapshot


@dataclass(slots=True)
class ActivePull:
    """A pull that has not ended."""

    view: PullView
    first_seen_at: float
    progressed_at: float
    """When a byte of it was last reported, or its phase changed."""

    def stalled_seconds(self, now: float) -> float | None:
        """Return for how long it has been stalled; None for a pull that is not."""
        return thresholds.stalled_seconds(self.view.pull, now - self.progressed_at, stale=self.view.stale)


class ActivePulls:
    """Running pulls and waiting pods; a `ChangeConsumer`."""

    def __init__(self) -> None:
        self.running: dict[str, ActivePull] = {}
        """By id of the row."""
        self.waiting: dict[str, PodView] = {}
        """By id of the row."""
        self.namespaces: Counter[str] = Counter()
        """Number of waiting pods in each namespace."""

    def reset(self, snapshot: Snapshot, now: float) -> None:
        """Start from a snapshot. Known pulls keep their times."""
        for key in self.running.keys() - snapshot.pulls.keys():
            del self.running[key]
        for view in snapshot.pulls.values():
            self._apply_pull(view.id, view, now)
        self.waiting = {key: pod for key, pod in snapshot.pods.items() if pod.state.pending}
        self.namespaces = Counter(pod.namespace for pod in self.waiting.values())

    def apply(self, changes: Iterable[AnyChange], now: float) -> None:
        for change in changes:
            row = change.after or change.before
            if row is None:
                continue
            if isinstance(change, PullChange):
                self._apply_pull(row.id, change.after, now)
            else:
                self._apply_pod(row.id, change.after)

    def stalled(self, now: float) -> int:
        """Count the stalled pulls."""
        return sum(pull.stalled_seconds(now) is not None for pull in self.running.values())

    def failing_nodes(self) -> int:
        """Count the nodes on which the last pull of a pod's image failed."""
        return len({pod.node for pod in self.waiting.values() if pod.state is PodState.FAILING})

    def _apply_pull(self, key: str, view: PullView | None, now: float) -> None:
        known = self.running.get(key)
        if view is None or view.pull.phase.ended:
            self.running.pop(key, None)
        elif known is None:
            self.running[key] = ActivePull(view, now, now)
        else:
            before, known.view = known.view.pull, view
            if view.pull.downloaded_bytes != before.downloaded_bytes or view.pull.phase is not before.phase:
                known.progressed_at = now

    def _apply_pod(self, key: str, pod: PodView | None) -> None:
        if (before := self.waiting.pop(key, None)) is not None:
            self.namespaces[before.namespace] -= 1
            if not self.namespaces[before.namespace]:
                del self.namespaces[before.namespace]
        if pod is not None and pod.state.pending:
            self.waiting[key] = pod
            self.namespaces[pod.namespace] += 1
