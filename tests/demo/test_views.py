"""The aggregator's views of the demo: each has rows, and none is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from pulltrace.agent import tracker
from pulltrace.aggregator.rows.row_ids import row_id
from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.store import PullStore
from pulltrace.demo import warmup
from pulltrace.demo.cluster import SimulatedCluster
from pulltrace.kube.resources.leases import LeaseRecord
from pulltrace.kube.watch.watch_events import Deleted, Replaced, Upserted
from pulltrace.pulls.failures import Reason
from pulltrace.pulls.lease_format.annotations import encode
from pulltrace.pulls.view import AnyChange, NeedState, PodChange, PodState, PodView, Workload
from tests.demo.clusters import ORIGIN

UNTIL_SECONDS = 75


@dataclass
class Shown:
    """The views of the first 75 seconds."""

    pods: list[PodView] = field(default_factory=list)
    wrong_names: list[str] = field(default_factory=list)
    names: int = 0
    most_waiting: Counter[Workload] = field(default_factory=Counter)
    """The largest number of pods of a workload that waited at the same time."""
    parallel: frozenset[str] = frozenset()
    reasons: set[Reason] = field(default_factory=set)
    """The reasons of failed rows."""

    def take(self, changes: Iterable[AnyChange]) -> None:
        self.pods += [change.after for change in changes if isinstance(change, PodChange) and change.after is not None]

    def observe(self, simulated: SimulatedCluster, store: PullStore) -> None:
        truth = {
            row_id(name, tracker.pull_id(name, pull.lease_id, pull.started_at)): str(pull.image.reference)
            for name, node in simulated.nodes.items()
            for pull in node.pulls.values()
        }
        snapshot = store.snapshot()
        for row in snapshot.pulls.values():
            if row.failure is not None:
                self.reasons.add(row.failure.reason)
            if row.id in truth and row.image is not None:
                self.names += 1
                self.wrong_names += [f"{row.image} is {truth[row.id]}"] if row.image != truth[row.id] else []
        waiting = Counter(view.workload for view in snapshot.pods.values() if view.state is PodState.WAITING)
        self.most_waiting |= waiting


@pytest.fixture(scope="module")
def shown() -> Shown:
    simulated, store, shown = SimulatedCluster(1, ORIGIN), PullStore(), Shown()
    cluster, trackers, now = ClusterState(store, 45.0), warmup.Trackers(simulated), 0.0
    cluster.lease_event(Replaced(()), now)
    cluster.pod_event(Replaced(()), now)
    cluster.kubelet_event(Replaced(()), now)
    seen = store.snapshot().sequence
    while simulated.now < ORIGIN + UNTIL_SECONDS:
        simulated.advance(simulated.now + 0.5)
        now += 0.5
        trackers.poll(simulated)
        for event in simulated.events():
            cluster.kubelet_event(Upserted(event), now)
        for key, record in simulated.pod_changes():
            cluster.pod_event(Deleted(key) if record is None else Upserted(record), now)
        for name, state in trackers.states.items():
            if now % 1 == 0 and not simulated.silent(name):
                lease = LeaseRecord(name, encode(tracker.report(state)), "agent", simulated.now, 40, str(now))
                cluster.lease_event(Upserted(lease), now)
        changes = store.changes_after(seen)
        assert changes is not None
        shown.take(changes)
        cluster.tick(now)
        seen = store.snapshot().sequence
        shown.observe(simulated, store)
    shown.parallel = frozenset(node.name for node in cluster.node_views(now) if node.parallel)
    return shown


def test_no_running_pull_has_a_wrong_name(shown: Shown) -> None:
    """At every moment, a shown name is the image that the node pulls."""
    assert shown.names > 300
    assert shown.wrong_names == []


def test_pods_are_in_every_state(shown: Shown) -> None:
    """Waiting, failing, ready, and gone before that; their images needed, queued, pulled and failed."""
    assert {view.state for view in shown.pods} >= {PodState.WAITING, PodState.FAILING, PodState.READY}
    assert {need.state for view in shown.pods for need in view.needs} == set(NeedState)
    assert any(need.behind for view in shown.pods for need in view.needs)


def test_failures_are_of_several_kinds(shown: Shown) -> None:
    """A missing tag, a registry that requires authentication, and an invalid name."""
    assert shown.reasons == {Reason.NOT_FOUND, Reason.UNAUTHORIZED, Reason.INVALID_NAME}


def test_a_workload_has_many_pods_that_wait_together(shown: Shown) -> None:
    """A Deployment over several nodes."""
    assert shown.most_waiting[Workload("edge", "Deployment", "gateway")] >= 10


def test_the_node_with_parallel_pulls_is_detected(shown: Shown) -> None:
    """No other node is taken for one."""
    assert shown.parallel == {"gpu-l4-01"}


def test_most_pods_have_a_time(shown: Shown) -> None:
    """Nearly every pending pod without a failure has an estimate."""
    waiting = [view for view in shown.pods if view.state is PodState.WAITING]

    assert sum(view.left is not None for view in waiting) > 0.9 * len(waiting)
