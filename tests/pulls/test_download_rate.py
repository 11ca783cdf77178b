"""Rate and time left, with the behaviour of real links and containerd's steps of 1 MiB."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltrace.pulls.download_rate import (
    PRIOR_BYTES,
    ZERO_RATES,
    LayerWork,
    PullWork,
    Rates,
    Step,
    Unpacking,
    add_step,
    prior_unpacking,
    rates,
    seconds_left,
    smoothed,
    time_left,
    updated_unpack_rate,
)

MIB = 1024 * 1024


def watched(link_bytes_per_second: float, seconds: float, poll_seconds: float = 0.5) -> tuple[Step, ...]:
    """Poll a link whose bytes show in steps of 1 MiB."""
    steps: tuple[Step, ...] = ()
    for poll in range(round(seconds / poll_seconds) + 1):
        now = 1000 + poll * poll_seconds
        steps = add_step(steps, now, int((now - 1000) * link_bytes_per_second) // MIB * MIB)
    return steps


def bytes_per_second(steps: tuple[Step, ...], now: float) -> float:
    return rates(steps, now).now


# -- the rate --------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", [20_000, 70_000, 200_000, 1_000_000, 8_000_000, 100_000_000, 1_200_000_000])
def test_the_rate_is_that_of_the_link(link: int) -> None:
    """From a slow line to a fast network, steps of 1 MiB do not disturb the rate by more than a tenth."""
    steps = watched(link, seconds=max(60, 4 * MIB / link))

    assert bytes_per_second(steps, steps[-1].at) == pytest.approx(link, rel=0.1)


@pytest.mark.parametrize("link", [70_000, 200_000, 1_000_000])
def test_a_slow_link_is_not_stalled_between_two_steps(link: int) -> None:
    """While the next step is not overdue, a slow link has its rate, not zero."""
    steps = watched(link, seconds=120)

    assert bytes_per_second(steps, steps[-1].at + MIB / link) == pytest.approx(link, rel=0.5)


def test_the_rate_follows_a_change() -> None:
    """Ten seconds after a link became slower, the rate is the new one."""
    steps = watched(100 * MIB, seconds=20)
    for second in range(1, 25):
        steps = add_step(steps, 1020 + second, steps[-1].moved_bytes + 10 * MIB)

    assert bytes_per_second(steps, 1044) == pytest.approx(10 * MIB)


@pytest.mark.parametrize(("before", "after"), [(3, 9), (8, 3), (100, 30), (2, 4)])
def test_a_new_speed_is_seen_in_five_seconds(before: int, after: int) -> None:
    """However long the link had its old speed, five seconds after a change the rate is the new one."""
    steps: tuple[Step, ...] = ()
    for poll in range(91):
        seconds = poll / 2
        moved = before * min(seconds, 40.0) + after * max(0.0, seconds - 40.0)
        steps = add_step(steps, seconds, int(moved) * MIB)

    assert bytes_per_second(steps, 45.0) == pytest.approx(after * MIB, rel=0.15)


def test_an_uneven_link_is_not_a_changing_one() -> None:
    """A fast link that stops for a moment now and then keeps the rate of all that is remembered."""
    steps: tuple[Step, ...] = ()
    for poll in range(81):
        pauses = poll // 10
        steps = add_step(steps, poll / 2, (50 * poll - 20 * pauses) * MIB)

    assert bytes_per_second(steps, 40.0) == pytest.approx(96 * MIB, rel=0.03)


def test_nothing_seen_is_no_rate() -> None:
    """One moment has no speed, and none at all has none."""
    assert bytes_per_second((), 1000) == 0
    assert bytes_per_second((Step(1000, 5),), 1001) == 0


def test_a_stalled_pull_has_no_rate() -> None:
    """A link that moved each second is stalled after ten seconds without a byte."""
    steps = watched(8 * MIB, seconds=20)
    last = steps[-1].at

    assert bytes_per_second(steps, last + 1) > 7 * MIB
    assert 0 < bytes_per_second(steps, last + 9) < 8 * MIB
    assert bytes_per_second(steps, last + 10.5) == 0


def test_a_poll_without_bytes_is_no_step() -> None:
    """Only progress is remembered."""
    steps = add_step((), 1000, 5)

    assert add_step(steps, 1001, 5) is steps


def test_a_clock_that_was_set_back_does_not_spoil_the_rate() -> None:
    """Steps of the future are forgotten, and the rate is right again after a few seconds."""
    steps = watched(8 * MIB, seconds=20)
    for second in range(5):
        steps = add_step(steps, second, steps[-1].moved_bytes + MIB)

    assert bytes_per_second(steps, 4) == MIB


def test_a_clock_that_was_set_forward_does_not_spoil_the_rate() -> None:
    """An hour that did not pass is forgotten as well."""
    steps = watched(8 * MIB, seconds=20)
    for second in range(5):
        steps = add_step(steps, 4600 + second, steps[-1].moved_bytes + MIB)

    assert bytes_per_second(steps, 4604) == MIB


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 2**40)), max_size=30), st.floats(0, 1e6))
def test_a_rate_is_never_negative(polls: list[tuple[float, int]], now: float) -> None:
    """With any clock, a rate is zero or more, and few steps are kept."""
    steps: tuple[Step, ...] = ()
    for at, moved_bytes in polls:
        steps = add_step(steps, at, moved_bytes)

    assert bytes_per_second(steps, now) >= 0


# -- time left -------------------------------------------------------------------------------------


def left(layers: list[LayerWork], download: float) -> float | None:
    """Return the time left of a pull that is alone on its node."""
    [seconds] = seconds_left([PullWork(layers, download)])
    return seconds


def test_nothing_left_takes_no_time() -> None:
    """An image that is all here and unpacked is done now."""
    assert left([], 0) == 0
    assert left([LayerWork(0, 0)], 0) == 0


def test_missing_bytes_that_do_not_arrive_take_an_unknown_time() -> None:
    """Without a rate there is nothing to base an end on."""
    assert left([LayerWork(100, 10)], 0) is None


def test_unpacking_runs_beside_the_download() -> None:
    """On a slow link only the last layer's unpacking comes after the last byte."""
    assert left([LayerWork(100, 2), LayerWork(100, 2)], 10) == 22


