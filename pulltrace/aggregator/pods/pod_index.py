"""The pods that may be waiting, by node, each with its waits: from the watch of pods and from kubelets' Events.

What Events say is kept for known pods only, of images that they wait for, within a budget that namespaces share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from pulltrace.aggregator.pods.early_events import EarlyEvents
from pulltrace.aggregator.pods.event_attribution import counts, names
from pulltrace.aggregator.pods.fair_share import FairShare
from pulltrace.aggregator.pods.image_failures import ImageFailure, trouble
from pulltrace.aggregator.pods.kubelet_event_index import ImagePullStatus, event_image_key, heard, image_key
from pulltrace.aggregator.pods.pending_images import PendingImage, pending_images_of
from pulltrace.kube.resources.kubelet_events import EventRecord
from pulltrace.kube.resources.pending_pods import PodRecord

MAX_STATUS_BYTES = 16 * 1024 * 1024
"""Memory of what Events report: 10,000 failing images with the longest words, or 40,000 requested ones."""

_NOTHING = ImagePullStatus()


@dataclass(slots=True)
class IndexedPod:
    """A pod, and what keeps its containers waiting."""

    record: PodRecord
    waits: tuple[PendingImage, ...] = ()
    troubles: dict[str, ImageFailure] = field(default_factory=dict)
    """By name of the container (or volume)."""
    said: dict[str, ImagePullStatus] = field(default_factory=dict)
    """The reports of Events on each image, by its key; see `heard.key_of`."""

    @property
    def pulled(self) -> bool:
        """Whether Events say that all is there that the status does not show yet."""
        waiting = self.record.waiting
        if not waiting or self.record.more_waiting:
            return False
        return all(self.said.get(image_key(wait), _NOTHING).present for wait in waiting)


class PodIndex:
    """Pods by key and by node."""

    def __init__(self, *, max_status_bytes: int = MAX_STATUS_BYTES) -> None:
        self.events_listed = False
        """All Events that are known to the API server were listed once: what is not among them was, as a rule, not said."""
        self.early = EarlyEvents()
        self._share = FairShare[str](max_status_bytes)
        self._turn = 0
        self._pods: dict[str, IndexedPod] = {}
        self._keys_by_node: dict[str, dict[str, None]] = {}
        self._listed = False
        self._found: set[str] = set()
        """Those that are in no list of the watch."""

    def get(self, key: str) -> IndexedPod | None:
        return self._pods.get(key)

    def on(self, node: str) -> Mapping[str, IndexedPod]:
        """The pods of a node, by key."""
        return {key: self._pods[key] for key in self._keys_by_node.get(node, ())}

    def found(self, key: str) -> bool:
        """Whether a pod is known, but not from the watch."""
        return key in self._found

    @property
    def nodes(self) -> tuple[str, ...]:
        """Those with pods."""
        return tuple(self._keys_by_node)

    @property
    def waiting(self) -> int:
        """How many wait for an image, as far as is known."""
        return sum(bool(pod.waits) for pod in self._pods.values())

    @property
    def size_bytes(self) -> int:
        """Estimated memory of the kept Events."""
        return self._share.total + self.early.size_bytes

    def mark_listed(self) -> None:
        """What comes from now on is news; failures that were there before have been told before."""
        self._listed = True

    def changed(self, listed: Mapping[str, PodRecord]) -> list[str]:
        """The keys of the pods that a list changes."""
        keys = listed.keys() | (self._pods.keys() - self._found)
        return [key for key in keys if (pod := self._pods.get(key)) is None or listed.get(key) != pod.record]

    def put(self, record: PodRecord, now: float, *, found: bool = False) -> None:
        """`found`: it was looked up, and is not among those that are watched."""
        key = record.key
        old = self._pods.get(key)
        if old is not None and old.record.uid == record.uid and old.record.node == record.node:
            old.record = record
        else:
            self.remove(key)
            self._pods[key] = IndexedPod(record)
            self._keys_by_node.setdefault(record.node, {})[key] = None
        (self._found.add if found else self._found.discard)(key)
        pod = self._pods[key]
        expected = {image_key(wait) for wait in record.waiting}
        pod.said = {image: said for image, said in pod.said.items() if image in expected}
        for event in self.early.take(key, now):
            if names(event, record):
                self._take(pod, event)
        self._keep_to_budget(pod)
        self._update_pending(pod, now)

    def remove(self, key: str) -> None:
        if (old := self._pods.pop(key, None)) is None:
            return
        self._found.discard(key)
        keys = self._keys_by_node[old.record.node]
        del keys[key]
        if not keys:
            del self._keys_by_node[old.record.node]
        self._share.remove(old.record.namespace, key)

    def take(self, event: EventRecord, now: float) -> IndexedPod | None:
        """Take in an Event. Return the pod that it counts for, if it is known and the Event is news."""
        pod = self._pods.get(event.pod_key)
        if pod is None or not names(event, pod.record):
            self.early.put(event, now)
            return None
        if not self._take(pod, event):
            return None
        self._keep_to_budget(pod)
        self._update_pending(pod, now)
        return pod

    def _take(self, pod: IndexedPod, event: EventRecord) -> bool:
        """Whether an Event that names a pod is news of an image that it waits for."""
        key = event_image_key(event)
        if not counts(event, pod.record) or all(key != image_key(wait) for wait in pod.record.waiting):
            return False
        before = pod.said.get(key, _NOTHING)
        self._turn += 1
        after = heard(before, event, self._turn)
        if after == before:
            return False
        pod.said[key] = after
        return True

    def _keep_to_budget(self, pod: IndexedPod) -> None:
        """Keep to the budget. What is dropped is shown until its pod changes the next time."""
        namespace, key = pod.record.namespace, pod.record.key
        if not pod.said:
            self._share.remove(namespace, key)
            return
        for dropped in self._share.put(namespace, key, sum(said.size_bytes for said in pod.said.values())):
            self._pods[dropped].said = {}

    def _update_pending(self, pod: IndexedPod, now: float) -> None:
        """Work out what a pod waits for, from its record and what was said of it."""
        said = pod.said
        since = now if self._listed else -math.inf
        found = {
            wait.name: trouble(pod.troubles.get(wait.name), wait, said.get(image_key(wait), _NOTHING), since, now)
            for wait in pod.record.waiting
        }
        pod.troubles = {name: known for name, known in found.items() if known is not None}
        pod.waits = pending_images_of(pod.record, said, pod.troubles)
