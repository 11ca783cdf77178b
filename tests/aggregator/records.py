"""What the aggregator makes of pods, Events and rows, for its tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pulltrace.aggregator.pods.pending_images import Wait
from pulltrace.aggregator.pods.pod_index import KnownPods
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.resources.kubelet_events import EventRecord
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.pulls.view import PodView, PullView


def known(*pods: PodRecord, events: Iterable[EventRecord] = (), now: float = 0.0) -> KnownPods:
    """Return the index of these pods after these Events."""
    found = KnownPods()
    for each in pods:
        found.put(each, now)
    for event in events:
        found.take(event, now)
    return found


def waits(*pods: PodRecord, events: Iterable[EventRecord] = ()) -> list[Wait]:
    """Return the pending images of these pods on all nodes, in their stable order."""
    found = known(*pods, events=events)
    every = [wait for node in found.nodes for one in found.on(node).values() for wait in one.waits]
    return sorted(every, key=lambda wait: wait.key)


def store_of(views: Sequence[PullView] = (), waiting: Sequence[PodView] = ()) -> PullStore:
    """Return a store that holds these rows."""
    store = PullStore()
    store.replace((), {view.id: view for view in views})
    store.replace_pods((), {pod.id: pod for pod in waiting})
    return store
