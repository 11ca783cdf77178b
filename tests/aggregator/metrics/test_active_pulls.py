"""Since when pulls run and bytes come, by our own clock."""

from __future__ import annotations

import pytest

from pulltrace.aggregator.metrics.active_pulls import ActivePulls
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import PodState
from tests.aggregator.builders import store_of
from tests.builders.pulls import MIB
from tests.builders.views import pod_changes, pull_changes, running_view, waiting_pod


def test_running_pulls_are_those_that_have_not_ended() -> None:
    """They come, they go, and a row that ended long ago never was one."""
    live = ActivePulls()
    live.reset(store_of([running_view(1), running_view(2, Phase.COMPLETED)]).snapshot(), 0)
    assert list(live.running) == [running_view(1).id]

    live.apply(pull_changes(running_view(1), running_view(1, Phase.FAILED)), 5)
    live.apply(pull_changes(None, running_view(3), None), 6)

    assert live.running == {}


def test_a_stall_counts_from_the_last_byte() -> None:
    """And only while no byte is expected either: silence between two reports is none."""
    live, still = ActivePulls(), running_view(bytes_per_second=0.0)
    live.apply(pull_changes(None, running_view(downloaded_bytes=1)), 0)
    live.apply(pull_changes(running_view(downloaded_bytes=1), running_view()), 5)
    assert live.stalled(100) == 0

    live.apply(pull_changes(running_view(), still), 20)

    assert live.running[still.id].stalled_seconds(14.9) is None
    assert live.running[still.id].stalled_seconds(25) == 20
    assert live.stalled(25) == 1


@pytest.mark.parametrize("fields", [{"phase": Phase.UNPACKING}, {"stale": True, "bytes_per_second": 0.0}])
def test_only_a_download_stalls(fields: dict[str, object]) -> None:
    """Unpacking moves no bytes, and of a silent agent nothing is known."""
    live = ActivePulls()
    live.apply(pull_changes(None, running_view(**fields)), 0)  # type: ignore[arg-type]

    assert live.stalled(1000) == 0


def test_a_second_snapshot_keeps_the_times() -> None:
    """A gap in the log of changes makes no pull younger."""
    live = ActivePulls()
    for now in (0, 50):
        live.reset(store_of([running_view(bytes_per_second=0.0)]).snapshot(), now)
    moved = running_view(bytes_per_second=0.0, downloaded_bytes=500 * MIB)
    assert live.running[moved.id].first_seen_at == 0
    live.reset(store_of([moved]).snapshot(), 60)

    assert live.running[moved.id].progressed_at == 60
    live.reset(store_of().snapshot(), 70)
    assert live.running == {}


def test_waiting_pods_are_counted_by_namespace() -> None:
    """Failing ones wait too; ready and gone ones do not."""
    live = ActivePulls()
    live.reset(store_of((), [waiting_pod("a"), waiting_pod("b", namespace="team")]).snapshot(), 0)
    live.apply(pod_changes(None, waiting_pod("c", state=PodState.FAILING)), 1)
    assert live.namespaces == {"shop": 2, "team": 1}

    live.apply(pod_changes(waiting_pod("a"), waiting_pod("a", state=PodState.READY), None), 2)
    live.apply(pod_changes(waiting_pod("b", namespace="team"), None), 2)

    assert live.namespaces == {"shop": 1}
    assert set(live.waiting) == {"shop/c"}


def test_nodes_fail_on_which_an_image_cannot_be_pulled() -> None:
    """A node counts once, however many of its pods cannot start; one whose pods only wait does not."""
    live = ActivePulls()
    failing = [
        waiting_pod(name, node=node, state=PodState.FAILING)
        for name, node in (("a", "one"), ("b", "one"), ("c", "two"))
    ]
    live.apply(pod_changes(None, *failing[:1]), 0)
    for pod in [*failing[1:], waiting_pod("d", node="three")]:
        live.apply(pod_changes(None, pod), 0)

    assert live.failing_nodes() == 2
