"""The pods that may be waiting, by node, with their pending images: from the watch of pods and from kubelets' Events.

Events are kept for known pods and for their pending images only, within a budget that namespaces share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from pulltrace.aggregator.pods.early_events import EarlyEvents
from pulltrace.aggregator.pods.event_attribution import is_credible, names_pod
from pulltrace.aggregator.pods.image_failures import ImageFailure, update_failure
from pulltrace.aggregator.pods.image_pull_status import (
    NO_EVENTS,
    ImagePullStatus,
    apply_event,
    event_image_key,
    image_key,
)
from pulltrace.aggregator.pods.namespace_budget import NamespaceBudget
from pulltrace.aggregator.pods.pending_images import PendingImage, pending_images_of
from pulltrace.kube.resources.kubelet_events import KubeletEvent
from pulltrace.kube.resources.pending_pods import PodRecord

MAX_STATUS_BYTES = 16 * 1024 * 1024
"""Memory of kept Events: 10,000 failing images with the longest messages, or 40,000 requested ones."""


@dataclass(slots=True)
class IndexedPod:
    """A pod and its pending images."""

    record: PodRecord
    pending: tuple[PendingImage, ...] = ()
    failures: dict[str, ImageFailure] = field(default_factory=dict)
    """By name of the container (or volume)."""
    events: dict[str, ImagePullStatus] = field(default_factory=dict)
    """By key of the image; see `image_key`."""

    @property
    def all_pulled(self) -> bool:
        """Whether Events report all its images as present, before the status does."""
        waiting = self.record.waiting
        if not waiting or self.record.more_waiting:
            return False
        return all(self.events.get(image_key(wait), NO_EVENTS).present for wait in waiting)


class PodIndex:
    """Pods by key and by node."""

    def __init__(self, *, max_status_bytes: int = MAX_STATUS_BYTES) -> None:
        self.events_listed = False
        """Whether all Events of the API server were listed once. An image without an Event was then not requested."""
        self.early = EarlyEvents()
        self._share = NamespaceBudget[str](max_status_bytes)
        self._last_seq = 0
        self._pods: dict[str, IndexedPod] = {}
        self._keys_by_node: dict[str, dict[str, None]] = {}
        self._listed = False
        self._polled: set[str] = set()

    def get(self, key: str) -> IndexedPod | None:
        return self._pods.get(key)

    def on_node(self, node: str) -> Mapping[str, IndexedPod]:
        """Return the pods of a node, by key."""
        return {key: self._pods[key] for key in self._keys_by_node.get(node, ())}

    def is_polled(self, key: str) -> bool:
        """Return whether a pod is known, but not from the watch."""
        return key in self._polled

    @property
    def nodes(self) -> tuple[str, ...]:
        """Nodes with pods."""
        return tuple(self._keys_by_node)

    @property
    def waiting(self) -> int:
        """Number of pods that wait for an image."""
        return sum(bool(pod.pending) for pod in self._pods.values())

    @property
    def size_bytes(self) -> int:
        """Estimated memory of the kept Events."""
        return self._share.total + self.early.size_bytes

    def mark_listed(self) -> None:
        """Count failures from now on as new; earlier ones are older than this aggregator."""
        self._listed = True

    def changed(self, listed: Mapping[str, PodRecord]) -> list[str]:
        """Return the keys of the pods that a list changes."""
        keys = listed.keys() | (self._pods.keys() - self._polled)
        return [key for key in keys if (pod := self._pods.get(key)) is None or listed.get(key) != pod.record]

    def put(self, record: PodRecord, now: float, *, polled: bool = False) -> None:
        """Add or update a pod. `polled`: it was polled, and the watch does not report it."""
        key = record.key
        old = self._pods.get(key)
        if old is not None and old.record.uid == record.uid and old.record.node == record.node:
            old.record = record
        else:
            self.remove(key)
            self._pods[key] = IndexedPod(record)
            self._keys_by_node.setdefault(record.node, {})[key] = None
        (self._polled.add if polled else self._polled.discard)(key)
        pod = self._pods[key]
        waiting = {image_key(wait) for wait in record.waiting}
        pod.events = {image: status for image, status in pod.events.items() if image in waiting}
        for event in self.early.pop(key, now):
            if names_pod(event, record):
                self._apply(pod, event)
        self._keep_to_budget(pod)
        self._update_pending(pod, now)

    def remove(self, key: str) -> None:
        if (old := self._pods.pop(key, None)) is None:
            return
        self._polled.discard(key)
        keys = self._keys_by_node[old.record.node]
        del keys[key]
        if not keys:
            del self._keys_by_node[old.record.node]
        self._share.remove(old.record.namespace, key)

    def apply_event(self, event: KubeletEvent, now: float) -> IndexedPod | None:
        """Apply an Event. Return the pod that it changes; None for no known pod."""
        pod = self._pods.get(event.pod_key)
        if pod is None or not names_pod(event, pod.record):
            self.early.add(event, now)
            return None
        if not self._apply(pod, event):
            return None
        self._keep_to_budget(pod)
        self._update_pending(pod, now)
        return pod

    def _apply(self, pod: IndexedPod, event: KubeletEvent) -> bool:
        """Apply an Event to the pod that it names. Return whether it changes a pending image."""
        key = event_image_key(event)
        if not is_credible(event, pod.record) or all(key != image_key(wait) for wait in pod.record.waiting):
            return False
        before = pod.events.get(key, NO_EVENTS)
        self._last_seq += 1
        after = apply_event(before, event, self._last_seq)
        if after == before:
            return False
        pod.events[key] = after
        return True

    def _keep_to_budget(self, pod: IndexedPod) -> None:
        """Evict what exceeds the budget. An evicted pod's row stays as it is until the pod's next change."""
        namespace, key = pod.record.namespace, pod.record.key
        if not pod.events:
            self._share.remove(namespace, key)
            return
        for evicted in self._share.put(namespace, key, sum(status.size_bytes for status in pod.events.values())):
            self._pods[evicted].events = {}

    def _update_pending(self, pod: IndexedPod, now: float) -> None:
        """Derive a pod's pending images from its record and its Events."""
        since = now if self._listed else -math.inf
        failures = {
            wait.name: update_failure(
                pod.failures.get(wait.name), wait, pod.events.get(image_key(wait), NO_EVENTS), since, now
            )
            for wait in pod.record.waiting
        }
        pod.failures = {name: failure for name, failure in failures.items() if failure is not None}
        pod.pending = pending_images_of(pod.record, pod.events, pod.failures)
