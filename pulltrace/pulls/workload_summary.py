"""Summaries of workloads from their pods: how many have their images, and when the last one will. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pulltrace.pulls.time_left import TimeLeft, last_of
from pulltrace.pulls.view import PodState, PodView, Workload


@dataclass(frozen=True, slots=True)
class WorkloadSummary:
    """A workload with its waiting pods, and those that waited within the history time."""

    workload: Workload
    pods: int
    """Without deleted ones."""
    ready: int
    failing: int
    left: TimeLeft | None
    """From `now` until the last of them has its images; None when none waits, or one has no estimate."""
    slowest_node: str | None
    """The node of that last pod; None when none waits."""
    images: tuple[str, ...]
    """The pending images of its pods, sorted."""


def summarize(pods: Iterable[PodView], now: float) -> tuple[WorkloadSummary, ...]:
    """Return one summary for each workload, in their order; `now` is the aggregator's monotonic clock."""
    by_workload: dict[Workload, list[PodView]] = {}
    for pod in pods:
        if pod.state is not PodState.GONE:
            by_workload.setdefault(pod.workload, []).append(pod)
    return tuple(_summary(workload, by_workload[workload], now) for workload in sorted(by_workload))


def _summary(workload: Workload, pods: list[PodView], now: float) -> WorkloadSummary:
    waiting = [pod for pod in pods if pod.state.pending]
    times = [None if pod.left is None else pod.left.after(now - pod.estimated_at) for pod in waiting]
    slowest = max(zip(times, waiting), key=_slowness, default=None)
    return WorkloadSummary(
        workload,
        pods=len(pods),
        ready=len(pods) - len(waiting),
        failing=sum(pod.state is PodState.FAILING for pod in waiting),
        left=last_of(times),
        slowest_node=None if slowest is None else slowest[1].node,
        images=tuple(sorted({need.image for pod in waiting for need in pod.needs})),
    )


def _slowness(timed: tuple[TimeLeft | None, PodView]) -> tuple[bool, float, str]:
    """Return a sort key. A pod without an estimate counts as slowest."""
    left, pod = timed
    return (left is None, 0.0 if left is None else left.likely, pod.name)
