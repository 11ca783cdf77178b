"""What runs and who waits at this moment, and since when, by this process's clock. Pure.

The store's rows say how things are on the clocks of nodes. Here they get times that can be compared: when a
running pull was first seen, and when a byte of it last arrived.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import AnyChange, Change, PodState, PodView, PullView, Snapshot

STALLED_SECONDS = 10.0
"""A download rests for a moment between layers; longer is worth a word. The web UI has the same limit."""

WAITING = frozenset({PodState.WAITING, PodState.FAILING})


@dataclass(slots=True)
class ActivePull:
    """A pull that has not ended."""

    view: PullView
    seen_at: float
    """When it was first seen."""
    moved_at: float
    """When a byte of it last arrived, as far as was told."""

    def stalled_seconds(self, now: float) -> float | None:
        """For how long no byte has come; None while it moves, does something else, or nobody can tell."""
        pull, seconds = self.view.pull, now - self.moved_at
        # The rate too: with a long report interval, no news of a byte is not yet news of none.
        still = pull.phase is Phase.DOWNLOADING and not self.view.stale and pull.bytes_per_second <= 0
        return seconds if still and seconds >= STALLED_SECONDS else None


class ActivePulls:
    """Running pulls and waiting pods; a `Taker` of changes."""

    def __init__(self) -> None:
        self.running: dict[str, ActivePull] = {}
        """By the id of the pull."""
        self.waiting: dict[str, PodView] = {}
        """By the id of the pod."""
        self.namespaces: Counter[str] = Counter()
        """How many pods wait in each namespace."""

    def begin(self, snapshot: Snapshot, now: float) -> None:
        """All there is; what was known before keeps its times."""
        for key in self.running.keys() - snapshot.pulls.keys():
            del self.running[key]
        for view in snapshot.pulls.values():
            self._pull(view.id, view, now)
        self.waiting = {key: pod for key, pod in snapshot.pods.items() if pod.state in WAITING}
        self.namespaces = Counter(pod.namespace for pod in self.waiting.values())

    def take(self, changes: Iterable[AnyChange], now: float) -> None:
        for change in changes:
            row = change.after or change.before
            if row is None:
                continue
            if isinstance(change, Change):
                self._pull(row.id, change.after, now)
            else:
                self._pod(row.id, change.after)

    def stalled(self, now: float) -> int:
        """How many downloads do not move."""
        return sum(pull.stalled_seconds(now) is not None for pull in self.running.values())

    def failing_nodes(self) -> int:
        """On how many nodes an image of a pod could not be pulled the last time."""
        return len({pod.node for pod in self.waiting.values() if pod.state is PodState.FAILING})

    def _pull(self, key: str, view: PullView | None, now: float) -> None:
        known = self.running.get(key)
        if view is None or view.pull.phase.ended:
            self.running.pop(key, None)
        elif known is None:
            self.running[key] = ActivePull(view, now, now)
        else:
            before, known.view = known.view.pull, view
            if view.pull.downloaded_bytes != before.downloaded_bytes or view.pull.phase is not before.phase:
                known.moved_at = now

    def _pod(self, key: str, pod: PodView | None) -> None:
        if (before := self.waiting.pop(key, None)) is not None:
            self.namespaces[before.namespace] -= 1
            if not self.namespaces[before.namespace]:
                del self.namespaces[before.namespace]
        if pod is not None and pod.state in WAITING:
            self.waiting[key] = pod
            self.namespaces[pod.namespace] += 1
