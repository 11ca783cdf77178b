"""Since when pulls run and bytes come, by our own clock."""

from __future__ import annotations

import pytest

from pulltrace.aggregator.metrics.active_pulls import Live
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import PodState
from tests.aggregator.records import store_of
from tests.builders.pulls import MIB
from tests.builders.views import pod_changes as pods
from tests.builders.views import pull_changes as pulls
from tests.builders.views import running_view as running
from tests.builders.views import waiting_pod as waiting


def test_running_pulls_are_those_that_have_not_ended() -> None:
    """They come, they go, and a row that ended long ago never was one."""
    live = Live()
    live.begin(store_of([running(1), running(2, Phase.COMPLETED)]).snapshot(), 0)
    assert list(live.running) == [running(1).id]

    live.take(pulls(running(1), running(1, Phase.FAILED)), 5)
    live.take(pulls(None, running(3), None), 6)

    assert live.running == {}


def test_a_stall_counts_from_the_last_byte() -> None:
    """And only while no byte is expected either: silence between two reports is none."""
    live, still = Live(), running(bytes_per_second=0.0)
    live.take(pulls(None, running(downloaded_bytes=1)), 0)
    live.take(pulls(running(downloaded_bytes=1), running()), 5)
    assert live.stalled(100) == 0

    live.take(pulls(running(), still), 20)

    assert live.running[still.id].stalled_seconds(14.9) is None
    assert live.running[still.id].stalled_seconds(25) == 20
    assert live.stalled(25) == 1


@pytest.mark.parametrize("fields", [{"phase": Phase.UNPACKING}, {"stale": True, "bytes_per_second": 0.0}])
def test_only_a_download_stalls(fields: dict[str, object]) -> None:
    """Unpacking moves no bytes, and of a silent agent nothing is known."""
    live = Live()
    live.take(pulls(None, running(**fields)), 0)  # type: ignore[arg-type]

    assert live.stalled(1000) == 0


def test_a_second_beginning_keeps_the_times() -> None:
    """A gap in the log of changes makes no pull younger."""
    live = Live()
    for now in (0, 50):
        live.begin(store_of([running(bytes_per_second=0.0)]).snapshot(), now)
    moved = running(bytes_per_second=0.0, downloaded_bytes=500 * MIB)
    assert live.running[moved.id].seen_at == 0
    live.begin(store_of([moved]).snapshot(), 60)

    assert live.running[moved.id].moved_at == 60
    live.begin(store_of().snapshot(), 70)
    assert live.running == {}


def test_waiting_pods_are_counted_by_namespace() -> None:
    """Failing ones wait too; ready and gone ones do not."""
    live = Live()
    live.begin(store_of((), [waiting("a"), waiting("b", namespace="team")]).snapshot(), 0)
    live.take(pods(None, waiting("c", state=PodState.FAILING)), 1)
    assert live.namespaces == {"shop": 2, "team": 1}

    live.take(pods(waiting("a"), waiting("a", state=PodState.READY), None), 2)
    live.take(pods(waiting("b", namespace="team"), None), 2)

    assert live.namespaces == {"shop": 1}
    assert set(live.waiting) == {"shop/c"}


def test_nodes_fail_on_which_an_image_cannot_be_pulled() -> None:
    """A node counts once, however many of its pods cannot start; one whose pods only wait does not."""
    live = Live()
    failing = [
        waiting(name, node=node, state=PodState.FAILING) for name, node in (("a", "one"), ("b", "one"), ("c", "two"))
    ]
    live.take(pods(None, *failing[:1]), 0)
    for pod in [*failing[1:], waiting("d", node="three")]:
        live.take(pods(None, pod), 0)

    assert live.failing_nodes() == 2
