"""A soak's figures: a slope is that of all samples after the warm-up, and only growth beyond the bound is a fault."""

from __future__ import annotations

import pytest

from benchmarks.soak_slopes import Sample, per_hour, slopes


def samples(*values: float) -> list[Sample]:
    return [Sample(60.0 * minute, {"MiB": value}) for minute, value in enumerate(values)]


def test_slope_is_for_an_hour() -> None:
    """A value that grows by 1 a minute grows by 60 an hour, wherever it begins."""
    assert per_hour([(60.0 * minute, 7.0 + minute) for minute in range(10)]) == pytest.approx(60)
    assert per_hour([(0, 5), (60, 5), (120, 5)]) == 0


def test_warm_up_is_not_looked_at() -> None:
    """Growth at the start does not count; the first value reported is the one after it."""
    [slope] = slopes(samples(10, 20, 30, 30, 30), 120, {"MiB": 1})

    assert (slope.first, slope.per_hour, slope.flat) == (30, 0, True)


@pytest.mark.parametrize(("values", "flat"), [((1, 1.1, 1.2), True), ((1, 1.2, 1.4), False), ((9, 5, 1), True)])
def test_bound(values: tuple[float, ...], flat: bool) -> None:  # noqa: FBT001
    """Growth up to the bound (here 10 an hour) is flat, more is not; what shrinks is."""
    [slope] = slopes(samples(*values), 0, {"MiB": 10})

    assert slope.flat is flat
    assert ("NOT FLAT" in str(slope)) is not flat


def test_too_few_samples() -> None:
    """A slope needs three samples: a soak that is too short reports an error."""
    with pytest.raises(ValueError, match="2 samples after a warm-up of 120 s"):
        slopes(samples(1, 1, 1, 1), 120, {"MiB": 1})
