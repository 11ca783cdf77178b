"""Events that arrive before their pod: kept for a minute in a few MiB, until the watch reports the pod. Pure."""

from __future__ import annotations

from collections import OrderedDict

from pulltrace.aggregator.pods.namespace_budget import NamespaceBudget, text_bytes
from pulltrace.kube.resources.kubelet_events import KubeletEvent

HOLD_SECONDS = 60.0
"""The watch usually reports a pod within a second, and within half a minute while it reconnects."""
MAX_BYTES = 4 * 1024 * 1024
"""About 6,000 Events of kubelets."""
_RECORD_BYTES = 600
"""Memory of an Event without its texts."""


class EarlyEvents:
    """Events whose pod is not known yet."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._events: OrderedDict[int, tuple[float, KubeletEvent]] = OrderedDict()
        """Arrival time and Event, by number."""
        self._numbers: dict[str, list[int]] = {}
        """The numbers of a pod's Events, by the key of the pod."""
        self._share = NamespaceBudget[int](max_bytes)
        self._count = 0

    def __len__(self) -> int:
        return len(self._events)

    @property
    def size_bytes(self) -> int:
        """Estimated memory of the Events."""
        return self._share.total

    def add(self, event: KubeletEvent, now: float) -> None:
        self.expire(now)
        self._count += 1
        self._events[self._count] = now, event
        self._numbers.setdefault(event.pod_key, []).append(self._count)
        for number in self._share.put(event.namespace, self._count, _size(event)):
            self._delete(number)

    def pop(self, key: str, now: float) -> list[KubeletEvent]:
        """Remove and return the Events of a pod, in the order of their arrival."""
        self.expire(now)
        return [self._delete(number) for number in list(self._numbers.get(key, ()))]

    def expire(self, now: float) -> None:
        """Delete Events older than `HOLD_SECONDS`."""
        while self._events:
            number, (since, _) = next(iter(self._events.items()))
            if since + HOLD_SECONDS > now:
                return
            self._delete(number)

    def _delete(self, number: int) -> KubeletEvent:
        _, event = self._events.pop(number)
        self._share.remove(event.namespace, number)
        numbers = self._numbers[event.pod_key]
        numbers.remove(number)
        if not numbers:
            del self._numbers[event.pod_key]
        return event


def _size(event: KubeletEvent) -> int:
    texts = (event.namespace, event.pod, event.pod_uid, event.container, event.image, event.message, event.node)
    return _RECORD_BYTES + sum(text_bytes(text) for text in texts if text)
