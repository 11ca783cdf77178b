"""Times to an end, and the one of several."""

from __future__ import annotations

import pytest

from pulltrace.pulls.time_left import TimeLeft, last_of


def test_bounds_only_where_they_differ() -> None:
    """A certain estimate, and one without an upper bound, have none."""
    assert TimeLeft(20, 10, 30).bounds == (10, 30)
    assert TimeLeft(20, 10, 20).bounds == (10, 20)
    assert TimeLeft.exactly(20).bounds is None
    assert TimeLeft(20, 10, None).bounds is None


@pytest.mark.parametrize(
    ("passed", "left"), [(5, TimeLeft(15, 5, 25)), (25, TimeLeft(0, 0, 5)), (60, TimeLeft(0, 0, 0))]
)
def test_time_passes(passed: float, left: TimeLeft) -> None:
    """Each bound shrinks to zero."""
    assert TimeLeft(20, 10, 30).after(passed) == left
    assert TimeLeft(20, 10, None).after(passed) == TimeLeft(left.likely, left.soonest, None)


def test_the_end_of_several() -> None:
    """The latest of each bound; unknown as soon as one of them is."""
    assert last_of([TimeLeft(5, 4, 9), TimeLeft(7, 1, 8)]) == TimeLeft(7, 4, 9)
    assert last_of([TimeLeft(5, 4, 9), TimeLeft(7, 1, None)]) == TimeLeft(7, 4, None)
    assert last_of([TimeLeft(5, 4, 9), None]) is None
    assert last_of([]) is None
