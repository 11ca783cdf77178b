"""The aggregator's tasks: follow the Leases and the pods, let time pass, serve, and, where it leads, set the pace."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from pulltrace.aggregator.cluster import Cluster
from pulltrace.aggregator.metrics import Metrics
from pulltrace.aggregator.pacing import Electing, Pacing
from pulltrace.aggregator.store import PullStore
from pulltrace.kube.leases import LeaseWatching
from pulltrace.kube.pods import PodWatching
from pulltrace.server.app import create_app
from pulltrace.server.metrics_app import create_metrics_app
from pulltrace.server.serving import serve

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class AggregatorSettings:
    """What the aggregator needs to know."""

    http_addr: str
    metrics_addr: str
    history_seconds: float
    writes_per_second: float = 100.0
    """What all agents together may write to their Leases."""


async def run(
    settings: AggregatorSettings,
    leases: LeaseWatching,
    pods: PodWatching | None,
    stop: asyncio.Event,
    listening: Callable[[int], None] = lambda port: None,
    elector: Electing | None = None,
) -> None:
    """Serves until `stop` is set. `pods` and `elector` are None where there is no Kubernetes. Raises `AddressError`."""
    store = PullStore()
    cluster = Cluster(store, settings.history_seconds)
    lists = _Lists(leases=False, pods=pods is None)
    app = create_app(store, ready=lambda: lists.missing)
    metrics = Metrics(store, cluster, lambda: app.stream.clients)
    async with asyncio.TaskGroup() as tasks:
        followers = [
            tasks.create_task(_follow_leases(leases, cluster, metrics, lists)),
            tasks.create_task(_tick(cluster, metrics)),
        ]
        if pods is not None:
            followers.append(tasks.create_task(_follow_pods(pods, cluster, metrics, lists)))
        if elector is not None:
            pacing = Pacing(
                elector, cluster, settings.writes_per_second,
                streams=lambda: app.stream.clients, requests=lambda: app.pulls.answers, synced=lambda: lists.leases,
            )  # fmt: skip
            followers.append(tasks.create_task(pacing.run()))
        tasks.create_task(serve(app, settings.http_addr, setting="--http-addr", ready=listening, stop=stop))
        tasks.create_task(
            serve(create_metrics_app(metrics.registry), settings.metrics_addr, setting="--metrics-addr", stop=stop)
        )
        await stop.wait()
        store.close()
        for follower in followers:
            follower.cancel()


@dataclass(slots=True)
class _Lists:
    """Which lists have come in."""

    leases: bool
    pods: bool

    @property
    def missing(self) -> str | None:
        """What readiness waits for."""
        if not self.leases:
            return "the Leases have not been listed yet"
        return None if self.pods else "the pods have not been listed yet"


async def _follow_leases(leases: LeaseWatching, cluster: Cluster, metrics: Metrics, lists: _Lists) -> None:
    async for event in leases.watch():
        changes = cluster.lease_event(event, time.monotonic())
        if lists.leases:  # what the first list tells has happened, and was counted, before
            metrics.count(changes)
        lists.leases = True


async def _follow_pods(pods: PodWatching, cluster: Cluster, metrics: Metrics, lists: _Lists) -> None:
    async for event in pods.watch():
        metrics.count(cluster.pod_event(event, time.monotonic()))
        lists.pods = True


async def _tick(cluster: Cluster, metrics: Metrics) -> None:
    while True:
        metrics.count(cluster.tick(time.monotonic()))
        await asyncio.sleep(TICK_SECONDS)
