"""How long phases took."""

from __future__ import annotations

import pytest

from pulltrace.aggregator.metrics.phase_durations import PhaseDuration, PhaseDurations
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import NeedState, PodState, PullView
from tests.aggregator.builders import store_of
from tests.builders.pulls import START
from tests.builders.views import image_need, pod_changes, pull_changes, running_view, waiting_pod


def take(steps: list[tuple[float, PullView]], durations: PhaseDurations | None = None) -> list[tuple[str, float]]:
    """Return the durations of a pull with these states at these times."""
    durations, before, over = durations or PhaseDurations(), None, []
    for at, view in steps:
        over += durations.apply(pull_changes(before, view), at)
        before = view
    return [(one.phase, one.seconds) for one in over]


def test_each_phase_counts_when_it_ends() -> None:
    """From the age of the pull at its first report to its end."""
    steps = [
        (100.0, running_view(phase=Phase.RESOLVING, progressed_at=START + 1)),
        (102.0, running_view()),
        (110.0, running_view()),
        (132.0, running_view(phase=Phase.UNPACKING)),
        (135.0, running_view(phase=Phase.COMPLETED)),
    ]

    assert take(steps) == [("resolve", 3.0), ("download", 30.0), ("unpack", 3.0)]


def test_a_pull_that_is_first_seen_downloading_was_resolved_before() -> None:
    """Its age says how long that took."""
    steps = [(100.0, running_view(progressed_at=START + 0.5)), (110.0, running_view(phase=Phase.COMPLETED))]

    assert take(steps) == [("resolve", 0.5), ("download", 10.0)]


@pytest.mark.parametrize("end", [Phase.FAILED, Phase.UNKNOWN])
def test_a_failure_has_no_duration(end: Phase) -> None:
    """It would make registries look fast."""
    assert take([(100.0, running_view(phase=Phase.RESOLVING)), (130.0, running_view(phase=end))]) == []


def test_a_pull_from_before_the_start_counts_from_its_next_phase() -> None:
    """The start of its current phase is unknown; a later gap changes nothing."""
    durations = PhaseDurations()
    for _ in range(2):
        durations.reset(store_of([running_view(), running_view(2, Phase.COMPLETED)]).snapshot())
    durations.apply(pull_changes(running_view(), running_view(phase=Phase.UNPACKING)), 10)
    durations.reset(store_of([running_view(phase=Phase.UNPACKING)]).snapshot())

    assert durations.apply(
        pull_changes(running_view(phase=Phase.UNPACKING), running_view(phase=Phase.COMPLETED)), 15
    ) == [PhaseDuration("unpack", "docker.io", 5.0)]
    assert durations._phases == {}


def test_a_row_that_is_gone_is_forgotten() -> None:
    """With its node, for example."""
    durations = PhaseDurations()
    durations.apply(pull_changes(None, running_view(), None), 0)

    assert durations._phases == {}


def test_the_queue_counts_when_the_pull_starts() -> None:
    """Once for the image on its node, however many pods wait for it."""
    durations = PhaseDurations()
    queued, turn = image_need(NeedState.QUEUED, image="ghcr.io/a/b:1"), image_need(image="ghcr.io/a/b:1")
    for at, name in ((0, "a"), (5, "b")):
        assert durations.apply(pod_changes(None, waiting_pod(name, queued)), at) == []

    found = [
        one
        for name in "ab"
        for one in durations.apply(pod_changes(waiting_pod(name, queued), waiting_pod(name, turn)), 20)
    ]

    assert found == [PhaseDuration("queue", "ghcr.io", 20)]


def test_a_pod_that_leaves_the_queue_otherwise_tells_nothing() -> None:
    """It was deleted, or the image came with another pod's pull."""
    durations, queued = PhaseDurations(), waiting_pod("a", image_need(NeedState.QUEUED))
    durations.apply(pod_changes(None, queued), 0)

    assert durations.apply(pod_changes(queued, waiting_pod("a", state=PodState.GONE)), 20) == []
    assert durations._queued == {}
