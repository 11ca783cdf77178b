"""Pods as they are shown: waiting, failing, ready, gone; and no more of them than wait for images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulltrace.aggregator.estimates.throughput import START_SECONDS
from pulltrace.aggregator.rows.node_rows import MAX_ENDED_PODS
from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.resources.kubelet_events import EventKind, KubeletEvent
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.kube.watch.watch_events import Deleted, Replaced, Upserted
from pulltrace.pulls.model import Phase
from pulltrace.pulls.time_left import TimeLeft
from pulltrace.pulls.view import NeedState, PodChange, PodState, PodView, Workload
from tests.aggregator.builders import Changes, pull_row_id
from tests.builders.events import kubelet_event
from tests.builders.leases import LeaseWriter
from tests.builders.pods import NODE, failing, pending_image, pod
from tests.builders.pulls import NGINX, START, ended, pull

TTL = 600.0
WEB = pod("web", "nginx:1.29", started_at=START)


class World:
    """A cluster of one node, whose lists have come in."""

    def __init__(self, *, events: bool = True) -> None:
        self.store = PullStore()
        self.cluster = ClusterState(self.store, TTL)
        self.writer = LeaseWriter()
        self.cluster.lease_event(Replaced((self.writer.lease(),)), 0)
        self.cluster.pod_event(Replaced(()), 0)
        if events:
            self.cluster.kubelet_event(Replaced(()), 0)
        self.changes = Changes(self.store)

    def pod(self, record: PodRecord, now: float = 1) -> None:
        self.cluster.pod_event(Upserted(record), now)

    def event(self, record: KubeletEvent, now: float = 1) -> None:
        self.cluster.kubelet_event(Upserted(record), now)

    def pulling(self, now: float = 2, **fields: Any) -> list[PodChange]:
        self.changes.read()
        lease = self.writer.lease(pull(**{"time_left": TimeLeft.exactly(20.0), **fields}))
        self.cluster.lease_event(Upserted(lease), now)
        return self.changes.of_pods()

    @property
    def views(self) -> dict[str, PodView]:
        return dict(self.store.snapshot().pods)

    @property
    def view(self) -> PodView:
        [view] = self.views.values()
        return view


@pytest.fixture
def world() -> World:
    return World()


def test_a_pod_waits_once_its_image_is_asked_for(world: World) -> None:
    """Before that it may wait for anything."""
    world.pod(WEB)
    assert world.views == {}

    world.event(kubelet_event("web", "nginx:1.29", START))

    assert (world.view.state, world.view.workload, world.view.waiting_since) == (
        PodState.WAITING, Workload("shop", "Pod", "web"), START
    )  # fmt: skip
    assert [(need.image, need.state) for need in world.view.needs] == [("nginx:1.29", NeedState.QUEUED)]


def test_a_pod_whose_image_is_pulled_has_the_row_and_the_time() -> None:
    """Without Events too."""
    world = World(events=False)
    world.pod(WEB)
    world.pulling()
    [need] = world.view.needs

    assert (need.state, need.pull_id, world.view.left) == (
        NeedState.PULLING,
        pull_row_id(),
        TimeLeft(20.0 + START_SECONDS, 20.0, 20.0 + START_SECONDS),
    )
    assert world.view.estimated_at == 2


def test_time_that_passes_is_no_news(world: World) -> None:
    """An estimate that only counts down is no change; one that moves is."""
    world.pod(WEB)
    world.pulling(2)
    assert world.pulling(7, time_left=TimeLeft.exactly(15.2), downloaded_bytes=500) == []

    [change] = world.pulling(8, time_left=TimeLeft.exactly(60.0), downloaded_bytes=600)

    assert change.after is not None
    assert (change.after.estimated_at, change.after.left) == (
        8,
        TimeLeft(60.0 + START_SECONDS, 60.0, 60.0 + START_SECONDS),
    )


def test_a_pod_is_ready_when_it_leaves_the_watch(world: World) -> None:
    """All its containers have been created; it stays for the history time."""
    world.pod(WEB)
    world.pulling()
    world.cluster.pod_event(Deleted("shop/web"), 9)
    assert (world.view.state, world.view.ended_at, world.view.needs) == (PodState.GONE, 9, ())


def test_a_pod_is_ready_with_its_last_image(world: World) -> None:
    """It may wait for something else."""
    world.pod(WEB)
    world.pulling()
    world.pod(replace(WEB, waiting=()), 9)
    assert (world.view.state, world.view.ended_at) == (PodState.READY, 9)

    world.cluster.pod_event(Deleted("shop/web"), 12)
    assert world.view.ended_at == 9
    world.cluster.tick(9 + TTL)

    assert world.views == {}


def test_a_pod_that_leaves_when_its_image_may_be_present_is_ready(world: World) -> None:
    """Estimates are a little late, and reports too."""
    world.pod(WEB)
    world.pulling(2, time_left=TimeLeft.exactly(3.0))
    world.cluster.pod_event(Deleted("shop/web"), 4)

    assert world.view.state is PodState.READY


def test_an_event_reports_it_before_the_status(world: World) -> None:
    """The kubelet has pulled the image; the pod waits for none any more, and is ready when its status says so."""
    world.pod(WEB)
    world.event(kubelet_event("web", "nginx:1.29", START))
    world.event(kubelet_event("web", "nginx:1.29", START + 9, kind=EventKind.PULLED), 10)
    starting = TimeLeft(START_SECONDS, 0.0, START_SECONDS)
    assert (world.view.state, world.view.needs, world.view.left) == (PodState.WAITING, (), starting)

    world.pod(replace(WEB, waiting=()), 11)
    assert (world.view.state, world.view.ended_at) == (PodState.READY, 11)


def test_the_time_of_a_start_is_learned(world: World) -> None:
    """The next pod of the node is expected to start as soon as the last one did."""
    for number in (1, 2):
        world.pod(pod(f"p{number}", "redis:8"))
        world.event(kubelet_event(f"p{number}", "redis:8", START))
    world.event(kubelet_event("p1", "redis:8", START + 9, kind=EventKind.PULLED), 10)
    world.cluster.pod_event(Deleted("shop/p1"), 10.5)
    world.event(kubelet_event("p2", "redis:8", START + 10, kind=EventKind.PULLED), 11)

    assert world.views["shop/p2"].left == TimeLeft(0.5, 0.0, 0.5)


@pytest.mark.parametrize("at", [START + 9, START + 800])
def test_an_event_does_not_hide_a_failure(world: World, at: float) -> None:
    """The status holds; without one, because the pod has left the watch, the Event does."""
    fails = failing("web", "nginx:1.29", "manifest unknown")
    world.pod(fails)
    world.event(kubelet_event("web", "nginx:1.29", at, kind=EventKind.PULLED), 10)
    world.pod(replace(fails, started_at=START), 11)
    states = [world.view.state]
    world.cluster.pod_event(Deleted("shop/web"), 12)
    states.append(world.view.state)

    assert states == [PodState.FAILING, PodState.READY]


def test_a_failure_that_is_over_is_not_shown_until_the_whole_pod_starts(world: World) -> None:
    """The status shows it while the pod's other image is pulled; the kubelet's Event and the node's agent know better."""
    waits = failing("web", "nginx:1.29", "manifest unknown").waiting
    world.pod(pod("web", waiting=(*waits, pending_image("busybox:1", None, container="c1")), started_at=START))
    world.event(kubelet_event("web", "nginx:1.29", START + 20), 1)
    world.event(kubelet_event("web", "nginx:1.29", START + 31, kind=EventKind.PULLED), 2)
    failed = [world.view.state, len(world.view.needs)]
    world.cluster.lease_event(Upserted(world.writer.lease(recent=(ended(),))), 3)

    assert failed == [PodState.FAILING, 2]
    assert (world.view.state, [need.container for need in world.view.needs]) == (PodState.WAITING, ["c1"])


