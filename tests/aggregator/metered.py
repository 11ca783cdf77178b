"""An aggregator whose metrics a test reads, and a cluster that is as fill_cluster as it may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pulltrace.aggregator.metrics.counters import Metrics
from pulltrace.aggregator.metrics.gauges import Process
from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.resources.leases import LeaseRecord
from pulltrace.kube.watch.reflector import WatchHealth
from pulltrace.kube.watch.watch_events import Replaced, Upserted
from pulltrace.pulls.failures import Failure, Reason
from pulltrace.pulls.model import Phase
from pulltrace.pulls.time_left import TimeLeft
from pulltrace.pulls.view import NeedState, PullView
from tests.builders.leases import LeaseWriter
from tests.builders.pulls import START
from tests.builders.views import image_need, running_view, waiting_pod


class MeteredAggregator:
    """An aggregator's parts, updated before each reading; only a test moves the time."""

    def __init__(self) -> None:
        self.store = PullStore()
        self.cluster = ClusterState(self.store, 600)
        self.now = 0.0
        self.leading = True
        self.watches = [WatchHealth("leases"), WatchHealth("pods of a"), WatchHealth("pods of b")]
        self.interval: float | None = None
        process = Process(lambda: self.leading, lambda: 7, self.watches, lambda: self.interval)
        self.metrics = Metrics(self.store, self.cluster, process, monotonic=lambda: self.now)
        self.metrics.feed.catch_up()
        self.writer = LeaseWriter()

    def lease(self, record: LeaseRecord) -> None:
        self.cluster.lease_event(Upserted(record), self.now)

    def rows(self, *views: PullView, after: float = 0.0) -> None:
        self.now += after
        self.store.replace_pulls((), {view.id: view for view in views})
        self.metrics.feed.catch_up()

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)

    def __getitem__(self, name: str) -> float:
        value = self.value(name)
        assert value is not None, name
        return value

    def series(self) -> int:
        return sum(len(family.samples) for family in self.metrics.registry.collect())

    def names(self) -> set[str]:
        return {family.name for family in self.metrics.registry.collect()}


NODES, PULLS = 500, 2500


def hostile(aggregator: MeteredAggregator) -> Iterator[PullView]:
    """Yield pulls of 2,500 registries."""
    for number in range(PULLS):
        yield running_view(number, node=f"node-{number % NODES}", repositories=(f"r{number}.example.com/app",))


def fill_cluster(aggregator: MeteredAggregator) -> None:
    """500 nodes, 2,500 pulls, each of a registry and with a pod in a namespace of its own, all labels in use."""
    reasons = list(Reason)
    leases = (aggregator.writer.lease(node=f"node-{number}") for number in range(NODES))
    aggregator.cluster.lease_event(Replaced(tuple(leases)), 0)
    aggregator.metrics.feed.catch_up()
    for phase in (Phase.RESOLVING, Phase.DOWNLOADING, Phase.UNPACKING, Phase.COMPLETED):
        rows = [
            replace(row, pull=replace(row.pull, phase=phase, ended_at=START + 9, time_left=TimeLeft.exactly(9.0)))
            for row in hostile(aggregator)
        ]
        aggregator.rows(*rows, after=10)
    for number, row in enumerate(hostile(aggregator)):
        failed = replace(row.pull, id=f"{10_000 + number:012x}", phase=Phase.FAILED, ended_at=START)
        failure = Failure(reasons[number % len(reasons)], "x")
        aggregator.store.replace_pulls((), {failed.id: replace(row, pull=failed, failure=failure)})
    aggregator.metrics.feed.catch_up()
    for state in (NeedState.QUEUED, NeedState.PULLING):
        pods = [
            waiting_pod(
                f"p{n}", image_need(state, image=f"r{n}.example.com/a:1"), namespace=f"ns-{n}", node=f"node-{n % NODES}"
            )
            for n in range(PULLS)
        ]
        aggregator.store.replace_pods((), {pod.id: pod for pod in pods})
        aggregator.now += 10
        aggregator.metrics.feed.catch_up()
    aggregator.rows(*hostile(aggregator))
