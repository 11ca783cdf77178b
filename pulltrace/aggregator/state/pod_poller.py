"""Pods that kubelets pull for, and that are not watched: an ephemeral container, a container with another image.

The watch of pods sees those that have not started yet. When an Event tells of a pull for any other pod, that pod is
looked up by its name, and again every few seconds for as long as it waits for an image. Both are bounded: who finds no
room is not shown, which is what happens without this module, too. Authors of Events can invent names, so each
namespace has a share of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from pulltrace.aggregator.pods.event_attribution import counts, names
from pulltrace.aggregator.pods.fair_share import FairShare
from pulltrace.aggregator.state.cluster_state import Cluster
from pulltrace.kube.errors import KubeError
from pulltrace.kube.resources.kubelet_events import EventKind, EventRecord
from pulltrace.kube.resources.pending_pods import PodRecord

FIRST_SECONDS = 2.0
"""A quick pull is over by then, and a new pod is known from the watch."""
AGAIN_SECONDS = 5.0
TICK_SECONDS = 1.0
MAX_PODS = 200
MAX_REQUESTS_A_TICK = 10
MAX_REQUESTS_OF_A_NAMESPACE = 2
"""In a tick; the others of it wait for the next."""
STARTS_SECONDS = 1.0
"""After an Event says that the image is there, the kubelet creates the container and writes the status."""

_log = logging.getLogger(__name__)


class PodLooking(Protocol):
    """Where a pod can be looked up in whatever phase it is (`kube.resources.pod_lister.PodLister`)."""

    async def find(self, namespace: str, name: str) -> PodRecord | None:
        """None when there is no such pod. Raises `KubeError`."""


class Lookups:
    """The pods to look up."""

    def __init__(self, pods: PodLooking, cluster: Cluster, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pods = pods
        self._cluster = cluster
        self._monotonic = monotonic
        self._due: dict[tuple[str, str], tuple[float, EventRecord]] = {}
        """When each is due, and what told of it."""
        self._share = FairShare[tuple[str, str]](MAX_PODS)

    def heard(self, event: EventRecord) -> None:
        """An Event has come in."""
        key = event.namespace, event.pod
        if event.kind is EventKind.PULLED:
            if key in self._due and self._due[key][1].pod_uid == event.pod_uid:
                self._due[key] = self._monotonic() + STARTS_SECONDS, event
        elif key not in self._due and event.pod_uid and event.node and not self._cluster.watches(*key):
            self._put(key, self._monotonic() + FIRST_SECONDS, event)

    async def run(self) -> None:
        """Looks up what is due until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(TICK_SECONDS)

    async def look(self) -> None:
        """Looks up what is due now."""
        now = self._monotonic()
        for key in self._next(now):
            _, event = self._due.pop(key)
            self._share.remove(key[0], key)
            if self._cluster.watches(*key):
                continue
            try:
                found = await self._pods.find(*key)
            except KubeError as error:
                _log.debug("pod %s/%s could not be looked up: %s", *key, error)
                self._put(key, now + AGAIN_SECONDS, event)
                continue
            if found is None or not found.node:
                self._cluster.pod_lost("/".join(key), self._monotonic())
            elif not self._cluster.watches(*key) and names(event, found) and counts(event, found):
                self._cluster.pod_found(found, self._monotonic())
                if found.waiting:
                    self._put(key, now + AGAIN_SECONDS, event)

    def _put(self, key: tuple[str, str], at: float, event: EventRecord) -> None:
        self._due[key] = at, event
        for dropped in self._share.put(key[0], key, 1):
            del self._due[dropped]
            self._cluster.pod_lost("/".join(dropped), self._monotonic())

    def _next(self, now: float) -> list[tuple[str, str]]:
        """The pods to look up in this tick: a few of each namespace."""
        turns: dict[str, int] = {}
        chosen = []
        for key in [key for key, (at, _) in self._due.items() if at <= now]:
            turns[key[0]] = turns.get(key[0], 0) + 1
            if turns[key[0]] <= MAX_REQUESTS_OF_A_NAMESPACE:
                chosen.append(key)
        # Those that waited longest come first: whatever is put again comes last.
        return chosen[:MAX_REQUESTS_A_TICK]
