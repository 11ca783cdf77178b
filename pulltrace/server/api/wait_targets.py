"""The pod or workload that a client waits for, and whether its images are present.

Rows exist only for pods that wait for images. Kubernetes answers for the others (images present, pod not scheduled).
Only a pod's status makes it ready, neither an Event nor the end of its row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from pulltrace.pulls.formatting import rfc3339
from pulltrace.pulls.view import AnyChange, PodChange, PodLookup, PodState, PodView, Snapshot, Workload
from pulltrace.pulls.workload_summary import WorkloadSummary, summarize
from pulltrace.server.json import schemas, serializers
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.filters import normalized

Admit: TypeAlias = Callable[[], None]
"""Called before Kubernetes is asked; raises what the check raises then."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """How far a target is."""

    ready: bool | None
    """Whether all its images are present; None when the target does not exist."""
    from_kubernetes: bool = False
    """No change of a row announces the next state of such a target."""
    pod: schemas.Pod | None = None
    workload: schemas.WorkloadSummary | None = None


class PodTarget:
    """A pod, by its name."""

    def __init__(self, namespace: str, name: str) -> None:
        self.name = f"pod {namespace}/{name}"
        self._namespace = namespace
        self._pod = name

    def includes(self, pod: PodView) -> bool:
        return (pod.namespace, pod.name) == (self._namespace, self._pod)

    async def check(self, snapshot: Snapshot, lookup: PodLookup | None, admit: Admit, clocks: Clocks) -> Readiness:
        row = snapshot.pods.get(f"{self._namespace}/{self._pod}")
        if row is not None and row.state is PodState.GONE:
            row = None
        pod = None if row is None else serializers.pod(row, clocks.wall_offset())
        if row is not None and row.state.pending:
            return Readiness(ready=False, pod=pod)
        if lookup is None:
            return Readiness(None if row is None else True, pod=pod)
        ready = await lookup.has_images(self._namespace, self._pod, admit)
        return Readiness(ready, from_kubernetes=True, pod=pod if ready else None)


class WorkloadTarget:
    """All current pods of a workload."""

    def __init__(self, workload: Workload) -> None:
        self.name = f"workload {workload.namespace}/{workload.kind}/{workload.name}"
        self._workload = workload

    def includes(self, pod: PodView) -> bool:
        return normalized(pod.workload) == normalized(self._workload)

    async def check(self, snapshot: Snapshot, lookup: PodLookup | None, admit: Admit, clocks: Clocks) -> Readiness:
        pods = [pod for pod in snapshot.pods.values() if self.includes(pod) and pod.state is not PodState.GONE]
        [*_, summary] = summarize(pods, clocks.monotonic()) or (
            WorkloadSummary(self._workload, 0, 0, 0, None, None, ()),
        )
        now = clocks.wall()
        if any(pod.state.pending for pod in pods):
            return Readiness(ready=False, workload=serializers.summary(summary, now))
        if lookup is None:
            return Readiness(True if pods else None, workload=serializers.summary(summary, now))
        count, with_images = await lookup.pods_with_images(summary.workload, admit)
        summary = replace(summary, pods=count, ready=with_images)
        ready = count == with_images if count else None
        return Readiness(ready, from_kubernetes=True, workload=serializers.summary(summary, now))


Target: TypeAlias = PodTarget | WorkloadTarget


def concerns(target: Target, change: AnyChange) -> bool:
    """Return whether a change may change the readiness of a target."""
    pod = (change.after or change.before) if isinstance(change, PodChange) else None
    return pod is not None and target.includes(pod)


def result(readiness: Readiness, *, timed_out: bool, now: float) -> schemas.WaitResult:
    """Return the answer that ends the wait."""
    written: schemas.WaitResult = {
        "schemaVersion": "v1",
        "timestamp": rfc3339(now),
        "ready": bool(readiness.ready),
        "timedOut": timed_out,
    }
    if readiness.pod is not None:
        written["pod"] = readiness.pod
    if readiness.workload is not None:
        written["workload"] = readiness.workload
    return written
