"""The pods that may be waiting, by node, each with its waits: from the watch of pods and from kubelets' Events."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from pulltrace.aggregator.failing import Trouble, trouble
from pulltrace.aggregator.heard import Heard, Said, key_of
from pulltrace.aggregator.waits import Wait, waits_of
from pulltrace.kube.pods import PodRecord

_NOTHING = Said()


@dataclass(slots=True)
class KnownPod:
    """A pod, and what keeps its containers waiting."""

    record: PodRecord
    waits: tuple[Wait, ...] = ()
    troubles: dict[str, Trouble] = field(default_factory=dict)
    """By name of the container (or volume)."""


class KnownPods:
    """Pods by key and by node."""

    def __init__(self) -> None:
        self.heard = Heard()
        self._pods: dict[str, KnownPod] = {}
        self._keys_by_node: dict[str, dict[str, None]] = {}
        self._listed = False
        self._found: set[str] = set()
        """Those that are in no list of the watch."""

    def get(self, key: str) -> KnownPod | None:
        return self._pods.get(key)

    def on(self, node: str) -> Mapping[str, KnownPod]:
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

    def all_listed(self) -> None:
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
            self._pods[key] = KnownPod(record)
            self._keys_by_node.setdefault(record.node, {})[key] = None
        (self._found.add if found else self._found.discard)(key)
        self.look_again(key, now)

    def remove(self, key: str) -> None:
        if (old := self._pods.pop(key, None)) is None:
            return
        self._found.discard(key)
        keys = self._keys_by_node[old.record.node]
        del keys[key]
        if not keys:
            del self._keys_by_node[old.record.node]
        self.heard.forget(old.record.uid)

    def look_again(self, key: str, now: float) -> None:
        """Takes in what was said of a pod."""
        pod = self._pods[key]
        said = self.heard.of(pod.record.uid)
        since = now if self._listed else -math.inf
        found = {
            wait.name: trouble(pod.troubles.get(wait.name), wait, said.get(key_of(wait), _NOTHING), since, now)
            for wait in pod.record.waiting
        }
        pod.troubles = {name: known for name, known in found.items() if known is not None}
        pod.waits = waits_of(pod.record, said, pod.troubles)
