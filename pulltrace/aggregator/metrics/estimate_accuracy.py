"""How far estimates were off, once it is known what really happened. Pure.

Of a pull the estimate counts that was made when half of its bytes had come; of a pod the one that held when a
quarter of its wait was over. The error is the difference between the estimated and the real rest, divided by the
real rest: 0.15 is 15 %, 1 is as long again. Rests of less than two seconds are not judged: reports come once a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import AnyChange, Change, PodChange, PodState, Snapshot

LEAST_REST_SECONDS = 2.0
QUARTER = 0.25
MOST_ESTIMATES = 32
"""Kept of a pod, spread over its wait."""


@dataclass(frozen=True, slots=True)
class EstimateError:
    """The error of one estimate."""

    ratio: float
    pod: bool
    """Of a pod's ready time, rather than of a pull's end."""
    total_bytes: int | None = None
    """Of the pull."""


@dataclass(slots=True)
class _Wait:
    began_at: float
    estimates: list[tuple[float, float]] = field(default_factory=list)
    """When each was made, and the end that it told."""
    spacing_seconds: float = 0.0
    """Between two that are kept."""

    def add(self, at: float, left_seconds: float) -> None:
        if self.estimates and at - self.estimates[-1][0] < self.spacing_seconds:
            return
        self.estimates.append((at, at + left_seconds))
        if len(self.estimates) > MOST_ESTIMATES:
            del self.estimates[1::2]
            self.spacing_seconds = 2 * (at - self.estimates[0][0]) / MOST_ESTIMATES


class EstimateAccuracy:
    """Remembers estimates until they can be judged."""

    def __init__(self) -> None:
        self._halves: dict[str, tuple[float, float] | None] = {}
        """Running pulls: when half had come and the rest that was told then; None before that."""
        self._waits: dict[str, _Wait] = {}
        """Waiting pods, by UID."""

    def begin(self, snapshot: Snapshot) -> None:
        """What is under way now was not seen from its beginning and is not judged."""
        running = {key for key, view in snapshot.pulls.items() if not view.pull.phase.ended}
        waiting = {pod.uid for pod in snapshot.pods.values()}
        self._halves = {key: half for key, half in self._halves.items() if key in running}
        self._waits = {uid: wait for uid, wait in self._waits.items() if uid in waiting}

    def take(self, changes: Iterable[AnyChange], now: float) -> list[EstimateError]:
        """The estimates that these changes prove right or wrong."""
        scores: list[EstimateError] = []
        for change in changes:
            score = self._pull(change, now) if isinstance(change, Change) else self._pod(change, now)
            scores += () if score is None else (score,)
        return scores

    def _pull(self, change: Change, now: float) -> EstimateError | None:
        view = change.after
        if view is None:
            if change.before is not None:
                self._halves.pop(change.before.id, None)
            return None
        if view.pull.phase.ended:
            half = self._halves.pop(view.id, None)
            if half is None or view.pull.phase is not Phase.COMPLETED:
                return None
            at, told = half
            return _score(told, now - at, pod=False, total_bytes=view.pull.total_bytes)
        pull = view.pull
        if change.before is None:
            self._halves[view.id] = None
        half_done = pull.total_bytes and pull.downloaded_bytes * 2 >= pull.total_bytes
        if view.id in self._halves and half_done and pull.phase is Phase.DOWNLOADING and pull.time_left is not None:
            self._halves[view.id] = self._halves[view.id] or (now, pull.time_left.likely)
        return None

    def _pod(self, change: PodChange, now: float) -> EstimateError | None:
        pod = change.after
        if pod is None or pod.state in {PodState.READY, PodState.GONE}:
            gone = pod or change.before
            wait = self._waits.pop(gone.uid, None) if gone else None
            if wait is None or pod is None or pod.state is PodState.GONE:
                return None
            return _quarter(wait, pod.ended_at if pod.ended_at is not None else now)
        if change.before is None or change.before.uid != pod.uid:
            self._waits[pod.uid] = _Wait(now)
        wait = self._waits.get(pod.uid)
        if pod.state is PodState.FAILING:
            self._waits.pop(pod.uid, None)  # how long a failure lasts is nobody's estimate
        elif wait is not None and pod.left is not None:
            wait.add(pod.estimated_at, pod.left.likely)
        return None


def _quarter(wait: _Wait, ended_at: float) -> EstimateError | None:
    quarter_at = wait.began_at + QUARTER * (ended_at - wait.began_at)
    held = [end for at, end in wait.estimates if at <= quarter_at]
    return _score(held[-1] - quarter_at, ended_at - quarter_at, pod=True) if held else None


def _score(
    told_seconds: float, real_seconds: float, *, pod: bool, total_bytes: int | None = None
) -> EstimateError | None:
    if real_seconds < LEAST_REST_SECONDS:
        return None
    return EstimateError(abs(max(told_seconds, 0.0) - real_seconds) / real_seconds, pod, total_bytes)
