"""What somebody waits for: a pod or a workload, and whether its images are there.

The rows tell of pods that wait for images. Of the others (images that are there, pods that are not scheduled yet)
Kubernetes is asked, where there is one: only the status of a pod makes it ready, neither an Event nor that a pod is no
longer watched.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from pulltrace.pulls.view import PodFinding, PodState, PodView, Snapshot, Workload
from pulltrace.pulls.workload_summary import WorkloadSummary, summarize
from pulltrace.server.json import serializers
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.filters import as_asked
from pulltrace.server.json.serializers import Json

_OPEN = frozenset({PodState.WAITING, PodState.FAILING})


@dataclass(frozen=True, slots=True)
class Finding:
    """How a target stands."""

    ready: bool | None
    """Whether all its images are there; None when there is no such thing."""
    asked: bool
    """Whether Kubernetes had to be asked; then nobody says when that changes."""
    told: Json
    """What the answer says of it."""


class Target(Protocol):
    """What is waited for."""

    name: str

    def concerns(self, pod: PodView) -> bool:
        """Whether a change of this pod may change the finding."""

    async def look(self, snapshot: Snapshot, finder: PodFinding | None, clocks: Clocks) -> Finding: ...


class PodTarget:
    """A pod, by its name."""

    def __init__(self, namespace: str, name: str) -> None:
        self.name = f"pod {namespace}/{name}"
        self._namespace = namespace
        self._pod = name

    def concerns(self, pod: PodView) -> bool:
        return (pod.namespace, pod.name) == (self._namespace, self._pod)

    async def look(self, snapshot: Snapshot, finder: PodFinding | None, clocks: Clocks) -> Finding:
        view = snapshot.pods.get(f"{self._namespace}/{self._pod}")
        if view is not None and view.state is PodState.GONE:
            view = None
        told: Json = {} if view is None else {"pod": serializers.pod(view, clocks.wall_offset())}
        if view is not None and view.state in _OPEN:
            return Finding(ready=False, asked=False, told=told)
        if finder is None:
            return Finding(None if view is None else True, asked=False, told=told)
        ready = await finder.has_images(self._namespace, self._pod)
        return Finding(ready, asked=True, told=told if ready else {})


class WorkloadTarget:
    """A workload: all its pods that there are at the time."""

    def __init__(self, workload: Workload) -> None:
        self.name = f"workload {workload.namespace}/{workload.kind}/{workload.name}"
        self._workload = workload

    def concerns(self, pod: PodView) -> bool:
        return as_asked(pod.workload) == as_asked(self._workload)

    async def look(self, snapshot: Snapshot, finder: PodFinding | None, clocks: Clocks) -> Finding:
        pods = [pod for pod in snapshot.pods.values() if self.concerns(pod) and pod.state is not PodState.GONE]
        [*_, summary] = summarize(pods, clocks.monotonic()) or (
            WorkloadSummary(self._workload, 0, 0, 0, None, None, ()),
        )
        if any(pod.state in _OPEN for pod in pods):
            return _found(False, summary, clocks, asked=False)
        if finder is None:
            return _found(True if pods else None, summary, clocks, asked=False)
        there, with_images = await finder.pods_with_images(summary.workload)
        summary = replace(summary, pods=there, ready=with_images)
        return _found(there == with_images if there else None, summary, clocks, asked=True)


def _found(ready: bool | None, summary: WorkloadSummary, clocks: Clocks, *, asked: bool) -> Finding:  # noqa: FBT001
    return Finding(ready, asked, {"workload": serializers.workload(summary, clocks.wall())})


def answer(finding: Finding, *, timed_out: bool, now: float) -> Json:
    """The document that says how the wait ended."""
    return {**serializers.head(now), "ready": bool(finding.ready), "timedOut": timed_out, **finding.told}
