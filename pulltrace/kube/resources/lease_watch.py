"""The aggregator's half of the bus in a cluster: all Leases that agents have written, and how they change."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from pulltrace.kube.client.aiohttp_client import Connection
from pulltrace.kube.client.retry import Timing
from pulltrace.kube.decoding.object_fields import LEASE
from pulltrace.kube.resources.lease_store import LABELS, lease_record, leases_path
from pulltrace.kube.resources.leases import LeaseRecord
from pulltrace.kube.watch.reflector import Resource, Watch, WatchHealth
from pulltrace.kube.watch.watch_events import WatchEvent


class KubeLeaseWatch:
    """`LeaseWatching` over the API server."""

    def __init__(self, connection: Connection, namespace: str, *, timing: Timing | None = None) -> None:
        self.health = WatchHealth("leases")
        self._api = connection
        self._timing = timing
        self._resource = Resource(
            name="leases",
            path=leases_path(namespace),
            parse=lease_record,
            permission=f"list and watch leases.coordination.k8s.io in namespace {namespace}",
            selectors={"labelSelector": ",".join(f"{key}={value}" for key, value in LABELS.items())},
            shape=LEASE,
        )

    async def watch(self) -> AsyncGenerator[WatchEvent[LeaseRecord], None]:
        watch = Watch(self._api, self._resource, health=self.health, timing=self._timing)
        async with aclosing(watch.events()) as events:
            async for event in events:
                yield event
