"""Pods that kubelets pull for, and that are not watched: an ephemeral container, a container with another image.

The watch of pods sees those that have not started yet. When an Event tells of a pull for any other pod, that pod is
looked up by its name, and again every few seconds for as long as it waits for an image. Both are bounded: who finds no
room is not shown, which is what happens without this module, too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from pulltrace.aggregator.cluster import Cluster
from pulltrace.kube.errors import KubeError
from pulltrace.kube.events import EventKind, EventRecord
from pulltrace.kube.pods import PodRecord

FIRST_SECONDS = 2.0
"""A quick pull is over by then, and a new pod is known from the watch."""
AGAIN_SECONDS = 5.0
TICK_SECONDS = 1.0
MAX_PODS = 200
MAX_REQUESTS_A_TICK = 10

_log = logging.getLogger(__name__)


class PodLooking(Protocol):
    """Where a pod can be looked up in whatever phase it is (`kube.pod_lookup.KubePodLookup`)."""

    async def find(self, namespace: str, name: str) -> PodRecord | None:
        """None when there is no such pod. Raises `KubeError`."""


class Lookups:
    """The pods to look up."""

    def __init__(self, pods: PodLooking, cluster: Cluster, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pods = pods
        self._cluster = cluster
        self._monotonic = monotonic
        self._due_at: dict[tuple[str, str], float] = {}

    def heard(self, event: EventRecord) -> None:
        """An Event has come in."""
        key = event.namespace, event.pod
        if event.kind is EventKind.PULLED:
            if key in self._due_at:
                self._due_at[key] = self._monotonic()
        elif key not in self._due_at and len(self._due_at) < MAX_PODS and not self._cluster.watches(*key):
            self._due_at[key] = self._monotonic() + FIRST_SECONDS

    async def run(self) -> None:
        """Looks up what is due until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(TICK_SECONDS)

    async def look(self) -> None:
        """Looks up what is due now."""
        now = self._monotonic()
        due = [key for key, at in self._due_at.items() if at <= now][:MAX_REQUESTS_A_TICK]
        for key in due:
            del self._due_at[key]
            if self._cluster.watches(*key):
                continue
            try:
                found = await self._pods.find(*key)
            except KubeError as error:
                _log.debug("pod %s/%s could not be looked up: %s", *key, error)
                self._due_at[key] = now + AGAIN_SECONDS
                continue
            if found is None or not found.node:
                self._cluster.pod_lost("/".join(key), self._monotonic())
            elif not self._cluster.watches(*key):
                self._cluster.pod_found(found, self._monotonic())
                if found.waiting:
                    self._due_at[key] = now + AGAIN_SECONDS