def test_an_event_from_the_future_does_not_count(world: World) -> None:
    """Neither by the node's clock nor by this machine's."""
    world.pod(WEB)
    world.event(kubelet_event("web", "nginx:1.29", 4_070_908_800.0, kind=EventKind.FAILED, message="no"), 10)

    assert world.views == {}


def test_an_event_that_comes_before_its_pod_counts(world: World) -> None:
    """The watches of Events and of pods are two."""
    world.event(kubelet_event("web", "nginx:1.29", START), 1)
    assert world.views == {}

    world.pod(WEB, 2)
    assert world.view.needs[0].state is NeedState.QUEUED


def test_a_deleted_pod_is_gone(world: World) -> None:
    """It is being deleted, so nothing is pulled for it."""
    world.pod(WEB)
    world.pulling()
    world.pod(replace(WEB, waiting=(), ending=True), 9)

    assert world.view.state is PodState.GONE


def test_a_failing_pod_is_failing_and_gone_when_it_goes(world: World) -> None:
    """Its image was never there."""
    world.pod(failing("web", "nginx:1.29", "manifest unknown"))
    [need] = world.view.needs
    assert (world.view.state, need.state, world.view.left) == (PodState.FAILING, NeedState.FAILED, None)
    assert need.failure is not None

    world.cluster.pod_event(Deleted("shop/web"), 9)

    assert world.view.state is PodState.GONE


