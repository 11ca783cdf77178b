"""When changes are published: at once, at the end of the window, or later because the same bar moved just now."""

from __future__ import annotations

import math

import pytest

from pulltrace.pulls.failures import Failure, Reason
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import AnyChange, PodChange, PodState, PullChange
from pulltrace.server.sse.throttle import Throttle, window_seconds
from tests.builders.views import estimated_pod, pull_changes, pull_view

FAILURE = Failure(Reason.NOT_FOUND, "not found")
ONE, TWO = (pull_view(f"{number:012x}") for number in (1, 2))


def moved(sequence: int, row_id: str = ONE.id) -> PullChange:
    """A change of bytes and nothing else."""
    return PullChange(
        sequence, pull_view(row_id, downloaded_bytes=sequence - 1), pull_view(row_id, downloaded_bytes=sequence)
    )


@pytest.mark.parametrize(("subscribers", "seconds"), [(0, 0.03), (10, 0.03), (75, 0.03), (250, 0.1), (10_000, 0.25)])
def test_window_grows_with_the_subscribers(subscribers: int, seconds: float) -> None:
    """Few subscribers get changes at once; many share a bounded number of sends a second."""
    assert window_seconds(subscribers) == seconds


def test_first_progress_is_published_at_once() -> None:
    """A row that was not published lately is published with the next window, in order."""
    throttle = Throttle()
    found: list[AnyChange] = [moved(1), moved(2, TWO.id), moved(3)]
    throttle.add(found)
    assert throttle.ready_at() == -math.inf

    assert throttle.pop_ready(100.0) == found
    assert not throttle
    assert throttle.ready_at() == math.inf


def test_progress_waits_for_a_quarter_of_a_second() -> None:
    """One bar moves four times a second; the others do not wait for it."""
    throttle = Throttle()
    throttle.add([moved(1)])
    throttle.pop_ready(100.0)
    throttle.add([moved(2), moved(3, TWO.id), moved(4)])

    assert throttle.pop_ready(100.1) == [moved(3, TWO.id)]
    assert throttle.ready_at() == 100.25
    assert throttle.pop_ready(100.2) == []
    assert throttle.pop_ready(100.25) == [moved(2), moved(4)]


@pytest.mark.parametrize(
    "change",
    [
        PullChange(3, ONE, None),
        PullChange(3, pull_view(ONE.id, Phase.DOWNLOADING), pull_view(ONE.id, Phase.UNPACKING)),
        PullChange(3, ONE, pull_view(ONE.id, stale=True)),
        PullChange(3, pull_view(ONE.id, Phase.FAILED), pull_view(ONE.id, Phase.FAILED, failure=FAILURE)),
    ],
)
def test_news_does_not_wait(change: PullChange) -> None:
    """An end, another phase, a node whose agent stopped reporting or the reason of a failure come at once, with what was before."""
    throttle = Throttle()
    throttle.add([moved(1)])
    throttle.pop_ready(100.0)
    throttle.add([moved(2), change])

    assert throttle.pop_ready(100.01) == [moved(2), change]


def test_news_of_pods() -> None:
    """A pod's estimate waits as a bar does; that it is ready, new or gone does not."""
    throttle = Throttle()
    waiting, later, ready = estimated_pod(), estimated_pod(estimated_at=5.0), estimated_pod(state=PodState.READY)
    throttle.add([PodChange(1, None, waiting)])
    throttle.pop_ready(100.0)
    throttle.add([PodChange(2, waiting, later)])
    assert throttle.pop_ready(100.1) == []
    throttle.add([PodChange(3, later, ready)])
    assert len(throttle.pop_ready(100.1)) == 2
    throttle.add([PodChange(4, ready, None)])
    assert len(throttle.pop_ready(100.1)) == 1


def test_published_sequence_precedes_pending_changes() -> None:
    """A client with everything up to that sequence misses nothing by resuming from it."""
    throttle = Throttle(7)
    assert throttle.published_sequence == 7
    throttle.add([moved(8)])
    throttle.pop_ready(100.0)
    assert throttle.published_sequence == 8
    throttle.add([moved(9), moved(10, TWO.id)])
    throttle.pop_ready(100.1)

    assert (throttle.published_sequence, throttle.sequence) == (8, 10)
    assert [throttle.is_pending(moved(number, ONE.id)) for number in (8, 9, 11)] == [False, True, True]
    assert not throttle.is_pending(moved(10, TWO.id))


def test_reset_drops_pending_changes() -> None:
    """After a reset no earlier change is published."""
    throttle = Throttle()
    throttle.add(pull_changes(None, ONE))
    throttle.reset(50)

    assert (throttle.published_sequence, throttle.sequence, bool(throttle)) == (50, 50, False)
    throttle.add([PullChange(51, None, None)])
    assert (throttle.published_sequence, bool(throttle)) == (51, False)
    assert not throttle.is_pending(PullChange(51, None, None))
