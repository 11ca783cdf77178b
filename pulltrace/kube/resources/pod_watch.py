"""The watch of the pods that wait, over the whole cluster or over some namespaces."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from pulltrace.kube.client.aiohttp_client import Connection
from pulltrace.kube.client.retry import Timing
from pulltrace.kube.decoding.object_fields import POD
from pulltrace.kube.resources.pending_pods import PODS_PATH, PodRecord, pod_key, pod_record
from pulltrace.kube.watch.multi_namespace import NamespacedWatch
from pulltrace.kube.watch.reflector import Resource
from pulltrace.kube.watch.watch_events import WatchEvent

SELECTOR = "status.phase=Pending,spec.nodeName!="
"""Scheduled, and not all containers created."""

_RESOURCE = Resource(
    name="pods",
    path=PODS_PATH,
    parse=pod_record,
    key=pod_key,
    permission="list and watch pods",
    selectors={"fieldSelector": SELECTOR},
    shape=POD,
)


class KubePodWatch:
    """`PodWatching` over the API server."""

    def __init__(self, connection: Connection, namespaces: Sequence[str] = (), *, timing: Timing | None = None) -> None:
        self._watch = NamespacedWatch(connection, _RESOURCE, namespaces, key=lambda pod: pod.key, timing=timing)
        self.healths = self._watch.healths
        """One for each namespace; one for all when there is no list of namespaces."""

    async def watch(self) -> AsyncGenerator[WatchEvent[PodRecord], None]:
        async with aclosing(self._watch.watch()) as events:
            async for event in events:
                yield event
