"""Failures that only pods report are rows, once each, until containerd's own rows replace them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pulltrace.aggregator.rows.pod_only_failures import GRACE_SECONDS, superseded
from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.resources.kubelet_events import EventKind
from pulltrace.kube.watch.watch_events import Deleted, Replaced, Upserted
from pulltrace.pulls.failures import Reason
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import AnyChange, NeedState, PullChange, PullView
from tests.aggregator.builders import Changes
from tests.builders.events import kubelet_event
from tests.builders.leases import LeaseWriter
from tests.builders.pods import NODE, failing, pod
from tests.builders.pulls import NGINX, START, ended, pull

NAME = f"{NGINX}:1.29"
FAILED = failing("web", "nginx:1.29", "manifest unknown", "ErrImagePull")
INVALID = failing("web", "Nginx:1.29", "not a name", "InvalidImageName")


class World:
    """A cluster of one node whose lists have come in."""

    def __init__(self) -> None:
        self.store = PullStore()
        self.cluster = ClusterState(self.store, 600)
        self.writer = LeaseWriter()
        self.cluster.lease_event(Replaced((self.writer.lease(),)), 0)
        self.cluster.pod_event(Replaced(()), 0)

    @property
    def rows(self) -> list[PullView]:
        return list(self.store.snapshot().pulls.values())


@pytest.fixture
def world() -> World:
    return World()


def failures(changes: Sequence[AnyChange]) -> int:
    """How many failures a reader of the changes counts."""
    counted = superseded(changes)
    return sum(
        isinstance(change, PullChange)
        and change.after is not None
        and change.after.pull.phase is Phase.FAILED
        and (change.before is None or not change.before.pull.phase.ended)
        and not (change.before is None and (change.after.node, change.after.image) in counted)
        for change in changes
    )


def test_an_invalid_name_is_a_row_at_once(world: World) -> None:
    """The kubelet never asks containerd for it; the row says who waits and why."""
    world.cluster.pod_event(Upserted(INVALID), 1)
    [row] = world.rows

    assert (row.node, row.pull.phase, row.reached_containerd) == (NODE, Phase.FAILED, False)
    assert row.failure is not None
    assert (row.failure.reason, row.failure.retry_at) == (Reason.INVALID_NAME, None)
    assert [each.pod for each in row.waiting] == ["web"]


def test_a_failure_that_no_agent_saw_is_a_row_after_a_moment(world: World) -> None:
    """The agent's report may come a little later than the kubelet's; after that the pod's word is enough."""
    world.cluster.pod_event(Upserted(FAILED), 1)
    assert world.rows == []

    world.cluster.tick(1 + GRACE_SECONDS)
    [row] = world.rows

    assert (row.image, row.pull.error, row.reached_containerd) == (NAME, "manifest unknown", False)


