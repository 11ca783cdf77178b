"""The aggregator's tasks: follow the Leases and the pods, let time pass, serve, and, where it leads, set the pace and
say in Kubernetes Events how far pulls are.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pulltrace.aggregator.leader.event_planner import EventPlanner
from pulltrace.aggregator.leader.event_publisher import EventPublisher
from pulltrace.aggregator.leader.interval_controller import IntervalController
from pulltrace.aggregator.metrics.active_pulls import ActivePulls
from pulltrace.aggregator.metrics.collectors import Metrics
from pulltrace.aggregator.metrics.gauges import Process
from pulltrace.aggregator.metrics.registry_baseline import RegistryBaseline
from pulltrace.aggregator.state.change_feed import ChangeFeed
from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.pod_poller import FindPod, PodPoller
from pulltrace.aggregator.state.store import PullStore
from pulltrace.errors import UserError
from pulltrace.kube.election.leader_elector import LeaderElector
from pulltrace.kube.resources.event_recorder import EventRecorder
from pulltrace.kube.resources.kubelet_events import EventRecord
from pulltrace.kube.resources.leases import LeaseRecord
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.kube.watch.reflector import WatchHealth
from pulltrace.kube.watch.watch_events import Put, WatchSource
from pulltrace.pulls.report_interval import interval_seconds
from pulltrace.pulls.view import PodLookup
from pulltrace.server.api.metrics_app import create_metrics_app
from pulltrace.server.app import create_app
from pulltrace.server.http.allowed_hosts import DEFAULT_HOSTS, AllowedHosts
from pulltrace.server.http.client_address import Network
from pulltrace.server.http.connection_limiter import DEFAULT_LIMITS, ConnectionLimits
from pulltrace.server.http.server import MAX_CONNECTIONS, serve

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0

FAREWELL_SECONDS = 3.0
"""How long viewers of the live stream may take to be told when to come back, before the servers stop."""

NOT_ISOLATED = "per-node isolation is not enforced: whoever has the token of one agent can write the Lease of any node"

SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-node-lease", "kube-public"})


def require_own_namespace(namespace: str, *, per_node_policy: bool) -> None:
    """Raise `UserError` where agents could patch the control plane's Leases. The chart refuses this; kustomize cannot."""
    if namespace in SYSTEM_NAMESPACES and not per_node_policy:
        raise UserError(
            f"namespace {namespace} belongs to Kubernetes, and without the per-node policy every agent can patch all Leases in it: "
            "install Pulltrace into a namespace of its own, or with the policy"
        )


@dataclass(frozen=True, slots=True)
class AggregatorSettings:
    """What the aggregator needs to know."""

    http_addr: str
    metrics_addr: str
    history_seconds: float
    writes_per_second: float = 100.0
    """What all agents together may write to their Leases."""
    events_per_second: float = 10.0
    """Kubernetes Events that are written at most."""
    streams: ConnectionLimits = DEFAULT_LIMITS
    trusted_proxies: Sequence[Network] = ()
    """Believed when they say whom they serve."""
    hosts: AllowedHosts = DEFAULT_HOSTS
    """The names under which it is reached."""
    per_node_policy: bool = True
    """Whether the cluster keeps each agent to the Lease of its own node."""