def test_a_pod_that_needs_an_image_again_waits_again(world: World) -> None:
    """An ephemeral container, for example."""
    world.pod(WEB)
    world.pulling()
    world.pod(replace(WEB, waiting=()), 9)
    world.pod(WEB, 10)

    assert (world.view.state, world.view.ended_at) == (PodState.WAITING, None)


def test_a_pod_that_waits_for_something_else_is_not_shown(world: World) -> None:
    """Nothing is asked for and nothing is pulled for it."""
    world.pod(pod("db", "postgres:17"))
    world.pulling()

    assert world.views == {}


def test_a_queued_pod_names_what_it_waits_behind(world: World) -> None:
    """With the row of what is pulled."""
    world.pod(WEB)
    world.pod(pod("db", "postgres:17"))
    world.event(kubelet_event("db", "postgres:17", START + 5))
    world.pulling()
    [need] = world.views["shop/db"].needs

    assert need.state is NeedState.QUEUED
    assert [(one.image, one.pull_id) for one in need.behind] == [(f"{NGINX}:1.29", pull_row_id())]


def test_a_pod_of_the_same_name_on_another_node_takes_its_place(world: World) -> None:
    """A StatefulSet's pod that was moved is one pod, where it is now."""
    world.pod(failing("web", "nginx:1.29", "no"))
    world.cluster.pod_event(Deleted("shop/web"), 2)
    world.pod(replace(failing("web", "nginx:1.29", "no"), uid="new", node="node-2"), 3)
    assert (world.view.node, world.view.state) == ("node-2", PodState.FAILING)

    world.cluster.tick(2 + TTL)

    assert world.view.node == "node-2"


def test_pods_that_ended_are_bounded(world: World) -> None:
    """The newest of each node are kept."""
    for number in range(MAX_ENDED_PODS + 5):
        world.pod(failing(f"p{number}", "nginx:1.29", "no"), number)
        world.cluster.pod_event(Deleted(f"shop/p{number}"), number)

    assert len(world.views) == MAX_ENDED_PODS
    assert "shop/p0" not in world.views


def test_a_change_of_one_node_concerns_no_other(world: World) -> None:
    """Pods of other nodes are not built again."""
    world.pod(WEB)
    world.pod(replace(pod("web-2", "nginx:1.29"), node="node-2"))
    world.cluster.lease_event(Upserted(world.writer.lease(pull(2), node="node-2")), 1)
    before = world.views["shop/web-2"]
    world.pulling()

    assert world.views["shop/web-2"] is before


def test_nodes_report_their_work(world: World) -> None:
    """The numbers of pulls, queued and failing images, and the time of the last report."""
    world.pod(WEB)
    world.pod(pod("db", "postgres:17"))
    world.pod(failing("old", "redis:1", "no"))
    world.event(kubelet_event("db", "postgres:17", START + 5))
    world.pulling(2, bytes_per_second=5.0)
    [node] = world.cluster.node_views(3)

    assert (node.name, node.reported_at, node.stale, node.bytes_per_second) == (NODE, 2, False, 5.0)
    assert (node.pulling, node.queued, node.failing, node.parallel) == (1, 1, 1, False)


