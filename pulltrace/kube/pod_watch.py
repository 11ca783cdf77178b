"""The watch of the pods that wait: over the whole cluster, or one for each namespace that we may read.

Several watches become one by keeping what each has told: a list of one namespace then says all that is known
of the others, too, and whoever reads sees one watch of one set of pods.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeAlias
from urllib.parse import quote

from pulltrace.kube.backoff import Timing
from pulltrace.kube.connection import Connection
from pulltrace.kube.leases import Gone, Listed, Put, WatchEvent
from pulltrace.kube.pods import PodRecord, pod_key, pod_record
from pulltrace.kube.watching import Resource, Watch, WatchHealth

SELECTOR = "status.phase=Pending,spec.nodeName!="
"""Scheduled, and not all containers created."""

_Told: TypeAlias = tuple[str, WatchEvent[PodRecord]] | Exception


class KubePodWatch:
    """`PodWatching` over the API server."""

    def __init__(self, connection: Connection, namespaces: Sequence[str] = (), *, timing: Timing | None = None) -> None:
        self._api = connection
        self._timing = timing
        self._namespaces = tuple(dict.fromkeys(namespaces)) or ("",)
        self.healths = tuple(WatchHealth(_name(namespace)) for namespace in self._namespaces)
        """One for each namespace; one for all when there is no list of namespaces."""

    async def watch(self) -> AsyncGenerator[WatchEvent[PodRecord], None]:
        if len(self._namespaces) == 1:
            async with aclosing(self._watch(self._namespaces[0], self.healths[0]).events()) as events:
                async for event in events:
                    yield event
            return
        # Small: a watch that is ahead of the reader waits, and the API server keeps what it has not read.
        told: asyncio.Queue[_Told] = asyncio.Queue(maxsize=100)
        tasks = [
            asyncio.create_task(_forward(namespace, self._watch(namespace, health), told))
            for namespace, health in zip(self._namespaces, self.healths, strict=True)
        ]
        known: dict[str, dict[str, PodRecord]] = {namespace: {} for namespace in self._namespaces}
        try:
            while True:
                heard = await told.get()
                if isinstance(heard, Exception):
                    raise heard  # a mistake of ours: a watch does not end for any other reason
                namespace, event = heard
                match event:
                    case Listed(items):
                        known[namespace] = {pod.key: pod for pod in items}
                        yield Listed(tuple(pod for pods in known.values() for pod in pods.values()))
                        continue
                    case Put(pod):
                        known[namespace][pod.key] = pod
                    case Gone(key):
                        known[namespace].pop(key, None)
                yield event
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _watch(self, namespace: str, health: WatchHealth) -> Watch[PodRecord]:
        resource = Resource(
            name=health.resource,
            path=f"/api/v1/namespaces/{quote(namespace, safe='')}/pods" if namespace else "/api/v1/pods",
            parse=pod_record,
            key=pod_key,
            permission=f"list and watch pods in {f'namespace {namespace}' if namespace else 'all namespaces'}",
            selectors={"fieldSelector": SELECTOR},
        )
        return Watch(self._api, resource, health=health, timing=self._timing)


def _name(namespace: str) -> str:
    return f"pods of {namespace}" if namespace else "pods"


async def _forward(namespace: str, watch: Watch[PodRecord], told: asyncio.Queue[_Told]) -> None:
    try:
        async with aclosing(watch.events()) as events:
            async for event in events:
                await told.put((namespace, event))
    except Exception as error:
        await told.put(error)
