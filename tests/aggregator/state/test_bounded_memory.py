"""The aggregator's memory is bounded: nodes, pulls, images, registries, pods, Events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pulltrace.aggregator.estimates.image_sizes import ImageSizes
from pulltrace.aggregator.leader.event_planner import EventPlanner
from pulltrace.aggregator.metrics.active_pulls import ActivePulls
from pulltrace.aggregator.metrics.counters import Metrics
from pulltrace.aggregator.metrics.gauges import Process
from pulltrace.aggregator.metrics.registry_baseline import RegistryBaseline
from pulltrace.aggregator.pods.early_events import EarlyEvents
from pulltrace.aggregator.rows.node_rows import ClusterHistory
from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.pod_poller import PodPoller
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.errors import ApiUnreachable
from pulltrace.kube.resources.kubelet_events import EventKind
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.kube.watch.watch_events import Deleted, Replaced, Upserted
from pulltrace.pulls.model import Phase, Pull
from tests.aggregator.container_sizes import container_sizes
from tests.builders.events import kubelet_event
from tests.builders.leases import LeaseWriter
from tests.builders.pods import failing, pod
from tests.builders.pulls import START, pull
from tests.builders.pulls import ended as ended_pull

MIB = 1024 * 1024
HISTORY_SECONDS = 60.0
ROUND_SECONDS = 10.0
ENDED, RUNNING, STRANGERS = 36, 4, 30
"""In each round; strangers are pods that only an Event names."""
MOST_NAMES, MOST_EARLY_BYTES, MOST_CHANGES = 1000, 60_000, 1000
"""Lower limits than baseline, for the test not to take a minute."""
ROUNDS_TO_FILL = 25
"""With a name of each ended pull, and two changes, the limits are reached before."""


async def find_nothing(namespace: str, name: str) -> PodRecord | None:
    """Fail as if the API server did not answer."""
    raise ApiUnreachable("gone")


class Churn:
    """An aggregator's parts, and a cluster in which nothing comes twice but the ids that nodes take from each other."""

    def __init__(self) -> None:
        self.now = 0.0
        self.round = 0
        self.store, self.writer = PullStore(MOST_CHANGES), LeaseWriter()
        self.cluster = ClusterState(self.store, HISTORY_SECONDS)
        self.cluster._history = ClusterHistory(ImageSizes(MOST_NAMES))
        self.cluster._pods.early = EarlyEvents(MOST_EARLY_BYTES)
        self.active, baseline = ActivePulls(), RegistryBaseline()
        process = Process(lambda: True, lambda: 0)
        self.metrics = Metrics(
            self.store, self.cluster, process, active=self.active, consumers=(baseline,), monotonic=lambda: self.now
        )
        self.planner = EventPlanner(self.active, baseline, 1000)
        self.poller = PodPoller(find_nothing, self.cluster, lambda: self.now)
        self.cluster.lease_event(Replaced(()), 0)
        self.cluster.pod_event(Replaced(()), 0)
        self.cluster.kubelet_event(Replaced(()), 0)

    def pulls(self) -> list[Pull]:
        """Each of an image and a registry of its own."""
        first = self.round * (ENDED + RUNNING)
        found = []
        for number in range(first, first + ENDED + RUNNING):
            repository = f"r{number}.example.com/app"
            made: Callable[..., Pull] = pull if number < first + RUNNING else ended_pull
            fields: dict[str, Any] = {
                "repositories": (repository,),
                "target_digest": f"sha256:{number:064x}",
                "total_bytes": 100 * MIB,
                "downloaded_bytes": 100 * MIB,
                "started_at": START + self.now,
            }
            if made is ended_pull:
                fields |= {"names": (f"{repository}:1",), "ended_at": START + self.now + 5}
            found.append(made(number, **fields))
        found[-1] = replace(found[-1], phase=Phase.FAILED, names=())  # without a reason
        return found

    def turn(self) -> None:
        """Add a node that pulls for some pods, and delete those of the last round."""
        node = f"node-{self.round}"
        running, ended = self.pulls()[:RUNNING], tuple(self.pulls()[RUNNING:])
        running.append(replace(running[0], id="0" * 12))  # the node before has a pull with this id
        self.report(node, *running)
        for each in self.pods(self.round):
            self.cluster.pod_event(Upserted(each), self.now)
            self.hear(each, EventKind.PULLING)
        for number in range(STRANGERS):
            self.hear(pod(f"stranger-{self.round}-{number}", "a:1"), EventKind.FAILED)
        self.account()
        self.now += ROUND_SECONDS / 2
        self.report(node, *running, recent=ended)
        self.account()
        self.now += ROUND_SECONDS / 2
        for each in self.pods(self.round - 1):
            self.hear(each, EventKind.PULLED, 'Successfully pulled image "a" in 1.2s (9s including waiting)')
            self.cluster.pod_event(Deleted(each.key), self.now)
        self.cluster.lease_event(Deleted(f"node-{self.round - 1}"), self.now)
        self.cluster.tick(self.now)
        self.account()
        self.round += 1

    def pods(self, number: int) -> list[PodRecord]:
        """In a namespace of their own: one for an image that is pulled, one that is queued, one that has failed."""
        first = f"r{number * (ENDED + RUNNING)}.example.com/app:1"
        pods = (
            pod(f"pod-{number}", first),
            pod(f"next-{number}", f"next-{number}.example.com/app:1"),
            failing(f"failing-{number}", f"failing-{number}.example.com/app:1", "manifest unknown: not found"),
        )
        return [replace(each, namespace=f"team-{number}", node=f"node-{number}") for each in pods]

    def hear(self, of: PodRecord, kind: EventKind, message: str = "") -> None:
        event = kubelet_event(of.name, of.waiting[0].image, START + self.now, kind=kind, message=message)
        event = replace(event, namespace=of.namespace, node=of.node)
        self.cluster.kubelet_event(Upserted(event), self.now)
        self.poller.add_event(event)

    def report(self, node: str, *running: Pull, recent: tuple[Pull, ...] = ()) -> None:
        lease = self.writer.lease(*running, node=node, recent=recent, renewed_at=START + self.now)
        self.cluster.lease_event(Upserted(lease), self.now)

    def account(self) -> None:
        self.metrics.feed.catch_up()
        self.planner.plan(self.now)

    def kept(self) -> Counter[str]:
        return container_sizes(
            poller=self.poller, planner=self.planner, metrics=self.metrics, live=self.active, cluster=self.cluster
        )


async def test_nothing_grows_without_end() -> None:
    """Once all limits are reached, three times as much input keeps no more."""
    churn = Churn()
    for _ in range(ROUNDS_TO_FILL):
        churn.turn()
    await churn.poller.poll()
    full = churn.kept()
    for _ in range(2 * ROUNDS_TO_FILL):
        churn.turn()
    await churn.poller.poll()
    later = churn.kept()

    assert not {way: (full[way], count) for way, count in later.items() if count > 1.5 * full[way] + 2}
    for way, most in (
        ("_history.sizes._sizes", MOST_NAMES),
        ("_pods.early._events", MOST_EARLY_BYTES // 650),
        ("_store._log", MOST_CHANGES),
    ):
        assert 0.95 * most <= later[f"cluster.{way}"] <= most  # so that the limits were tried
