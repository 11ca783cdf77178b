"""Rows after Leases, pods and time. The clock is an argument, and Leases are as agents write them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pulltrace.aggregator.rows.node_state import DEFAULT_DURATION_SECONDS, MAX_HISTORY_PULLS
from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.resources.leases import LeaseRecord, lease_record
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.kube.watch.watch_events import Deleted, Replaced, Upserted, WatchEvent
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import PullChange, PullView
from tests.aggregator import hostile_leases
from tests.aggregator.builders import Changes, pull_row_id
from tests.builders.leases import LeaseWriter
from tests.builders.pods import NODE, failing, pending_image, pod
from tests.builders.pulls import NGINX, START, ended, pull

TTL = 600.0
WEB = pod("web", "nginx:1.29")


class World:
    """A cluster whose clock is moved by hand."""

    def __init__(self) -> None:
        self.store = PullStore()
        self.cluster = ClusterState(self.store, TTL)
        self.writer = LeaseWriter()
        self.changes = Changes(self.store)

    def pod(self, event: WatchEvent[PodRecord], now: float) -> list[PullChange]:
        """Return the changes of pulls after an event of a pod."""
        self.changes.read()
        self.cluster.pod_event(event, now)
        return self.changes.of_pulls()

    def lease(self, record: LeaseRecord, now: float) -> list[PullChange]:
        self.changes.read()
        self.cluster.lease_event(Upserted(record), now)
        return self.changes.of_pulls()

    def tick(self, now: float) -> list[PullChange]:
        self.changes.read()
        self.cluster.tick(now)
        return self.changes.of_pulls()

    @property
    def rows(self) -> dict[str, PullView]:
        return dict(self.store.snapshot().pulls)

    @property
    def row(self) -> PullView:
        [row] = self.rows.values()
        return row


@pytest.fixture
def world() -> World:
    """Return an aggregator without any input."""
    return World()


# -- Leases ----------------------------------------------------------------------------------------


def test_the_first_list_makes_the_rows(world: World) -> None:
    """A list of Leases is all there is, and the store says that it has come."""
    assert not world.store.snapshot().synced
    world.cluster.lease_event(Replaced((world.writer.lease(pull(1)), world.writer.lease(pull(2), node="node-2"))), 0)

    assert {(row.node, row.id) for row in world.rows.values()} == {
        (NODE, pull_row_id(1)),
        ("node-2", pull_row_id(2, "node-2")),
    }
    assert world.store.snapshot().synced


def test_a_lease_that_changes_changes_its_row(world: World) -> None:
    """A report is one change, from the row before to the row after."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0)
    [change] = world.lease(world.writer.lease(pull(downloaded_bytes=500)), 1)

    assert change.before is not None
    assert change.after is not None
    assert (change.before.pull.downloaded_bytes, change.after.pull.downloaded_bytes) == (100, 500)


def test_a_lease_that_was_seen_is_no_report(world: World) -> None:
    """A list that repeats what is known changes nothing, and does not make a silent agent speak."""
    lease = world.writer.lease(pull())
    world.cluster.lease_event(Upserted(lease), 0)

    before = world.store.snapshot()
    world.cluster.lease_event(Replaced((lease,)), 60)
    assert world.store.snapshot() == replace(before, sequence=before.sequence + 1, synced=True)
    world.cluster.tick(60)
    assert world.row.stale
    assert world.cluster.reports == 1


def test_a_pull_moves_from_the_running_to_the_ended(world: World) -> None:
    """One row stays one row when its pull ends."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0)
    world.cluster.lease_event(Upserted(world.writer.lease(recent=(ended(),))), 1)

    assert world.row.pull.phase is Phase.COMPLETED


def test_a_pull_that_is_not_mentioned_any_more_has_an_unknown_end(world: World) -> None:
    """An agent that lost its memory did not see its pulls succeed."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0)
    world.cluster.lease_event(Upserted(world.writer.lease()), 1)

    assert (world.row.pull.phase, world.row.pull.ended_at) == (Phase.UNKNOWN, START + 1)


def test_a_pull_beyond_the_limit_has_not_ended(world: World) -> None:
    """While an agent says that it leaves pulls out, a missing one is not an ended one."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull(1), pull(2))), 0)
    world.cluster.lease_event(Upserted(world.writer.lease(pull(1), omitted=1)), 1)

    assert not any(row.pull.phase.ended for row in world.rows.values())


def test_a_closed_pull_that_is_reported_again_runs(world: World) -> None:
    """The node's report overrides the conclusion from its silence."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0)
    world.cluster.lease_event(Upserted(world.writer.lease()), 1)
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 2)

    assert world.row.pull.phase is Phase.DOWNLOADING


