"""Pulls, pods and Leases for the tests of the aggregator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pulltrace.aggregator.pods.pending_images import PendingImage
from pulltrace.aggregator.pods.pod_index import PodIndex
from pulltrace.aggregator.rows.row_ids import row_id
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.resources.kubelet_events import EventKind, EventRecord
from pulltrace.kube.resources.leases import LeaseRecord
from pulltrace.kube.resources.pending_pods import ImageWait, PodRecord, Role
from pulltrace.pulls.lease_format.annotations import encode
from pulltrace.pulls.model import NodeReport, Phase, Pull
from pulltrace.pulls.view import AnyChange, PodChange, PullChange, Workload

START = 1_763_910_000.0
NODE = "node-1"
NGINX = "docker.io/library/nginx"
DIGEST = "sha256:" + "a" * 64
OTHER_DIGEST = "sha256:" + "b" * 64


def pull(number: int = 1, **fields: Any) -> Pull:
    """A running pull of nginx, whose name is not known."""
    values = {
        "id": f"{number:012x}",
        "phase": Phase.DOWNLOADING,
        "started_at": START,
        "progressed_at": START + 1,
        "repositories": (NGINX,),
        "target_digest": DIGEST,
        "total_bytes": 1000,
        "downloaded_bytes": 100,
    }
    return Pull(**{**values, **fields})


def pull_row_id(number: int = 1, node: str = NODE) -> str:
    """Return the id of the row of `pull(number)`."""
    return row_id(node, pull(number).id)


def resolving(number: int = 1) -> Pull:
    return pull(
        number, phase=Phase.RESOLVING, repositories=(), target_digest=None, total_bytes=None, downloaded_bytes=0
    )


def ended(number: int = 1, phase: Phase = Phase.COMPLETED, **fields: Any) -> Pull:
    values = {"phase": phase, "ended_at": START + 30, "progressed_at": START + 30, "downloaded_bytes": 1000}
    names = {"names": (f"{NGINX}:1.29",)} if phase is Phase.COMPLETED else {}
    return pull(number, **{**values, **names, **fields})


def pod(
    name: str, *images: str, node: str = NODE, waiting: Iterable[ImageWait] = (), started_at: float | None = None
) -> PodRecord:
    """A pod that waits for these images."""
    waits = [ImageWait(f"c{number}", image, Role.MAIN, "ContainerCreating") for number, image in enumerate(images)]
    return PodRecord(
        "shop", name, f"uid-{name}", node, Workload("shop", "Pod", name), started_at, waiting=(*waiting, *waits)
    )


def kubelet_event(
    pod_name: str,
    image: str,
    at: float,
    container: str | None = "c0",
    kind: EventKind = EventKind.PULLING,
    message: str = "",
    count: int = 1,
) -> EventRecord:
    """An Event of the kubelet on the image of a container."""
    return EventRecord("shop", pod_name, f"uid-{pod_name}", container, kind, image, message, at, count, NODE)


def known(*pods: PodRecord, events: Iterable[EventRecord] = (), now: float = 0.0) -> PodIndex:
    """The pods of a node, as far as pods and Events tell."""
    found = PodIndex()
    for each in pods:
        found.put(each, now)
    for event in events:
        found.apply_event(event, now)
    return found


def pending_images(*pods: PodRecord, events: Iterable[EventRecord] = ()) -> list[PendingImage]:
    """All waits of these pods, on whichever node, in their stable order."""
    found = known(*pods, events=events)
    every = [wait for node in found.nodes for one in found.on_node(node).values() for wait in one.pending]
    return sorted(every, key=lambda wait: wait.key)


def failing(name: str, image: str, message: str | None, reason: str = "ImagePullBackOff") -> PodRecord:
    """A pod whose image could not be pulled."""
    return pod(name, waiting=[ImageWait("c0", image, Role.MAIN, reason, message)])


class Changes:
    """The store's changes, since the last reading."""

    def __init__(self, store: PullStore) -> None:
        self._store = store
        self._sequence = store.snapshot().sequence

    def read(self) -> list[AnyChange]:
        changes = self._store.changes_after(self._sequence)
        assert changes is not None, "the log was cleared"
        self._sequence = self._store.snapshot().sequence
        return list(changes)

    def of_pulls(self) -> list[PullChange]:
        return [change for change in self.read() if isinstance(change, PullChange)]

    def of_pods(self) -> list[PodChange]:
        return [change for change in self.read() if isinstance(change, PodChange)]


class Writer:
    """Leases as agents write them: every one with a version of its own."""

    def __init__(self) -> None:
        self.version = 0

    def lease(
        self,
        *pulls: Pull,
        node: str = NODE,
        recent: tuple[Pull, ...] = (),
        renewed_at: float = START + 60,
        duration_seconds: int | None = 40,
        omitted: int = 0,
        refused: int = 0,
        failed_polls: int = 0,
        junk: str | None = None,
    ) -> LeaseRecord:
        self.version += 1
        told = encode(NodeReport(pulls=pulls, recent=recent, refused_writes=refused, failed_polls=failed_polls))
        if omitted:
            told["pulltrace.io/node"] = f'{{"v":1,"omitted":{omitted}}}'
        if junk is not None:
            told["pull.pulltrace.io/0123456789ab"] = junk
        return LeaseRecord(node, told, "agent", renewed_at, duration_seconds, str(self.version))
