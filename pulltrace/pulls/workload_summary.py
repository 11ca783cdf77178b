"""Workloads summed up from their pods: how many have their images, and when the last one will. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pulltrace.pulls.view import PodState, PodView, TimeLeft, Workload


@dataclass(frozen=True, slots=True)
class WorkloadSummary:
    """A workload, as far as its pods that wait for images, or have done so within the history time, tell."""

    workload: Workload
    pods: int
    """Those that were deleted are not among them."""
    ready: int
    failing: int
    left: TimeLeft | None
    """From `now` until the last of them has its images; None when none waits, or of one nobody can say."""
    slowest_node: str | None
    """Where that last one is; None when none waits."""
    images: tuple[str, ...]
    """What its pods still wait for, sorted."""


def summarize(pods: Iterable[PodView], now: float) -> tuple[WorkloadSummary, ...]:
    """One summary for each workload, in their order; `now` is the aggregator's monotonic clock."""
    by_workload: dict[Workload, list[PodView]] = {}
    for pod in pods:
        if pod.state is not PodState.GONE:
            by_workload.setdefault(pod.workload, []).append(pod)
    return tuple(_summary(workload, by_workload[workload], now) for workload in sorted(by_workload))


def left_at(left: TimeLeft, estimated_at: float, now: float) -> TimeLeft:
    """What is left at `now` of an estimate that was made at `estimated_at`; never less than nothing."""
    passed = now - estimated_at
    latest = None if left.latest is None else max(0.0, left.latest - passed)
    return TimeLeft(max(0.0, left.likely - passed), max(0.0, left.soonest - passed), latest)


def _summary(workload: Workload, pods: list[PodView], now: float) -> WorkloadSummary:
    waiting = [pod for pod in pods if pod.state.pending]
    times = [None if pod.left is None else left_at(pod.left, pod.estimated_at, now) for pod in waiting]
    slowest = max(zip(times, waiting), key=_slowness, default=None)
    return WorkloadSummary(
        workload,
        pods=len(pods),
        ready=len(pods) - len(waiting),
        failing=sum(pod.state is PodState.FAILING for pod in waiting),
        left=_last(times),
        slowest_node=None if slowest is None else slowest[1].node,
        images=tuple(sorted({need.image for pod in waiting for need in pod.needs})),
    )


def _last(times: list[TimeLeft | None]) -> TimeLeft | None:
    known = [left for left in times if left is not None]
    if not known or len(known) < len(times):
        return None
    latest = [left.latest for left in known if left.latest is not None]
    return TimeLeft(
        likely=max(left.likely for left in known),
        soonest=max(left.soonest for left in known),
        latest=max(latest) if len(latest) == len(known) else None,
    )


def _slowness(timed: tuple[TimeLeft | None, PodView]) -> tuple[bool, float, str]:
    """A pod of which nobody can say anything counts as slower than any other."""
    left, pod = timed
    return (left is None, 0.0 if left is None else left.likely, pod.name)
