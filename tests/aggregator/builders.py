"""The aggregator's index of pods, pending images, store and changes, for its tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pulltrace.aggregator.pods.pending_images import PendingImage
from pulltrace.aggregator.pods.pod_index import PodIndex
from pulltrace.aggregator.rows.row_ids import row_id
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.resources.kubelet_events import KubeletEvent
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.pulls.view import AnyChange, PodChange, PodView, PullChange, PullView
from tests.builders.pods import NODE
from tests.builders.pulls import pull


def pod_index(*pods: PodRecord, events: Iterable[KubeletEvent] = (), now: float = 0.0) -> PodIndex:
    """Return the index of these pods after these Events."""
    index = PodIndex()
    for each in pods:
        index.put(each, now)
    for event in events:
        index.apply_event(event, now)
    return index


def pending_images(*pods: PodRecord, events: Iterable[KubeletEvent] = ()) -> list[PendingImage]:
    """Return the pending images of these pods on all nodes, in their stable order."""
    index = pod_index(*pods, events=events)
    every = [image for node in index.nodes for one in index.on_node(node).values() for image in one.pending]
    return sorted(every, key=lambda image: image.key)


def pull_row_id(number: int = 1, node: str = NODE) -> str:
    """Return the id of the row of `pull(number)`."""
    return row_id(node, pull(number).id)


def store_of(views: Sequence[PullView] = (), waiting: Sequence[PodView] = ()) -> PullStore:
    """Return a store that holds these rows."""
    store = PullStore()
    store.replace_pulls((), {view.id: view for view in views})
    store.replace_pods((), {pod.id: pod for pod in waiting})
    return store


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
