"""When changes are told: at once, at the end of the window, or later because the same bar moved just now."""

from __future__ import annotations

import math

import pytest

from pulltrace.pulls.failures import Failure, Reason
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import AnyChange, PodChange, PodState, PullChange
from pulltrace.server.sse.throttle import Gathering, window_seconds
from tests.builders.views import estimated_pod as pod
from tests.builders.views import pull_changes as changes
from tests.builders.views import pull_view as view

FAILURE = Failure(Reason.NOT_FOUND, "not found")
ONE, TWO = (view(f"{number:012x}") for number in (1, 2))


def moved(sequence: int, row_id: str = ONE.id) -> PullChange:
    """A change of bytes and nothing else."""
    return PullChange(sequence, view(row_id, downloaded_bytes=sequence - 1), view(row_id, downloaded_bytes=sequence))


@pytest.mark.parametrize(("viewers", "seconds"), [(0, 0.03), (10, 0.03), (75, 0.03), (250, 0.1), (10_000, 0.25)])
def test_window_grows_with_the_viewers(viewers: int, seconds: float) -> None:
    """Few viewers get what is new; many share a bounded number of sends a second."""
    assert window_seconds(viewers) == seconds


def test_first_progress_is_told_at_once() -> None:
    """What was not told lately is told with the next window, in the order in which it came."""
    gathering = Gathering()
    found: list[AnyChange] = [moved(1), moved(2, TWO.id), moved(3)]
    gathering.add(found)
    assert gathering.due_at() == -math.inf

    assert gathering.take(100.0) == found
    assert not gathering
    assert gathering.due_at() == math.inf


def test_progress_waits_for_a_quarter_of_a_second() -> None:
    """One bar moves four times a second; the others do not wait for it."""
    gathering = Gathering()
    gathering.add([moved(1)])
    gathering.take(100.0)
    gathering.add([moved(2), moved(3, TWO.id), moved(4)])

    assert gathering.take(100.1) == [moved(3, TWO.id)]
    assert gathering.due_at() == 100.25
    assert gathering.take(100.2) == []
    assert gathering.take(100.25) == [moved(2), moved(4)]


@pytest.mark.parametrize(
    "change",
    [
        PullChange(3, ONE, None),
        PullChange(3, view(ONE.id, Phase.DOWNLOADING), view(ONE.id, Phase.UNPACKING)),
        PullChange(3, ONE, view(ONE.id, stale=True)),
        PullChange(3, view(ONE.id, Phase.FAILED), view(ONE.id, Phase.FAILED, failure=FAILURE)),
    ],
)
def test_news_does_not_wait(change: PullChange) -> None:
    """An end, another phase, a node that fell silent or the reason of a failure come at once, with what was before."""
    gathering = Gathering()
    gathering.add([moved(1)])
    gathering.take(100.0)
    gathering.add([moved(2), change])

    assert gathering.take(100.01) == [moved(2), change]


def test_news_of_pods() -> None:
    """A pod's estimate waits as a bar does; that it is ready, new or gone does not."""
    gathering = Gathering()
    waiting, later, ready = pod(), pod(estimated_at=5.0), pod(state=PodState.READY)
    gathering.add([PodChange(1, None, waiting)])
    gathering.take(100.0)
    gathering.add([PodChange(2, waiting, later)])
    assert gathering.take(100.1) == []
    gathering.add([PodChange(3, later, ready)])
    assert len(gathering.take(100.1)) == 2
    gathering.add([PodChange(4, ready, None)])
    assert len(gathering.take(100.1)) == 1


def test_told_is_before_what_waits() -> None:
    """Who was told everything up to `told` misses nothing by asking for what came after it."""
    gathering = Gathering(7)
    assert gathering.told == 7
    gathering.add([moved(8)])
    gathering.take(100.0)
    assert gathering.told == 8
    gathering.add([moved(9), moved(10, TWO.id)])
    gathering.take(100.1)

    assert (gathering.told, gathering.sequence) == (8, 10)
    assert [gathering.holds(moved(number, ONE.id)) for number in (8, 9, 11)] == [False, True, True]
    assert not gathering.holds(moved(10, TWO.id))


def test_begin_forgets() -> None:
    """After a new beginning nothing of before is told or waited for."""
    gathering = Gathering()
    gathering.add(changes(None, ONE))
    gathering.begin(50)

    assert (gathering.told, gathering.sequence, bool(gathering)) == (50, 50, False)
    gathering.add([PullChange(51, None, None)])
    assert (gathering.told, bool(gathering)) == (51, False)
    assert not gathering.holds(PullChange(51, None, None))
