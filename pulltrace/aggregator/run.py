"""The aggregator's tasks: watch Leases, pods and Events, serve the API, and lead.

The leader sets the agents' report interval and writes Kubernetes Events about pending images.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pulltrace.aggregator.leader.event_planner import EventPlanner
from pulltrace.aggregator.leader.event_publisher import EventPublisher
from pulltrace.aggregator.leader.interval_controller import IntervalController
from pulltrace.aggregator.metrics.active_pulls import ActivePulls
from pulltrace.aggregator.metrics.change_feed import ChangeFeed
from pulltrace.aggregator.metrics.counters import Metrics
from pulltrace.aggregator.metrics.gauges import Process
from pulltrace.aggregator.metrics.registry_baseline import RegistryBaseline
from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.pod_poller import FindPod, PodPoller
from pulltrace.aggregator.state.store import PullStore
from pulltrace.errors import UserError
from pulltrace.kube.election.leader_elector import LeaderElector
from pulltrace.kube.resources.event_recorder import EventRecorder
from pulltrace.kube.resources.kubelet_events import KubeletEvent
from pulltrace.kube.resources.leases import LeaseRecord
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.kube.watch.reflector import WatchHealth
from pulltrace.kube.watch.watch_events import Upserted, WatchSource
from pulltrace.pulls.report_interval import interval_seconds
from pulltrace.pulls.view import PodLookup
from pulltrace.server.api.metrics_app import create_metrics_app
from pulltrace.server.app import create_app
from pulltrace.server.http.allowed_hosts import AllowedHosts, allowed_hosts
from pulltrace.server.http.connection_limiter import ConnectionLimits
from pulltrace.server.http.server import MAX_CONNECTIONS, serve
from pulltrace.settings.flags import AggregatorSettings

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0

FAREWELL_SECONDS = 3.0
"""Maximum time for clients of the event stream to read when to reconnect, before the servers stop."""

NOT_ISOLATED = (
    "per-node isolation is not enforced: a client with the token of one agent can write the Lease of any node"
)

SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-node-lease", "kube-public"})

RESOLV_CONF = Path("/etc/resolv.conf")


def require_own_namespace(namespace: str, *, per_node_policy: bool) -> None:
    """Raise `UserError` where agents could patch the control plane's Leases. The chart refuses this; kustomize cannot."""
    if namespace in SYSTEM_NAMESPACES and not per_node_policy:
        raise UserError(
            f"namespace {namespace} belongs to Kubernetes, and without the per-node policy every agent can patch all Leases in it: "
            "install Pulltrace into a namespace of its own, or with the policy"
        )