def test_an_outcome_that_arrives_late_replaces_an_unknown_one(world: World) -> None:
    """The node's word on how a pull ended is taken, also after it was given up."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0)
    world.cluster.lease_event(Deleted(NODE), 1)
    world.cluster.lease_event(Upserted(world.writer.lease(recent=(ended(),))), 2)

    assert world.row.pull.phase is Phase.COMPLETED


# -- silence ---------------------------------------------------------------------------------------


def test_a_silent_agent_makes_its_pulls_stale(world: World) -> None:
    """After the time that its Lease gave, by our own clock, a running pull is stale, and not ended."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull(), renewed_at=1.0)), 1000)
    assert world.tick(1040) == []
    [change] = world.tick(1040.1)

    assert change.after is not None
    assert (change.after.stale, change.after.pull.phase) == (True, Phase.DOWNLOADING)


def test_a_stale_row_is_one_change(world: World) -> None:
    """Silence that goes on is no news."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0)
    world.cluster.tick(41)

    assert world.tick(42) == []


def test_an_agent_that_speaks_again_is_not_stale(world: World) -> None:
    """The next report makes the row fresh."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0)
    world.cluster.tick(41)
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 42)

    assert not world.row.stale


def test_a_lease_without_a_duration_has_the_usual_one(world: World) -> None:
    """A Lease that does not say how long it holds is not believed for ever."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull(), duration_seconds=None)), 0)
    world.cluster.tick(DEFAULT_DURATION_SECONDS + 1)

    assert world.row.stale


def test_an_ended_pull_is_never_stale(world: World) -> None:
    """An ended pull cannot change unseen."""
    world.cluster.lease_event(Upserted(world.writer.lease(recent=(ended(),))), 0)
    world.cluster.tick(100)

    assert not world.row.stale


def test_a_stale_row_stays_so_when_a_pod_changes(world: World) -> None:
    """News of a pod is no news of the node."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0)
    world.cluster.tick(41)
    world.cluster.pod_event(Upserted(WEB), 42)

    assert (world.row.stale, world.row.image) == (True, f"{NGINX}:1.29")


# -- nodes that go ---------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [Deleted(NODE), Replaced(())], ids=["deleted", "not listed"])
def test_the_pulls_of_a_node_that_is_gone_have_an_unknown_end(
    world: World, event: Deleted | Replaced[LeaseRecord]
) -> None:
    """The pull of a node that was removed is closed, and stays in the history."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0)
    world.cluster.lease_event(event, 1)

    assert (world.row.pull.phase, world.row.pull.error) == (Phase.UNKNOWN, "the node is gone")


def test_a_node_that_is_gone_is_forgotten_with_its_history(world: World) -> None:
    """Nothing is kept for names that do not come back."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0)
    world.cluster.lease_event(Deleted(NODE), 1)
    world.cluster.lease_event(Deleted(NODE), 2)
    world.cluster.tick(1 + TTL)

    assert (world.rows, world.cluster.nodes) == ({}, {})


def test_an_unknown_node_can_go(world: World) -> None:
    """The end of a node that was never seen changes nothing."""
    world.changes.read()
    world.cluster.lease_event(Deleted("node-9"), 0)

    assert world.changes.read() == []


def test_a_lease_that_was_deleted_and_comes_back_goes_on(world: World) -> None:
    """An agent creates a deleted Lease again, and its pulls run as before."""
    lease = world.writer.lease(pull())
    world.cluster.lease_event(Upserted(lease), 0)
    world.cluster.lease_event(Deleted(NODE), 1)
    world.cluster.lease_event(Upserted(lease), 2)

    assert (world.row.pull.phase, world.row.pull.error) == (Phase.DOWNLOADING, None)


# -- history ---------------------------------------------------------------------------------------


def test_history_lasts_as_long_as_its_setting(world: World) -> None:
    """An ended pull is shown for its time, counted from its end by the clock of its node."""
    world.cluster.lease_event(Upserted(world.writer.lease(recent=(ended(ended_at=START),), renewed_at=START + 100)), 0)
    assert world.tick(TTL - 100.1) == []
    [change] = world.tick(TTL - 100)

    assert change.before is not None
    assert change.after is None