async def run(
    settings: AggregatorSettings,
    leases: WatchSource[LeaseRecord],
    pods: WatchSource[PodRecord] | None,
    stop: asyncio.Event,
    listening: Callable[[int], None] = lambda port: None,
    elector: LeaderElector | None = None,
    *,
    events: WatchSource[EventRecord] | None = None,
    find_pod: FindPod | None = None,
    finder: PodLookup | None = None,
    event_writer: EventRecorder | None = None,
    watches: Sequence[WatchHealth] = (),
) -> None:
    """Serves until `stop` is set. Raises `AddressError`.

    `pods`, `events`, `find_pod`, `finder` and `elector` are None where there is no Kubernetes: then it leads. `event_writer` is None
    where no Events are wanted; `watches` are those behind `leases`, `pods` and `events`.
    """
    if not settings.per_node_policy:
        logger.warning(NOT_ISOLATED)
    store = PullStore()
    cluster = ClusterState(store, settings.history_seconds, wall=time.time)
    lists = _Lists(leases=False, pods=pods is None)
    app = create_app(
        store,
        nodes=lambda: cluster.node_views(time.monotonic()),
        lookup=finder,
        ready=lambda: lists.missing,
        limits=settings.streams,
        proxies=settings.trusted_proxies,
        hosts=settings.hosts,
        retention_seconds=settings.history_seconds,
    )
    active, baseline = ActivePulls(), RegistryBaseline()
    process = Process(
        leading=lambda: elector is None or elector.leading,
        sse_clients=lambda: app.stream.subscribers,
        watches=watches,
        per_node_policy=settings.per_node_policy,
        report_interval_seconds=lambda: None if elector is None else interval_seconds(elector.annotations),
    )
    metrics = Metrics(store, cluster, process, active=active, consumers=(baseline,))
    served = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        followers = [
            tasks.create_task(_follow_leases(leases, cluster, lists)),
            tasks.create_task(_tick(cluster)),
            tasks.create_task(metrics.feed.run()),
        ]
        if pods is not None:
            followers.append(tasks.create_task(_follow_pods(pods, cluster, lists, metrics.feed)))
        if events is not None:
            pod_poller = PodPoller(find_pod, cluster) if find_pod is not None else None
            followers.append(tasks.create_task(_follow_events(events, cluster, lists, pod_poller)))
            if pod_poller is not None:
                followers.append(tasks.create_task(pod_poller.run()))
        if elector is not None:
            interval_controller = IntervalController(
                elector, cluster, settings.writes_per_second,
                streams=lambda: app.stream.subscribers, requests=lambda: app.answers, synced=lambda: lists.leases,
            )  # fmt: skip
            leader_tasks = []
            if event_writer is not None:
                planner = EventPlanner(active, baseline, settings.events_per_second)
                publisher = EventPublisher(planner, event_writer, process.leading, metrics.feed.catch_up)
                leader_tasks.append(publisher.run)
            followers.append(tasks.create_task(interval_controller.run(leader_tasks)))
        tasks.create_task(
            serve(
                app,
                settings.http_addr,
                setting="--http-addr",
                ready=listening,
                stop=served,
                max_connections=settings.streams.total + MAX_CONNECTIONS,
            )
        )
        tasks.create_task(
            serve(
                create_metrics_app(metrics.registry, ready=lambda: lists.missing, hosts=settings.hosts),
                settings.metrics_addr,
                setting="--metrics-addr",
                stop=served,
            )
        )
        await stop.wait()
        store.close()
        for follower in followers:
            follower.cancel()
        await app.stream.wait_until_empty(FAREWELL_SECONDS)
        served.set()


@dataclass(slots=True)
class _Lists:
    """Which lists have come in."""

    leases: bool
    pods: bool
    pods_listed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the pods were listed; Events are read from then on."""

    @property
    def missing(self) -> str | None:
        """What readiness waits for."""
        if not self.leases:
            return "the Leases have not been listed yet"
        return None if self.pods else "the pods have not been listed yet"


async def _follow_leases(leases: WatchSource[LeaseRecord], cluster: ClusterState, lists: _Lists) -> None:
    async for event in leases.watch():
        cluster.lease_event(event, time.monotonic())
        lists.leases = True


async def _follow_pods(pods: WatchSource[PodRecord], cluster: ClusterState, lists: _Lists, feed: ChangeFeed) -> None:
    async for event in pods.watch():
        cluster.pod_event(event, time.monotonic())
        if not lists.pods:  # pods that fail already have been counted by whoever led when they began to
            feed.restart()
        lists.pods = True
        lists.pods_listed.set()


async def _follow_events(
    events: WatchSource[EventRecord], cluster: ClusterState, lists: _Lists, pod_poller: PodPoller | None
) -> None:
    await lists.pods_listed.wait()  # Events count for pods that are known
    async for event in events.watch():
        cluster.kubelet_event(event, time.monotonic())
        if pod_poller is not None and isinstance(event, Put):  # a list tells of an hour: what still waits says so again
            pod_poller.add_event(event.item)


async def _tick(cluster: ClusterState) -> None:
    while True:
        cluster.tick(time.monotonic())
        await asyncio.sleep(TICK_SECONDS)