def test_unpacking_may_take_longer_than_the_download() -> None:
    """On a fast link the layers queue up to be unpacked, one after another."""
    assert left([LayerWork(100, 10), LayerWork(100, 10)], 100) == 21


def test_present_layers_are_unpacked_first() -> None:
    """Present layers do not wait for missing ones."""
    assert left([LayerWork(0, 5), LayerWork(100, 5)], 10) == 15


def test_two_pulls_share_the_link() -> None:
    """When the smaller one is done, the other has the link to itself."""
    small, large = PullWork([LayerWork(100, 0)], 10), PullWork([LayerWork(300, 0)], 10)

    assert seconds_left([small, large]) == [10, 20]


def test_a_stalled_pull_takes_nothing_from_the_others() -> None:
    """One is stalled, the other continues as before."""
    assert seconds_left([PullWork([LayerWork(100, 0)], 0), PullWork([LayerWork(100, 0)], 10)]) == [None, 10]


def test_a_pulls_own_unpacking_outweighs_its_nodes_rate() -> None:
    """Unpacking is expected to go on as it went, first on the node and soon in this pull; without either it is unknown."""
    usual = prior_unpacking(100 * MIB)
    slow = usual.plus(3 * PRIOR_BYTES, 3 * PRIOR_BYTES / MIB)

    assert usual.seconds_for(50 * MIB) == 0.5
    assert slow.seconds_for(50 * MIB) == pytest.approx(0.75 * 50, rel=0.01)
    assert prior_unpacking(None) == Unpacking()
    assert Unpacking().seconds_for(50 * MIB) == 0


def test_a_learned_speed_follows_its_samples() -> None:
    """The first sample is taken as it is, later ones move it by their size: a slow one counts by the time that it took."""
    assert updated_unpack_rate(None, 100 * MIB, 2) == 50 * MIB
    assert updated_unpack_rate(50 * MIB, MIB, 1) == pytest.approx(50 * MIB, rel=0.3)
    assert updated_unpack_rate(50 * MIB, 128 * MIB, 128) == pytest.approx(2 * MIB, rel=0.05)


def test_a_learned_duration_follows_its_samples() -> None:
    """Each moves it by a part."""
    assert smoothed(1.0, 2.0) == pytest.approx(1.3)


def test_a_rate_that_changed_lately_has_bounds() -> None:
    """A link that became twice as fast 4 s ago has both rates as bounds; a steady one has one."""
    changed = [Step(float(at), 20 * MIB * at + (20 * MIB * (at - 16) if at > 16 else 0)) for at in range(21)]
    steady = [Step(float(at), 20 * MIB * at) for at in range(21)]

    found = rates(changed, 20.0)

    assert found.slowest < 25 * MIB
    assert found.now == found.fastest == 40 * MIB
    assert rates(steady, 20.0) == Rates(20 * MIB, 20 * MIB, 20 * MIB)
    assert rates([], 20.0) == ZERO_RATES


@pytest.mark.parametrize(
    ("soonest", "latest", "expected"),
    [(10.0, 20.0, (10.0, 20.0)), (100.0, 110.0, None), (1.0, 2.5, None), (None, 10.0, None), (10.0, None, None)],
)
def test_bounds_that_are_close_are_no_range(
    soonest: float | None, latest: float | None, expected: tuple[float, float] | None
) -> None:
    """Bounds differ only when they are far apart, both in seconds and as a share."""
    left = time_left(30.0, soonest, latest)
    assert left is not None
    assert left.bounds == expected
    assert time_left(None, soonest, latest) is None