def test_a_node_that_pulls_for_two_pods_at_once_is_parallel(world: World) -> None:
    """It is remembered."""
    world.pod(WEB)
    world.pod(pod("db", "postgres:17"))
    other = pull(2, repositories=("docker.io/library/postgres",), target_digest="sha256:" + "c" * 64)
    world.cluster.lease_event(Upserted(world.writer.lease(pull(), other)), 2)
    world.cluster.lease_event(Upserted(world.writer.lease()), 3)

    assert world.cluster.node_views(3)[0].parallel


def test_what_one_node_pulled_is_the_size_for_another(world: World) -> None:
    """Sizes and rates are learned over the cluster."""
    done = ended(1, total_bytes=100_000_000, started_at=START, ended_at=START + 101)
    world.cluster.lease_event(Upserted(world.writer.lease(node="node-2", recent=(done,))), 1)
    world.pod(WEB)
    world.event(kubelet_event("web", "nginx:1.29", START))

    assert world.view.left is not None
    assert world.view.left.likely == pytest.approx(101.0 + START_SECONDS)


def test_a_pod_that_was_found_is_followed_until_it_waits_no_more(world: World) -> None:
    """A pod that runs and needs another image is not in the watch, and no list ends it."""
    world.cluster.put_polled_pod(WEB, 1)
    world.event(kubelet_event("web", "nginx:1.29", START))
    world.cluster.pod_event(Replaced(()), 2)
    assert world.view.state is PodState.WAITING
    assert not world.cluster.watches("shop", "web")

    world.cluster.put_polled_pod(replace(WEB, waiting=()), 3)

    assert (world.view.state, world.cluster.waiting_pods) == (PodState.READY, 0)


def test_the_second_try_of_a_pull_is_pulling_and_still_failing(world: World) -> None:
    """The last try has failed; this one is not over."""
    world.pod(failing("web", "nginx:1.29", "no"))
    world.pulling()

    assert (world.view.state, world.view.needs[0].state) == (PodState.FAILING, NeedState.PULLING)


def test_a_stale_node_gives_no_times(world: World) -> None:
    """The agent has not reported for too long."""
    world.pod(WEB)
    world.pulling()
    world.cluster.tick(100)

    assert (world.view.state, world.view.left) == (PodState.WAITING, None)


def test_the_kubelets_answers_are_learned(world: World) -> None:
    """Pods whose image is on the node already: each costs what the kubelet reports of the registry's answer."""
    brought = ended(9, names=("docker.io/library/redis:8",), started_at=START - 40, ended_at=START - 10)
    world.cluster.lease_event(Upserted(world.writer.lease(recent=(brought,))), 1)
    took = 'Successfully pulled image "x" in 100ms (100ms including waiting)'
    for number in range(20):
        world.pod(pod(f"p{number}", "redis:8"))
        world.event(kubelet_event(f"p{number}", "redis:8", START, kind=EventKind.PULLED, message=took))
    world.pod(WEB)
    world.pod(pod("web-2", "nginx:1.29"))
    world.event(kubelet_event("web", "nginx:1.29", START + 1))
    world.event(kubelet_event("web-2", "nginx:1.29", START + 2))
    world.pulling()

    assert world.views["shop/web-2"].left is not None
    assert world.views["shop/web-2"].left.likely == pytest.approx(20.1 + START_SECONDS, abs=0.05)


def test_rows_have_the_workload_of_their_pods(world: World) -> None:
    """So that a page can group them."""
    world.pod(replace(WEB, workload=Workload("shop", "Deployment", "web")))
    world.pulling()
    [row] = world.store.snapshot().pulls.values()

    assert [each.workload for each in row.waiting] == [Workload("shop", "Deployment", "web")]
    assert row.pull.phase is Phase.DOWNLOADING
