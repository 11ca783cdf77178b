"""The watch of the kubelets' Events about images, over the whole cluster or over some namespaces."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from pulltrace.kube.client.aiohttp_client import Connection
from pulltrace.kube.client.retry import Timing
from pulltrace.kube.decoding.object_fields import MAX_EVENT_BYTES
from pulltrace.kube.resources.kubelet_events import EventRecord, event_record, worth_reading
from pulltrace.kube.watch.multi_namespace import NamespacedWatch
from pulltrace.kube.watch.reflector import Resource
from pulltrace.kube.watch.watch_events import WatchEvent

UNWANTED = (
    "Created",
    "Started",
    "Killing",
    "Unhealthy",
    "ProbeWarning",
    "SandboxChanged",
    "DNSConfigForming",
    "FailedMount",
    "FailedCreatePodSandBox",
    "FailedSync",
)
"""What kubelets write most beside what we look for: a field selector can only leave out, not choose one of several."""

SELECTOR = ",".join(
    ("involvedObject.kind=Pod", "source=kubelet", *(f"reason!={reason}" for reason in UNWANTED)),
)

_RESOURCE = Resource(
    name="events",
    path="/api/v1/events",
    parse=event_record,
    permission="list and watch events",
    selectors={"fieldSelector": SELECTOR},
    wanted=worth_reading,
    max_bytes=MAX_EVENT_BYTES,
    news=True,
)


class KubeEventWatch:
    """`EventWatching` over the API server."""

    def __init__(self, connection: Connection, namespaces: Sequence[str] = (), *, timing: Timing | None = None) -> None:
        self._watch = NamespacedWatch(connection, _RESOURCE, namespaces, key=None, timing=timing)
        self.healths = self._watch.healths
        """One for each namespace; one for all when there is no list of namespaces."""

    async def watch(self) -> AsyncGenerator[WatchEvent[EventRecord], None]:
        async with aclosing(self._watch.watch()) as events:
            async for event in events:
                yield event