def test_a_failure_that_the_agent_saw_has_its_own_row_only(world: World) -> None:
    """Both report it: that is one row."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0.5)
    world.cluster.pod_event(Upserted(FAILED), 1)
    world.cluster.lease_event(Upserted(world.writer.lease(recent=(ended(phase=Phase.FAILED),))), 1.5)
    world.cluster.tick(5)
    [row] = world.rows

    assert (row.reached_containerd, row.image, row.pull.error) == (True, NAME, "manifest unknown")
    assert row.failure is not None
    assert row.failure.reason is Reason.NOT_FOUND


def test_the_agents_row_replaces_it_and_is_counted_once(world: World) -> None:
    """A late report explains the failure, which is counted already."""
    world.cluster.pod_event(Upserted(FAILED), 1)
    changes = Changes(world.store)
    world.cluster.tick(3)
    counted = failures(changes.read())
    world.cluster.lease_event(Upserted(world.writer.lease(recent=(ended(phase=Phase.FAILED),))), 9)
    [row] = world.rows

    assert (row.reached_containerd, counted, failures(changes.read())) == (True, 1, 0)


def test_the_row_stays_while_another_try_runs(world: World) -> None:
    """The failure is not undone by a new try, which is a row of its own."""
    world.cluster.pod_event(Upserted(FAILED), 1)
    world.cluster.tick(3)
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 9)

    assert sorted((row.pull.phase, row.image) for row in world.rows) == [
        (Phase.DOWNLOADING, NAME), (Phase.FAILED, NAME)
    ]  # fmt: skip


def test_a_failure_of_long_ago_does_not_explain_one_of_now(world: World) -> None:
    """A row from before the pod was there is another failure."""
    old = ended(phase=Phase.FAILED, ended_at=START, error="long ago")
    world.cluster.lease_event(Upserted(world.writer.lease(recent=(old,))), 0.5)
    image = failing("web", "nginx:1.29", "manifest unknown", "ErrImagePull").waiting
    world.cluster.pod_event(Upserted(pod("web", waiting=image, started_at=START + 500)), 1)
    world.cluster.tick(3)

    assert sorted(row.reached_containerd for row in world.rows) == [False, True]


def test_two_pods_with_one_image_are_one_row(world: World) -> None:
    """One row for each node and image, with all who wait."""
    world.cluster.pod_event(Upserted(FAILED), 1)
    world.cluster.pod_event(Upserted(failing("web-2", "nginx:1.29", "manifest unknown", "ErrImagePull")), 1)
    world.cluster.tick(3)
    [row] = world.rows

    assert [each.pod for each in row.waiting] == ["web", "web-2"]


def test_a_row_of_several_namespaces_does_not_repeat_an_event(world: World) -> None:
    """An author of Events in one namespace could write beside pods of the others: only statuses are shown."""
    evil = replace(failing("trap", "nginx:1.29", None), namespace="evil")
    forged = kubelet_event(
        "trap", "", START, kind=EventKind.FAILED, message='Failed to pull image "x": call me', count=9
    )
    world.cluster.pod_event(Upserted(evil), 1)
    world.cluster.kubelet_event(Upserted(replace(forged, namespace="evil")), 1)
    world.cluster.pod_event(Upserted(failing("web", "nginx:1.29", None)), 1)
    world.cluster.tick(3)
    [row] = world.rows
    assert len(row.waiting) == 2
    assert (row.pull.error, row.failure and row.failure.message) == ("ImagePullBackOff", "ImagePullBackOff")

    world.cluster.pod_event(Upserted(FAILED), 4)
    [row] = world.rows

    assert (row.pull.error, row.failure and row.failure.message) == ("manifest unknown", "manifest unknown")


def test_the_row_goes_with_the_last_pod(world: World) -> None:
    """No pod waits any more."""
    world.cluster.pod_event(Upserted(INVALID), 1)
    world.cluster.pod_event(Deleted("shop/web"), 2)

    assert world.rows == []


def test_the_row_has_the_same_id_always(world: World) -> None:
    """Replicas and restarts agree."""
    world.cluster.pod_event(Upserted(INVALID), 1)
    other = World()
    other.cluster.pod_event(Upserted(INVALID), 77)

    assert [row.id for row in world.rows] == [row.id for row in other.rows]
    assert len(world.rows[0].id) == 12


def test_pods_of_a_node_without_an_agent_fail_visibly(world: World) -> None:
    """Where no agent runs, the pods' words are all there is."""
    world.cluster.pod_event(Upserted(failing("web", "nginx:1.29", "manifest unknown", "ErrImagePull")), 1)
    lonely = failing("x", "redis:8", "no such host", "ErrImagePull")
    world.cluster.pod_event(Upserted(pod("x", node="other", waiting=lonely.waiting)), 1)
    world.cluster.tick(3)

    assert {row.node for row in world.rows} == {NODE, "other"}
    assert [node.name for node in world.cluster.node_views(3)] == [NODE]


def test_failures_from_before_the_aggregator_have_a_row_with_its_first_lists() -> None:
    """So that it is not counted as new."""
    world = World.__new__(World)
    world.store, world.writer = PullStore(), LeaseWriter()
    world.cluster = ClusterState(world.store, 600)
    world.cluster.pod_event(Replaced((FAILED,)), 0)
    assert world.rows == []
    world.cluster.lease_event(Replaced((world.writer.lease(),)), 0)

    assert [row.image for row in world.rows] == [NAME]
    changes = Changes(world.store)
    world.cluster.tick(10)
    assert failures(changes.read()) == 0


def test_the_need_of_the_pod_has_the_row(world: World) -> None:
    """The pod's view leads to the row that says why."""
    world.cluster.pod_event(Upserted(INVALID), 1)
    [need] = world.store.snapshot().pods["shop/web"].needs

    assert (need.state, need.pull_id) == (NeedState.FAILED, world.rows[0].id)
