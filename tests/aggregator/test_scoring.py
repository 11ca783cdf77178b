"""How far estimates were off."""

from __future__ import annotations

import pytest

from pulltrace.aggregator.metrics.estimate_accuracy import MOST_ESTIMATES, Score, Scoring
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import PodState, PodView, PullView
from tests.aggregator.records import store_of
from tests.builders.pulls import MIB
from tests.builders.views import pod_changes as pods
from tests.builders.views import pull_changes as pulls
from tests.builders.views import running_view as running
from tests.builders.views import time_left as left
from tests.builders.views import waiting_pod as waiting


def scores(*steps: tuple[float, PullView | PodView], scoring: Scoring | None = None) -> list[Score]:
    """What the states of one row at these times prove."""
    scoring, before, found = scoring or Scoring(), None, []
    for at, row in steps:
        changes = pulls(before, row) if isinstance(row, PullView) else pods(before, row)  # type: ignore[arg-type]
        found += scoring.take(changes, at)
        before = row
    return found


def test_a_pulls_estimate_at_half_time_is_judged() -> None:
    """25 s were told at 61 %, 20 s it took: a quarter too much. Later estimates do not count."""
    assert scores(
        (0, running(downloaded_bytes=10, seconds_left=500.0)),
        (20, running(seconds_left=25.0)),
        (30, running(seconds_left=1.0)),
        (40, running(phase=Phase.COMPLETED)),
    ) == [Score(0.25, pod=False, total_bytes=675 * MIB)]


@pytest.mark.parametrize(
    "steps",
    [
        [(0.0, running(seconds_left=20.0)), (20.0, running(phase=Phase.FAILED))],
        [(0.0, running()), (20.0, running(phase=Phase.COMPLETED))],
        [(0.0, running(seconds_left=5.0)), (1.0, running(phase=Phase.COMPLETED))],
        [(0.0, running(downloaded_bytes=10, seconds_left=5.0)), (9.0, running(phase=Phase.COMPLETED))],
    ],
    ids=["failed", "nothing was told", "too short", "half time was not seen"],
)
def test_what_cannot_be_judged_is_not(steps: list[tuple[float, PullView]]) -> None:
    """A failure, silence, and what is over within a report or two."""
    assert scores(*steps) == []


def test_what_was_under_way_at_the_start_is_not_judged() -> None:
    """Half of its bytes may have come long before."""
    scoring = Scoring()
    scoring.begin(store_of([running()]).snapshot())
    [first, second] = pulls(running(), running(seconds_left=20.0), running(phase=Phase.COMPLETED))

    assert scoring.take([first], 0) == scoring.take([second], 50) == []


def test_rows_that_are_gone_are_forgotten() -> None:
    """Of a node that went, and of pods that were deleted."""
    scoring = Scoring()
    scoring.take(pulls(None, running(), None), 0)
    scoring.take(pods(None, waiting(left=left(5)), None), 0)
    scoring.take(pods(None, waiting("web-2"), waiting("web-2", state=PodState.GONE)), 0)

    assert scoring._halves == {}
    assert scoring._waits == {}


def test_the_estimate_that_held_at_a_quarter_of_a_pods_wait_is_judged() -> None:
    """100 s in all: at 25 s the one of 20 s held, which told an end at 90 s; 75 s were left, 65 were told."""
    [score] = scores(
        (0, waiting(left=left(300), at=0)),
        (20, waiting(left=left(70), at=20)),
        (26, waiting(left=left(74), at=26)),
        (100, waiting(state=PodState.READY, ended_at=100.0)),
    )

    assert score.pod
    assert score.ratio == pytest.approx(10 / 75)


def test_a_pod_that_failed_meanwhile_is_not_judged() -> None:
    """How long a person takes to mend a name is not to be estimated."""
    assert (
        scores(
            (0, waiting(left=left(10), at=0)),
            (20, waiting(state=PodState.FAILING)),
            (30, waiting(left=left(10), at=30)),
            (90, waiting(state=PodState.READY, ended_at=90.0)),
        )
        == []
    )


def test_a_long_wait_keeps_few_estimates() -> None:
    """They stay spread over the wait: the one at its quarter is never far."""
    steps: list[tuple[float, PullView | PodView]] = [
        (float(at), waiting(left=left(1000.0 - at), at=float(at))) for at in range(1000)
    ]
    scoring = Scoring()
    scores(*steps, scoring=scoring)
    estimates = scoring._waits["uid-web-1"].estimates

    assert len(estimates) <= MOST_ESTIMATES
    assert any(at <= 250 for at, _ in estimates[1:])
    assert scoring.take(pods(waiting(), waiting(state=PodState.READY, ended_at=1000.0)), 1000) == [Score(0.0, pod=True)]