async def run(
    settings: AggregatorSettings,
    leases: WatchSource[LeaseRecord],
    pods: WatchSource[PodRecord] | None,
    stop: asyncio.Event,
    *,
    elector: LeaderElector | None = None,
    events: WatchSource[KubeletEvent] | None = None,
    find_pod: FindPod | None = None,
    finder: PodLookup | None = None,
    event_writer: EventRecorder | None = None,
    watches: Sequence[WatchHealth] = (),
    listening: Callable[[int], None] = lambda port: None,
) -> None:
    """Serve until `stop` is set; call `listening` with the port of the UI. Raises `AddressError`.

    The other sources are None where there is no Kubernetes; without an elector this process leads. `watches` are the watches
    of `leases`, `pods` and `events`.
    """
    if not settings.per_node_policy:
        logger.warning(NOT_ISOLATED)
    store = PullStore()
    cluster = ClusterState(store, settings.history_ttl_seconds, wall=time.time)
    lists = _InitialLists(pods=pods is not None)
    hosts = _allowed_hosts(settings)
    app = create_app(
        store,
        nodes=lambda: cluster.node_views(time.monotonic()),
        lookup=finder,
        ready=lambda: lists.missing,
        limits=ConnectionLimits(settings.max_streams, settings.max_streams_per_address),
        proxies=settings.trusted_proxies,
        hosts=hosts,
        retention_seconds=settings.history_ttl_seconds,
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
    metrics_app = create_metrics_app(metrics.registry, ready=lambda: lists.missing, hosts=hosts)

    def ready(port: int) -> None:
        logger.info("serving the web UI on %s", _place(settings.http_addr, port))
        listening(port)

    served = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        followers = [
            tasks.create_task(_watch_leases(leases, cluster, lists)),
            tasks.create_task(_tick(cluster)),
            tasks.create_task(metrics.feed.run()),
        ]
        if pods is not None:
            followers.append(tasks.create_task(_watch_pods(pods, cluster, lists, metrics.feed)))
        if events is not None:
            pod_poller = PodPoller(find_pod, cluster) if find_pod is not None else None
            followers.append(tasks.create_task(_watch_events(events, cluster, lists, pod_poller)))
            if pod_poller is not None:
                followers.append(tasks.create_task(pod_poller.run()))
        if elector is not None:
            interval_controller = IntervalController(
                elector, cluster, settings.writes_per_second,
                streams=lambda: app.stream.subscribers, requests=lambda: app.answers, synced=lists.leases.is_set,
            )  # fmt: skip
            leader_tasks = []
            if event_writer is not None and settings.kubernetes_events:
                planner = EventPlanner(active, baseline, settings.events_per_second)
                publisher = EventPublisher(planner, event_writer, process.leading, metrics.feed.catch_up)
                leader_tasks.append(publisher.run)
            followers.append(tasks.create_task(interval_controller.run(leader_tasks)))
        tasks.create_task(
            serve(
                app,
                settings.http_addr,
                setting="--http-addr",
                ready=ready,
                stop=served,
                max_connections=settings.max_streams + MAX_CONNECTIONS,
            )
        )
        tasks.create_task(serve(metrics_app, settings.metrics_addr, setting="--metrics-addr", stop=served))
        await stop.wait()
        store.close()
        for follower in followers:
            follower.cancel()
        await app.stream.wait_until_empty(FAREWELL_SECONDS)
        served.set()


def _allowed_hosts(settings: AggregatorSettings) -> AllowedHosts:
    """Return the names of the settings and those of this machine or pod."""
    try:
        resolv_conf = RESOLV_CONF.read_text(errors="replace")
    except OSError:
        resolv_conf = ""
    return allowed_hosts(settings.allowed_hosts, machine=socket.gethostname(), resolv_conf=resolv_conf)


def _place(http_addr: str, port: int) -> str:
    host = http_addr.rpartition(":")[0]
    return f"http://{host}:{port}" if host else f"port {port}"


class _InitialLists:
    """The lists that readiness waits for."""

    def __init__(self, *, pods: bool) -> None:
        self.leases = asyncio.Event()
        self.pods = asyncio.Event()
        if not pods:
            self.pods.set()

    @property
    def missing(self) -> str | None:
        """The reason why the aggregator is not ready."""
        if not self.leases.is_set():
            return "the Leases have not been listed yet"
        return None if self.pods.is_set() else "the pods have not been listed yet"


async def _watch_leases(leases: WatchSource[LeaseRecord], cluster: ClusterState, lists: _InitialLists) -> None:
    async for event in leases.watch():
        cluster.lease_event(event, time.monotonic())
        lists.leases.set()


async def _watch_pods(
    pods: WatchSource[PodRecord], cluster: ClusterState, lists: _InitialLists, feed: ChangeFeed
) -> None:
    async for event in pods.watch():
        cluster.pod_event(event, time.monotonic())
        if not lists.pods.is_set():  # the leader of before has counted the pods that fail already
            feed.restart()
        lists.pods.set()


async def _watch_events(
    events: WatchSource[KubeletEvent], cluster: ClusterState, lists: _InitialLists, pod_poller: PodPoller | None
) -> None:
    await lists.pods.wait()  # an Event counts for a known pod only
    async for event in events.watch():
        cluster.kubelet_event(event, time.monotonic())
        # A list has the Events of an hour; a pending pod gets new ones.
        if pod_poller is not None and isinstance(event, Upserted):
            pod_poller.add_event(event.item)


async def _tick(cluster: ClusterState) -> None:
    while True:
        cluster.tick(time.monotonic())
        await asyncio.sleep(TICK_SECONDS)
