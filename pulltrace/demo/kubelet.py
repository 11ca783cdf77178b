"""The kubelet of a simulated node: it starts pods, pulls their images, and writes statuses and Events.

It follows the rules of the real kubelet. It pulls the images of a pod one after another, init containers first. The node
pulls one image at a time (or `parallel_pulls`), and other images are queued. A failed pull is `ErrImagePull`, then
`ImagePullBackOff`, and the kubelet retries it after pauses that double.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pulltrace.demo.node import Failure, Fault, SimulatedNode, SimulatedPull
from pulltrace.demo.pods import Container, Pod, Refusal
from pulltrace.kube.resources.kubelet_events import EventKind, KubeletEvent
from pulltrace.kube.resources.pending_pods import ImageWait, PodRecord, Role
from pulltrace.pulls.failures import retry_seconds

NEXT_SYNC_SECONDS = 3.0
"""From `ErrImagePull` to `ImagePullBackOff`: the next sync of the pod."""
START_SECONDS = 0.5
"""From the end of the pull to the running container."""


@dataclass(slots=True, eq=False)
class _Start:
    """A pod with containers that the kubelet has not created yet."""

    pod: Pod
    started_at: float
    created: int = 0
    """The number of containers that the kubelet has created."""
    not_before: float = 0.0
    """Earliest time of the next sync: an init container runs, or a failed pull backs off."""
    queued: bool = False
    """Whether its next image is queued or pulling."""
    pull: SimulatedPull | None = None
    tries: int = 0
    failed_at: float | None = None
    failure: str = ""
    reason: str | None = None


class Kubelet:
    """The kubelet of one node."""

    def __init__(self, node: SimulatedNode, keep_images: int) -> None:
        """Keep `keep_images` unused images on the disk."""
        self._node = node
        self._keep_images = keep_images
        self._starts: dict[str, _Start] = {}
        self._queue: deque[_Start] = deque()
        self._changed: set[str] = set()
        self._ending: list[PodRecord] = []
        self._events: list[KubeletEvent] = []

    @property
    def starting(self) -> tuple[Pod, ...]:
        return tuple(start.pod for start in self._starts.values())

    @property
    def idle(self) -> bool:
        """Whether no image is pulling or queued."""
        return not self._queue and not self._node.pulls

    def add(self, pod: Pod) -> None:
        self._starts[pod.key] = _Start(pod, self._node.now)
        self._changed.add(pod.key)

    def remove(self, key: str) -> None:
        """Delete the pod; a running pull goes on."""
        if (start := self._starts.pop(key, None)) is not None:
            self._changed.add(key)
            self._ending.append(replace(_record(start), ending=True, waiting=()))
            if start in self._queue:
                self._queue.remove(start)

    def changes(self) -> Iterator[tuple[str, PodRecord | None]]:
        """Return the changed pods since the last call; None for a pod that waits no longer."""
        ending, self._ending = self._ending, []
        for record in ending:
            yield record.key, record
        changed, self._changed = self._changed, set()
        for key in sorted(changed):
            start = self._starts.get(key)
            yield key, _record(start) if start is not None else None

    def events(self) -> list[KubeletEvent]:
        """Return the Events since the last call."""
        events, self._events = self._events, []
        return events

    def advance(self, now: float) -> None:
        for start in list(self._starts.values()):
            if start.pull is not None and start.pull.ended_at is not None:
                self._pull_ended(start, start.pull, now)
            if (
                start.failed_at is not None
                and start.reason == "ErrImagePull"
                and now >= start.failed_at + NEXT_SYNC_SECONDS
            ):
                start.reason = "ImagePullBackOff"
                self._changed.add(start.pod.key)
            if not start.queued and now >= start.not_before:
                self._sync(start, now)
        self._start_pulls(now)

    def _sync(self, start: _Start, now: float) -> None:
        """Create the next container of a pod, or queue its image."""
        if start.created == len(start.pod.containers):
            del self._starts[start.pod.key]
            self._changed.add(start.pod.key)
            return
        container = start.pod.containers[start.created]
        if isinstance(container.fault, Refusal):
            start.failed_at, start.failure, start.reason = now, container.fault.message, container.fault.reason
            start.not_before = math.inf
            self._changed.add(start.pod.key)
        elif self._node.has(container.image):
            self._record_event(
                start, EventKind.PULLED, f'Container image "{container.image.name}" already present', now
            )
            self._create(start, now)
        else:
            start.queued = True
            self._queue.append(start)
            self._record_event(
                start, EventKind.PULLING, f'Pulling image "{container.image.name}"', now, start.tries + 1
            )

    def _create(self, start: _Start, now: float) -> None:
        container = start.pod.containers[start.created]
        start.created += 1
        start.not_before = now + START_SECONDS + container.runs_seconds
        start.tries, start.failed_at, start.reason = 0, None, None
        self._changed.add(start.pod.key)

    def _start_pulls(self, now: float) -> None:
        """Start queued pulls up to the limit of the node."""
        while self._queue and len(self._node.pulls) < self._node.machine.parallel_pulls:
            start = self._queue.popleft()
            container = start.pod.containers[start.created]
            if self._node.has(container.image):
                start.queued = False
                self._record_event(start, EventKind.PULLED, _pulled_message(container, 0.2), now)
                self._create(start, now)
                continue
            self._collect_garbage()
            start.pull = self._node.pull(container.image, _resolve_seconds(container), _fault(container, start.tries))

    def _collect_garbage(self) -> None:
        needed = {container.image.name for start in self._starts.values() for container in start.pod.containers}
        unused = [name for name in self._node.installed if name not in needed]
        if len(unused) > self._keep_images:
            self._node.collect(needed | set(unused[len(unused) - self._keep_images :]))

    def _pull_ended(self, start: _Start, pull: SimulatedPull, now: float) -> None:
        start.pull, start.queued = None, False
        if pull.succeeded:
            self._record_event(
                start,
                EventKind.PULLED,
                _pulled_message(start.pod.containers[start.created], now - pull.started_at),
                now,
            )
            self._create(start, now)
            return
        assert isinstance(pull.fault, Failure)
        start.failed_at, start.failure, start.reason = now, pull.fault.message, "ErrImagePull"
        start.tries += 1
        start.not_before = now + retry_seconds(start.tries)
        words = f'Failed to pull image "{pull.image.name}": {start.failure}'
        self._record_event(start, EventKind.FAILED, words, now, start.tries)
        self._changed.add(start.pod.key)

    def _record_event(self, start: _Start, kind: EventKind, message: str, now: float, count: int = 1) -> None:
        pod, container = start.pod, start.pod.containers[start.created]
        self._events.append(
            KubeletEvent(
                pod.namespace,
                pod.name,
                _uid(pod),
                container.name,
                kind,
                container.image.name,
                message,
                float(int(now)),  # the times of a kubelet's Events are whole seconds
                count,
                pod.node,
            )
        )


def _fault(container: Container, tries: int) -> Fault | None:
    """Return the fault of a try: a missing image fails every time, a broken connection once."""
    passing = isinstance(container.fault, Failure) and container.fault.after_fraction is not None
    return None if isinstance(container.fault, Refusal) or (passing and tries) else container.fault


def _pulled_message(container: Container, seconds: float) -> str:
    return f'Successfully pulled image "{container.image.name}" in {seconds:.3f}s ({seconds:.3f}s including waiting)'


def _uid(pod: Pod) -> str:
    return f"uid-{pod.key}"


def _resolve_seconds(container: Container) -> float:
    """Return the time to resolve the image; a registry takes longer for a missing one."""
    if isinstance(container.fault, Failure) and container.fault.after_fraction is None:
        return 3.5
    return 0.3 + len(container.image.name) % 7 / 10


def _record(start: _Start) -> PodRecord:
    pod = start.pod
    has_init = any(container.role is Role.INIT for container in pod.containers)
    usual = "PodInitializing" if has_init else "ContainerCreating"
    return PodRecord(
        namespace=pod.namespace,
        name=pod.name,
        uid=_uid(pod),
        node=pod.node,
        workload=pod.workload,
        started_at=float(int(start.started_at)),
        waiting=tuple(
            ImageWait(container.name, container.image.name, container.role, usual)
            if number or start.reason is None
            else ImageWait(
                container.name, container.image.name, container.role, start.reason, _message(start, container)
            )
            for number, container in enumerate(pod.containers[start.created :])
        ),
    )


def _message(start: _Start, container: Container) -> str:
    if start.reason != "ImagePullBackOff":
        return start.failure
    return f'Back-off pulling image "{container.image.name}": ErrImagePull: {start.failure}'
