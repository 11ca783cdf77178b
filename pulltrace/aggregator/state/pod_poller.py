"""Polls pods that wait for an image and that the watch does not report: those that run already.

The watch of pods reports pods that have not started yet. When an Event reports a pull for another pod (an ephemeral
container, a container with a new image), that pod is polled by its name every few seconds until it has its image.
Polls are bounded: a pod beyond the limit has no row. Authors of Events can invent names, so each namespace has a share.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from pulltrace.aggregator.pods.event_attribution import is_credible, names_pod
from pulltrace.aggregator.pods.namespace_budget import NamespaceBudget
from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.kube.errors import KubeError
from pulltrace.kube.resources.kubelet_events import EventKind, KubeletEvent
from pulltrace.kube.resources.pending_pods import PodRecord

FIRST_SECONDS = 2.0
"""A quick pull has ended by then, and the watch has reported a new pod."""
AGAIN_SECONDS = 5.0
TICK_SECONDS = 1.0
MAX_PODS = 200
MAX_REQUESTS_PER_TICK = 10
MAX_REQUESTS_PER_NAMESPACE = 2
"""In a tick; the namespace's other pods wait for the next one."""
START_SECONDS = 1.0
"""After an Event reports the image as present, the kubelet creates the container and writes the status."""

_log = logging.getLogger(__name__)

FindPod: TypeAlias = Callable[[str, str], Awaitable[PodRecord | None]]
"""Finds a pod in any phase by namespace and name; None for no such pod. Raises `KubeError`."""


class PodPoller:
    """The pods to poll."""

    def __init__(
        self, find_pod: FindPod, cluster: ClusterState, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._find_pod = find_pod
        self._cluster = cluster
        self._monotonic = monotonic
        self._scheduled: dict[tuple[str, str], tuple[float, KubeletEvent]] = {}
        """Time of the next poll, and the last Event, by namespace and name."""
        self._share = NamespaceBudget[tuple[str, str]](MAX_PODS)

    def add_event(self, event: KubeletEvent) -> None:
        """Schedule a poll of the pod that an Event is about."""
        key = event.namespace, event.pod
        if event.kind is EventKind.PULLED:
            if key in self._scheduled and self._scheduled[key][1].pod_uid == event.pod_uid:
                self._scheduled[key] = self._monotonic() + START_SECONDS, event
        elif key not in self._scheduled and event.pod_uid and event.node and not self._cluster.watches(*key):
            now = self._monotonic()
            if self._cluster.is_possible(event, now):
                self._schedule(key, now + FIRST_SECONDS, event)

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self.poll()
            await asyncio.sleep(TICK_SECONDS)

    async def poll(self) -> None:
        """Poll the pods whose time has come."""
        now = self._monotonic()
        for key in self._next(now):
            _, event = self._scheduled.pop(key)
            self._share.remove(key[0], key)
            if self._cluster.watches(*key):
                continue
            try:
                pod = await self._find_pod(*key)
            except KubeError as error:
                _log.debug("poll of pod %s/%s failed: %s", *key, error)
                self._schedule(key, now + AGAIN_SECONDS, event)
                continue
            if pod is None or not pod.node:
                self._cluster.remove_polled_pod("/".join(key), self._monotonic())
            elif not self._cluster.watches(*key) and names_pod(event, pod) and is_credible(event, pod):
                self._cluster.put_polled_pod(pod, self._monotonic())
                if pod.waiting:
                    self._schedule(key, now + AGAIN_SECONDS, event)

    def _schedule(self, key: tuple[str, str], at: float, event: KubeletEvent) -> None:
        self._scheduled[key] = at, event
        for evicted in self._share.put(key[0], key, 1):
            del self._scheduled[evicted]
            self._cluster.remove_polled_pod("/".join(evicted), self._monotonic())

    def _next(self, now: float) -> list[tuple[str, str]]:
        """Return the pods to poll in this tick: a few of each namespace."""
        requests: dict[str, int] = {}
        chosen = []
        for key in [key for key, (at, _) in self._scheduled.items() if at <= now]:
            requests[key[0]] = requests.get(key[0], 0) + 1
            if requests[key[0]] <= MAX_REQUESTS_PER_NAMESPACE:
                chosen.append(key)
        # The pods that waited longest come first: a pod that is scheduled again comes last.
        return chosen[:MAX_REQUESTS_PER_TICK]
