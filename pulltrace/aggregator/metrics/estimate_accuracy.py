"""How far estimates were off, once the real times are known. Pure.

A pull counts with its estimate at half of its bytes; a pod with its estimate at a quarter of its wait. The error is the
difference between the estimated and the real rest, divided by the real rest: 0.15 is 15 %, 1 is as long again. Rests
under two seconds do not count: reports come once a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import AnyChange, PodChange, PodState, PullChange, Snapshot

MIN_REST_SECONDS = 2.0
QUARTER = 0.25
MAX_ESTIMATES = 32
"""Kept of a pod, spread over its wait."""


@dataclass(frozen=True, slots=True)
class EstimateError:
    """The error of one estimate."""

    ratio: float
    pod: bool
    """Whether the estimate is a pod's ready time; else it is a pull's end."""
    total_bytes: int | None = None
    """Size of the pull."""


@dataclass(slots=True)
class _PodEstimates:
    started_at: float
    estimates: list[tuple[float, float]] = field(default_factory=list)
    """Time of each estimate, and its end of the wait."""
    spacing_seconds: float = 0.0
    """Least time between two kept estimates."""

    def add(self, at: float, left_seconds: float) -> None:
        if self.estimates and at - self.estimates[-1][0] < self.spacing_seconds:
            return
        self.estimates.append((at, at + left_seconds))
        if len(self.estimates) > MAX_ESTIMATES:
            del self.estimates[1::2]
            self.spacing_seconds = 2 * (at - self.estimates[0][0]) / MAX_ESTIMATES


class EstimateAccuracy:
    """Keeps estimates until the real times are known."""

    def __init__(self) -> None:
        self._halves: dict[str, tuple[float, float] | None] = {}
        """Time and estimated rest of running pulls at half of their bytes; None before that."""
        self._pods: dict[str, _PodEstimates] = {}
        """Waiting pods, by UID."""

    def reset(self, snapshot: Snapshot) -> None:
        """Start from a snapshot: pulls and waits that run already do not count."""
        running = {key for key, view in snapshot.pulls.items() if not view.pull.phase.ended}
        waiting = {pod.uid for pod in snapshot.pods.values()}
        self._halves = {key: half for key, half in self._halves.items() if key in running}
        self._pods = {uid: estimates for uid, estimates in self._pods.items() if uid in waiting}

    def apply(self, changes: Iterable[AnyChange], now: float) -> list[EstimateError]:
        """Return the errors that become known with these changes."""
        errors: list[EstimateError] = []
        for change in changes:
            error = self._apply_pull(change, now) if isinstance(change, PullChange) else self._apply_pod(change, now)
            errors += () if error is None else (error,)
        return errors

    def _apply_pull(self, change: PullChange, now: float) -> EstimateError | None:
        view = change.after
        if view is None:
            if change.before is not None:
                self._halves.pop(change.before.id, None)
            return None
        if view.pull.phase.ended:
            half = self._halves.pop(view.id, None)
            if half is None or view.pull.phase is not Phase.COMPLETED:
                return None
            at, estimated = half
            return _error(estimated, now - at, pod=False, total_bytes=view.pull.total_bytes)
        pull = view.pull
        if change.before is None:
            self._halves[view.id] = None
        half_done = pull.total_bytes and pull.downloaded_bytes * 2 >= pull.total_bytes
        if view.id in self._halves and half_done and pull.phase is Phase.DOWNLOADING and pull.time_left is not None:
            self._halves[view.id] = self._halves[view.id] or (now, pull.time_left.likely)
        return None

    def _apply_pod(self, change: PodChange, now: float) -> EstimateError | None:
        pod = change.after
        if pod is None or not pod.state.pending:
            ended = pod or change.before
            estimates = self._pods.pop(ended.uid, None) if ended else None
            if estimates is None or pod is None or pod.state is PodState.GONE:
                return None
            return _quarter(estimates, pod.ended_at if pod.ended_at is not None else now)
        if change.before is None or change.before.uid != pod.uid:
            self._pods[pod.uid] = _PodEstimates(now)
        estimates = self._pods.get(pod.uid)
        if pod.state is PodState.FAILING:
            self._pods.pop(pod.uid, None)  # no estimate covers the time of a failure
        elif estimates is not None and pod.left is not None:
            estimates.add(pod.estimated_at, pod.left.likely)
        return None


def _quarter(pod: _PodEstimates, ended_at: float) -> EstimateError | None:
    quarter_at = pod.started_at + QUARTER * (ended_at - pod.started_at)
    ends = [end for at, end in pod.estimates if at <= quarter_at]
    return _error(ends[-1] - quarter_at, ended_at - quarter_at, pod=True) if ends else None


def _error(
    estimated_seconds: float, real_seconds: float, *, pod: bool, total_bytes: int | None = None
) -> EstimateError | None:
    if real_seconds < MIN_REST_SECONDS:
        return None
    return EstimateError(abs(max(estimated_seconds, 0.0) - real_seconds) / real_seconds, pod, total_bytes)
