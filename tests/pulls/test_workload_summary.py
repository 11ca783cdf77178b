"""Workloads summed up from their pods."""

from __future__ import annotations

from pulltrace.pulls.time_left import TimeLeft
from pulltrace.pulls.view import PodState, Workload
from pulltrace.pulls.workload_summary import WorkloadSummary, summarize
from tests.builders.views import MONOTONIC, WEB, pod_view


def test_workload_is_ready_when_its_last_pod_is() -> None:
    """Pods that were deleted do not count; the time left and the node are those of the last pod that waits."""
    pods = [
        pod_view("a", PodState.READY),
        pod_view("b", left=TimeLeft(20, 10, 30)),
        pod_view("c", left=TimeLeft(40, 5, 60), node="node-2", estimated_at=MONOTONIC - 10),
        pod_view("d", PodState.GONE),
    ]

    assert summarize(pods, MONOTONIC) == (
        WorkloadSummary(WEB, 3, 1, 0, TimeLeft(30, 10, 50), "node-2", ("nginx:1.29",)),
    )  # fmt: skip


def test_one_pod_without_a_time_leaves_the_workload_without() -> None:
    """Nothing is guessed: a pod without an estimate may be the last."""
    [summary] = summarize(
        [pod_view("a", left=TimeLeft(20, 10, 30)), pod_view("b", PodState.FAILING, node="node-9")], MONOTONIC
    )

    assert (summary.left, summary.slowest_node, summary.failing) == (None, "node-9", 1)


def test_latest_is_open_when_one_is() -> None:
    """A bound that one pod lacks is none for all."""
    [summary] = summarize(
        [pod_view("a", left=TimeLeft(20, 10, None)), pod_view("b", left=TimeLeft(30, 15, 60))], MONOTONIC
    )

    assert summary.left == TimeLeft(30, 15, None)


def test_all_ready() -> None:
    """When no pod waits there is no time left and no slowest node."""
    assert summarize([pod_view("a", PodState.READY)], MONOTONIC) == (WorkloadSummary(WEB, 1, 1, 0, None, None, ()),)


def test_workloads_are_apart_and_in_order() -> None:
    """Each workload has a summary of its own."""
    other = Workload("cache", "StatefulSet", "redis")

    assert [each.workload for each in summarize([pod_view("a"), pod_view("b", workload=other)], MONOTONIC)] == [
        other,
        WEB,
    ]
