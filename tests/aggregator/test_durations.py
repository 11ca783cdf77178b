"""How long phases took."""

from __future__ import annotations

import pytest

from pulltrace.aggregator.metrics.phase_durations import Duration, Durations
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import NeedState, PodState, PullView
from tests.aggregator.records import store_of
from tests.builders.pulls import START
from tests.builders.views import image_need as need
from tests.builders.views import pod_changes as pods
from tests.builders.views import pull_changes as pulls
from tests.builders.views import running_view as running
from tests.builders.views import waiting_pod as waiting


def take(steps: list[tuple[float, PullView]], durations: Durations | None = None) -> list[tuple[str, float]]:
    """The durations that a pull's states at these times give."""
    durations, before, over = durations or Durations(), None, []
    for at, view in steps:
        over += durations.take(pulls(before, view), at)
        before = view
    return [(one.phase, one.seconds) for one in over]


def test_each_phase_is_told_when_it_is_over() -> None:
    """From the age with which the pull was first told of to its end."""
    steps = [
        (100.0, running(phase=Phase.RESOLVING, progressed_at=START + 1)),
        (102.0, running()),
        (110.0, running()),
        (132.0, running(phase=Phase.UNPACKING)),
        (135.0, running(phase=Phase.COMPLETED)),
    ]

    assert take(steps) == [("resolve", 3.0), ("download", 30.0), ("unpack", 3.0)]


def test_a_pull_that_is_first_seen_downloading_was_resolved_before() -> None:
    """Its age says how long that took."""
    steps = [(100.0, running(progressed_at=START + 0.5)), (110.0, running(phase=Phase.COMPLETED))]

    assert take(steps) == [("resolve", 0.5), ("download", 10.0)]


@pytest.mark.parametrize("end", [Phase.FAILED, Phase.UNKNOWN])
def test_a_failure_has_no_duration(end: Phase) -> None:
    """It would make registries look fast."""
    assert take([(100.0, running(phase=Phase.RESOLVING)), (130.0, running(phase=end))]) == []


def test_what_was_under_way_at_the_start_is_told_from_the_next_phase_on() -> None:
    """Nobody knows when its present phase began; a later gap changes nothing."""
    durations = Durations()
    for _ in range(2):
        durations.begin(store_of([running(), running(2, Phase.COMPLETED)]).snapshot())
    durations.take(pulls(running(), running(phase=Phase.UNPACKING)), 10)
    durations.begin(store_of([running(phase=Phase.UNPACKING)]).snapshot())

    assert durations.take(pulls(running(phase=Phase.UNPACKING), running(phase=Phase.COMPLETED)), 15) == [
        Duration("unpack", "docker.io", 5.0)
    ]
    assert durations._phases == {}


def test_a_row_that_is_gone_is_forgotten() -> None:
    """With its node, for example."""
    durations = Durations()
    durations.take(pulls(None, running(), None), 0)

    assert durations._phases == {}


def test_the_queue_is_told_when_the_turn_comes() -> None:
    """Once for the image on its node, however many pods wait for it."""
    durations = Durations()
    queued, turn = need(NeedState.QUEUED, image="ghcr.io/a/b:1"), need(image="ghcr.io/a/b:1")
    for at, name in ((0, "a"), (5, "b")):
        assert durations.take(pods(None, waiting(name, queued)), at) == []

    told = [one for name in "ab" for one in durations.take(pods(waiting(name, queued), waiting(name, turn)), 20)]

    assert told == [Duration("queue", "ghcr.io", 20)]


def test_a_pod_that_leaves_the_queue_otherwise_tells_nothing() -> None:
    """It was deleted, or the image came with another pod's pull."""
    durations, queued = Durations(), waiting("a", need(NeedState.QUEUED))
    durations.take(pods(None, queued), 0)

    assert durations.take(pods(queued, waiting("a", state=PodState.GONE)), 20) == []
    assert durations._queued == {}
