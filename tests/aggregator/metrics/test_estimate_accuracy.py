"""How far estimates were off."""

from __future__ import annotations

import pytest

from pulltrace.aggregator.metrics.estimate_accuracy import MAX_ESTIMATES, EstimateAccuracy, EstimateError
from pulltrace.pulls.model import Phase
from pulltrace.pulls.time_left import TimeLeft
from pulltrace.pulls.view import PodState, PodView, PullView
from tests.aggregator.builders import store_of
from tests.builders.pulls import MIB
from tests.builders.views import pod_changes, pull_changes, running_view, time_left, waiting_pod


def scores(*steps: tuple[float, PullView | PodView], scoring: EstimateAccuracy | None = None) -> list[EstimateError]:
    """Return the errors after these states of one row."""
    scoring, before, found = scoring or EstimateAccuracy(), None, []
    for at, row in steps:
        changes = pull_changes(before, row) if isinstance(row, PullView) else pod_changes(before, row)  # type: ignore[arg-type]
        found += scoring.apply(changes, at)
        before = row
    return found


def test_a_pulls_estimate_at_half_time_is_judged() -> None:
    """The estimate was 25 s at 61 %, and it took 20 s: a quarter too much. Later estimates do not count."""
    assert scores(
        (0, running_view(downloaded_bytes=10, time_left=TimeLeft.exactly(500.0))),
        (20, running_view(time_left=TimeLeft.exactly(25.0))),
        (30, running_view(time_left=TimeLeft.exactly(1.0))),
        (40, running_view(phase=Phase.COMPLETED)),
    ) == [EstimateError(0.25, pod=False, total_bytes=675 * MIB)]


@pytest.mark.parametrize(
    "steps",
    [
        [(0.0, running_view(time_left=TimeLeft.exactly(20.0))), (20.0, running_view(phase=Phase.FAILED))],
        [(0.0, running_view()), (20.0, running_view(phase=Phase.COMPLETED))],
        [(0.0, running_view(time_left=TimeLeft.exactly(5.0))), (1.0, running_view(phase=Phase.COMPLETED))],
        [
            (0.0, running_view(downloaded_bytes=10, time_left=TimeLeft.exactly(5.0))),
            (9.0, running_view(phase=Phase.COMPLETED)),
        ],
    ],
    ids=["failed", "no estimate", "too short", "half time was not seen"],
)
def test_what_cannot_be_judged_is_not(steps: list[tuple[float, PullView]]) -> None:
    """A failure, silence, and what is over within a report or two."""
    assert scores(*steps) == []


def test_what_was_under_way_at_the_start_is_not_judged() -> None:
    """Half of its bytes may have come long before."""
    scoring = EstimateAccuracy()
    scoring.reset(store_of([running_view()]).snapshot())
    [first, second] = pull_changes(
        running_view(), running_view(time_left=TimeLeft.exactly(20.0)), running_view(phase=Phase.COMPLETED)
    )

    assert scoring.apply([first], 0) == scoring.apply([second], 50) == []


def test_rows_that_are_gone_are_forgotten() -> None:
    """Estimates of a deleted node and of deleted pods are dropped."""
    scoring = EstimateAccuracy()
    scoring.apply(pull_changes(None, running_view(), None), 0)
    scoring.apply(pod_changes(None, waiting_pod(left=time_left(5)), None), 0)
    scoring.apply(pod_changes(None, waiting_pod("web-2"), waiting_pod("web-2", state=PodState.GONE)), 0)

    assert scoring._halves == {}
    assert scoring._pods == {}


def test_the_estimate_that_held_at_a_quarter_of_a_pods_wait_is_judged() -> None:
    """100 s in all: at 25 s the estimate of 20 s held, with an end at 90 s; 75 s were left, 65 were estimated."""
    [score] = scores(
        (0, waiting_pod(left=time_left(300), at=0)),
        (20, waiting_pod(left=time_left(70), at=20)),
        (26, waiting_pod(left=time_left(74), at=26)),
        (100, waiting_pod(state=PodState.READY, ended_at=100.0)),
    )

    assert score.pod
    assert score.ratio == pytest.approx(10 / 75)


def test_a_pod_that_failed_meanwhile_is_not_judged() -> None:
    """The time until a user fixes a name has no estimate."""
    assert (
        scores(
            (0, waiting_pod(left=time_left(10), at=0)),
            (20, waiting_pod(state=PodState.FAILING)),
            (30, waiting_pod(left=time_left(10), at=30)),
            (90, waiting_pod(state=PodState.READY, ended_at=90.0)),
        )
        == []
    )


def test_a_long_wait_keeps_few_estimates() -> None:
    """They stay spread over the wait: the one at its quarter is never far."""
    steps: list[tuple[float, PullView | PodView]] = [
        (float(at), waiting_pod(left=time_left(1000.0 - at), at=float(at))) for at in range(1000)
    ]
    scoring = EstimateAccuracy()
    scores(*steps, scoring=scoring)
    estimates = scoring._pods["uid-web-1"].estimates

    assert len(estimates) <= MAX_ESTIMATES
    assert any(at <= 250 for at, _ in estimates[1:])
    assert scoring.apply(pod_changes(waiting_pod(), waiting_pod(state=PodState.READY, ended_at=1000.0)), 1000) == [
        EstimateError(0.0, pod=True)
    ]
