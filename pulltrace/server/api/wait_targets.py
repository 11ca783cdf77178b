"""The pod or workload that a client waits for, and whether its images are present.

Rows exist only for pods that wait for images. Kubernetes answers for the others (images present, pod not scheduled).
Only a pod's status makes it ready, neither an Event nor the end of its row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

from pulltrace.pulls.formatting import rfc3339
from pulltrace.pulls.view import AnyChange, PodChange, PodLookup, PodState, PodView, Snapshot, Workload
from pulltrace.pulls.workload_summary import WorkloadSummary, summarize
from pulltrace.server.json import schemas, serializers
from pulltrace.server.json.clock import Clocks

Admit: TypeAlias = Callable[[], None]
"""Called before Kubernetes is asked; raises what the check raises then."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """How far a target is."""

    ready: bool | None
    """Whether all its images are present; None when the target does not exist."""
    from_kubernetes: bool = False
    """No change of a row announces the next state of such a target."""
    pod: PodView | None = None
    summary: WorkloadSummary | None = None


class Rows:
    """The pods of one snapshot. All waiters share them, so each target is checked once."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        """`now` is the aggregator's monotonic clock."""
        self.snapshot = snapshot
        self.now = now
        self._readiness: dict[Target, Readiness] = {}

    def readiness(self, target: Target) -> Readiness:
        """Return the readiness as far as rows show it."""
        if (known := self._readiness.get(target)) is None:
            known = self._readiness[target] = target.in_rows(self)
        return known

    def pods_named_like(self, workload: Workload) -> Sequence[PodView]:
        """Return the pods whose workload has that namespace and name, of any kind."""
        return self._by_name.get((workload.namespace, workload.name), ())

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], list[PodView]]:
        pods: dict[tuple[str, str], list[PodView]] = {}
        for pod in self.snapshot.pods.values():
            pods.setdefault((pod.workload.namespace, pod.workload.name), []).append(pod)
        return pods


@dataclass(frozen=True, slots=True)
class PodTarget:
    """A pod, by its name."""

    namespace: str
    pod: str

    def __str__(self) -> str:
        return f"pod {self.namespace}/{self.pod}"

    def includes(self, pod: PodView) -> bool:
        return pod.name == self.pod and pod.namespace == self.namespace

    def in_rows(self, rows: Rows) -> Readiness:
        pod = rows.snapshot.pods.get(f"{self.namespace}/{self.pod}")
        if pod is None or pod.state is PodState.GONE:
            return Readiness(None)
        return Readiness(not pod.state.pending, pod=pod)

    async def confirm(self, shown: Readiness, lookup: PodLookup, admit: Admit) -> Readiness:
        """Ask Kubernetes about a pod that does not wait in the rows."""
        ready = await lookup.has_images(self.namespace, self.pod, admit)
        return Readiness(ready, from_kubernetes=True, pod=shown.pod if ready else None)


@dataclass(frozen=True, slots=True)
class WorkloadTarget:
    """All current pods of a workload; the case of its kind does not count."""

    workload: Workload

    def __str__(self) -> str:
        return f"workload {self.workload.namespace}/{self.workload.kind}/{self.workload.name}"

    def includes(self, pod: PodView) -> bool:
        own, other = self.workload, pod.workload
        return other.name == own.name and other.namespace == own.namespace and other.kind.lower() == own.kind.lower()

    def in_rows(self, rows: Rows) -> Readiness:
        pods = [
            pod for pod in rows.pods_named_like(self.workload) if pod.state is not PodState.GONE and self.includes(pod)
        ]
        if not pods:
            return Readiness(None, summary=WorkloadSummary(self.workload, 0, 0, 0, None, None, ()))
        [*_, summary] = summarize(pods, rows.now)
        return Readiness(not any(pod.state.pending for pod in pods), summary=summary)

    async def confirm(self, shown: Readiness, lookup: PodLookup, admit: Admit) -> Readiness:
        """Ask Kubernetes about a workload without waiting pods in the rows."""
        assert shown.summary is not None
        count, with_images = await lookup.pods_with_images(shown.summary.workload, admit)
        summary = replace(shown.summary, pods=count, ready=with_images)
        return Readiness(count == with_images if count else None, from_kubernetes=True, summary=summary)


Target: TypeAlias = PodTarget | WorkloadTarget


def concerns(target: Target, change: AnyChange) -> bool:
    """Return whether a change may change the readiness of a target."""
    pod = (change.after or change.before) if isinstance(change, PodChange) else None
    return pod is not None and target.includes(pod)


def result(readiness: Readiness, *, timed_out: bool, clocks: Clocks) -> schemas.WaitResult:
    """Return the answer that ends the wait."""
    now = clocks.wall()
    written: schemas.WaitResult = {
        "schemaVersion": "v1",
        "timestamp": rfc3339(now),
        "ready": bool(readiness.ready),
        "timedOut": timed_out,
    }
    if readiness.pod is not None:
        written["pod"] = serializers.pod(readiness.pod, clocks.wall_offset())
    if readiness.summary is not None:
        written["workload"] = serializers.summary(readiness.summary, now)
    return written