def test_history_that_has_run_out_does_not_come_back(world: World) -> None:
    """An agent remembers longer than is shown; that brings no row back."""
    recent = (ended(ended_at=START),)
    world.cluster.lease_event(Upserted(world.writer.lease(recent=recent, renewed_at=START)), 0)
    world.cluster.tick(TTL)
    world.cluster.lease_event(Upserted(world.writer.lease(recent=recent, renewed_at=START + TTL)), TTL)

    assert world.rows == {}


def test_a_restarted_aggregator_has_the_history(world: World) -> None:
    """Pulls that ended before this aggregator started are in the Leases."""
    world.cluster.lease_event(Replaced((world.writer.lease(pull(1), recent=(ended(2),)),)), 0)

    assert {row.pull.phase for row in world.rows.values()} == {Phase.DOWNLOADING, Phase.COMPLETED}


def test_a_lease_without_a_time_has_fresh_history(world: World) -> None:
    """Without the time of the node, a pull has ended just now."""
    lease = world.writer.lease(recent=(ended(),))
    world.cluster.lease_event(Upserted(type(lease)(NODE, lease.annotations, version="x")), 0)
    world.cluster.tick(TTL - 1)

    assert len(world.rows) == 1


def test_history_is_bounded(world: World) -> None:
    """The newest ended pulls of a node are kept."""
    for number in range(MAX_HISTORY_PULLS + 10):
        done = ended(number, ended_at=START + number / 10)
        world.cluster.lease_event(Upserted(world.writer.lease(recent=(done,))), number / 10)

    assert len(world.rows) == MAX_HISTORY_PULLS
    assert pull_row_id(0) not in world.rows


# -- pods ------------------------------------------------------------------------------------------


def test_a_pod_names_the_pull_that_it_waits_for(world: World) -> None:
    """Whether the pod or the report comes first, the row has both."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0)
    [change] = world.pod(Upserted(WEB), 1)

    assert change.after is not None
    assert change.after.image == f"{NGINX}:1.29"
    assert [each.pod for each in change.after.waiting] == ["web"]


def test_a_pod_from_before_the_report_counts(world: World) -> None:
    """Pods are remembered until a pull needs them."""
    world.cluster.pod_event(Replaced((WEB,)), 0)
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 1)

    assert world.row.image == f"{NGINX}:1.29"


def test_a_pod_of_another_node_names_nothing(world: World) -> None:
    """Only pods on the node wait for its pulls."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0)

    world.changes.read()
    world.cluster.pod_event(Upserted(pod("web", "nginx:1.29", node="node-2")), 1)

    assert world.changes.read() == []


@pytest.mark.parametrize("event", [Deleted("shop/web"), Replaced(())], ids=["deleted", "not listed"])
def test_a_pod_that_is_gone_does_not_wait(world: World, event: Deleted | Replaced[PodRecord]) -> None:
    """A deleted pod leaves the row."""
    world.cluster.pod_event(Upserted(WEB), 0)
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0)
    world.cluster.pod_event(event, 1)

    assert world.row.waiting == ()


def test_a_list_of_pods_changes_only_what_changed(world: World) -> None:
    """A list that repeats what is known is no news."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0)
    world.cluster.pod_event(Upserted(WEB), 0)

    world.changes.read()
    world.cluster.pod_event(Replaced((WEB,)), 1)

    assert world.changes.read() == []


def test_a_pod_moves_to_another_node(world: World) -> None:
    """A pod of the same name on another node waits there, and not here."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull(1))), 0)
    world.cluster.lease_event(Upserted(world.writer.lease(pull(2), node="node-2")), 0)
    world.cluster.pod_event(Upserted(WEB), 0)
    world.cluster.pod_event(Upserted(pod("web", "nginx:1.29", node="node-2")), 1)

    assert {row.node: len(row.waiting) for row in world.rows.values()} == {NODE: 0, "node-2": 1}


def test_the_kubelets_message_reaches_the_failed_pull(world: World) -> None:
    """The reason of a failure comes from the pod, after the pull has ended."""
    world.cluster.pod_event(Upserted(WEB), 0)
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0)
    world.cluster.lease_event(Upserted(world.writer.lease(recent=(ended(phase=Phase.FAILED),))), 1)
    [change] = world.pod(Upserted(failing("web", "nginx:1.29", "manifest unknown")), 2)

    assert change.after is not None
    assert change.after.pull.error == "manifest unknown"


def test_an_unknown_pod_can_go(world: World) -> None:
    """The end of a pod that was never seen changes nothing."""
    world.changes.read()
    world.cluster.pod_event(Deleted("shop/web"), 0)

    assert world.changes.read() == []


def test_pods_that_wait_for_an_image_are_counted(world: World) -> None:
    """A pod that waits for something else is none of them."""
    done = pod("done")
    never = pod("never", waiting=[pending_image("x", None, container="c")])
    world.cluster.pod_event(Replaced((WEB, done, never)), 0)

    assert world.cluster.waiting_pods == 2


# -- Leases that lie -------------------------------------------------------------------------------


@pytest.mark.parametrize("annotations", hostile_leases.ANNOTATIONS.values(), ids=hostile_leases.ANNOTATIONS)
def test_a_foreign_lease_does_not_disturb_the_others(
    world: World, caplog: pytest.LogCaptureFixture, annotations: dict[str, str]
) -> None:
    """Junk is rejected, counted and named with its node; what other nodes say goes on."""
    junk = lease_record(hostile_leases.lease("node-2", annotations))
    world.cluster.lease_event(Replaced((junk, world.writer.lease(pull()))), 0)
    world.cluster.lease_event(Upserted(world.writer.lease(pull(downloaded_bytes=999))), 1)

    assert (world.row.node, world.row.pull.downloaded_bytes) == (NODE, 999)
    assert world.cluster.problems >= 1
    [warning] = caplog.messages
    assert warning.startswith("Lease of node 'node-2': ")
    assert warning.isprintable()
    assert len(warning) < 1000


def test_an_agent_that_varies_its_junk_is_logged_once_in_ten_seconds(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The line says how many there were, the newest is logged in the end, and another node's line comes at once."""
    for number in range(100):
        junk = hostile_leases.lease("node-2", {hostile_leases.KEY: f'{{"v":{number + 2}}}'}, number + 1)
        world.cluster.lease_event(Upserted(lease_record(junk)), number / 20)
    world.cluster.lease_event(Upserted(lease_record(hostile_leases.lease("node-3", {hostile_leases.KEY: "junk"}))), 5)
    world.cluster.tick(6)
    world.cluster.tick(10)

    assert world.cluster.problems == 101
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "Lease of node 'node-2'",
        "Lease of node 'node-3'",
        "Lease of node 'node-2'",
    ]
    assert "format version '101'" in caplog.messages[-1]
    assert caplog.messages[-1].endswith(" (and 98 more in the last 10 s)")


def test_a_part_that_cannot_be_read_does_not_cost_the_rest(world: World) -> None:
    """The rest of the report counts."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull(), junk="{" * 5000)), 0)

    assert len(world.rows) == world.cluster.problems == 1


def test_a_lease_from_the_future_is_stale_by_our_own_clock(world: World) -> None:
    """`renewTime` is not compared with this process's clock."""
    annotations = world.writer.lease(pull()).annotations
    raw = hostile_leases.lease(NODE, dict(annotations))
    raw["spec"]["leaseDurationSeconds"] = 40
    world.cluster.lease_event(Upserted(lease_record(raw)), 0)
    world.cluster.tick(41)

    assert world.row.stale


def test_a_node_cannot_take_the_row_of_another(world: World) -> None:
    """A Lease that uses an id of another node takes nothing away, and hides nothing: it is another row."""
    world.cluster.lease_event(Upserted(world.writer.lease(pull())), 0)
    world.cluster.lease_event(Upserted(world.writer.lease(pull(downloaded_bytes=999), node="evil")), 1)
    assert world.rows[pull_row_id()].node == NODE
    assert sorted((row.node, row.pull.downloaded_bytes) for row in world.rows.values()) == [("evil", 999), (NODE, 100)]

    world.cluster.lease_event(Deleted("evil"), 2)

    assert world.rows[pull_row_id()].pull.phase is Phase.DOWNLOADING


def test_a_node_that_is_listed_first_does_not_hide_the_pulls_of_another(world: World) -> None:
    """After a restart both nodes' pulls have rows, and go on as one row each."""
    evil = world.writer.lease(pull(downloaded_bytes=999), node="evil")
    world.cluster.lease_event(Replaced((evil, world.writer.lease(pull()))), 0)
    [first] = [row.id for row in world.rows.values() if row.node == NODE]
    world.cluster.lease_event(Deleted("evil"), 1)
    world.cluster.tick(1 + TTL)
    world.cluster.lease_event(Upserted(world.writer.lease(recent=(ended(),), renewed_at=START + 30)), 2 + TTL)

    assert [(row.id, row.pull.phase) for row in world.rows.values()] == [(first, Phase.COMPLETED)]
