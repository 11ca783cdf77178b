"""How fast, and how long still: from what was seen of real links, with containerd's steps of 1 MiB."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltrace.pulls.estimate import (
    Remaining,
    Step,
    Work,
    add_step,
    as_range,
    bytes_per_second,
    learned_rate,
    rate_range,
    seconds_left,
)

MIB = 1024 * 1024


def watched(link_bytes_per_second: float, seconds: float, look_seconds: float = 0.5) -> tuple[Step, ...]:
    """A link that is looked at again and again, whose bytes show in steps of 1 MiB."""
    steps: tuple[Step, ...] = ()
    for look in range(round(seconds / look_seconds) + 1):
        now = 1000 + look * look_seconds
        steps = add_step(steps, now, int((now - 1000) * link_bytes_per_second) // MIB * MIB)
    return steps


# -- the rate --------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", [20_000, 70_000, 200_000, 1_000_000, 8_000_000, 100_000_000, 1_200_000_000])
def test_the_rate_is_that_of_the_link(link: int) -> None:
    """From a slow line to a fast network, steps of 1 MiB do not disturb the rate by more than a tenth."""
    steps = watched(link, seconds=max(60, 4 * MIB / link))

    assert bytes_per_second(steps, steps[-1].at) == pytest.approx(link, rel=0.1)


@pytest.mark.parametrize("link", [70_000, 200_000, 1_000_000])
def test_a_slow_link_does_not_stand_still_between_two_steps(link: int) -> None:
    """While the next step is not overdue, a slow link has its rate, not zero."""
    steps = watched(link, seconds=120)

    assert bytes_per_second(steps, steps[-1].at + MIB / link) == pytest.approx(link, rel=0.5)


def test_the_rate_follows_a_change() -> None:
    """Ten seconds after a link became slower, the rate is the new one."""
    steps = watched(100 * MIB, seconds=20)
    for second in range(1, 25):
        steps = add_step(steps, 1020 + second, steps[-1].moved_bytes + 10 * MIB)

    assert bytes_per_second(steps, 1044) == pytest.approx(10 * MIB)


def test_nothing_seen_is_no_rate() -> None:
    """One moment has no speed, and none at all has none."""
    assert bytes_per_second((), 1000) == 0
    assert bytes_per_second((Step(1000, 5),), 1001) == 0


def test_silence_ends_the_rate() -> None:
    """When nothing arrives for ten seconds on a link that moved each second, it stands still."""
    steps = watched(8 * MIB, seconds=20)
    last = steps[-1].at

    assert bytes_per_second(steps, last + 1) > 7 * MIB
    assert 0 < bytes_per_second(steps, last + 9) < 8 * MIB
    assert bytes_per_second(steps, last + 10.5) == 0


def test_a_look_without_bytes_is_no_step() -> None:
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
def test_a_rate_is_never_negative(looks: list[tuple[float, int]], now: float) -> None:
    """Whatever the clock does, a rate is zero or more, and what is remembered stays small."""
    steps: tuple[Step, ...] = ()
    for at, moved_bytes in looks:
        steps = add_step(steps, at, moved_bytes)

    assert bytes_per_second(steps, now) >= 0


# -- time left -------------------------------------------------------------------------------------


def left(layers: list[Remaining], download: float, unpack: float | None) -> float | None:
    """The time left of a pull that is alone on its node."""
    [seconds] = seconds_left([Work(layers, download)], unpack)
    return seconds


def test_nothing_left_takes_no_time() -> None:
    """An image that is all here and unpacked is done now."""
    assert left([], 0, None) == 0
    assert left([Remaining(0, 0)], 0, 10) == 0


def test_missing_bytes_that_do_not_arrive_take_an_unknown_time() -> None:
    """Without a rate there is nothing to base an end on."""
    assert left([Remaining(100, 100)], 0, 10) is None


def test_without_an_unpacking_speed_only_the_download_counts() -> None:
    """As long as this node has not unpacked anything, the rest is unknown and left out."""
    assert left([Remaining(100, 100), Remaining(100, 100)], 10, None) == 20


def test_unpacking_runs_beside_the_download() -> None:
    """On a slow link only the last layer's unpacking comes after the last byte."""
    assert left([Remaining(100, 100), Remaining(100, 100)], 10, 50) == 22


def test_unpacking_may_take_longer_than_the_download() -> None:
    """On a fast link the layers queue up to be unpacked, one after another."""
    assert left([Remaining(100, 100), Remaining(100, 100)], 100, 10) == 21


def test_layers_that_are_here_are_unpacked_first() -> None:
    """What needs no download does not wait for what does."""
    assert left([Remaining(0, 100), Remaining(100, 100)], 10, 20) == 15


def test_two_pulls_share_the_link() -> None:
    """When the smaller one is done, the other has the link to itself."""
    small, large = Work([Remaining(100, 0)], 10), Work([Remaining(300, 0)], 10)

    assert seconds_left([small, large], None) == [10, 20]


def test_a_pull_that_stands_still_takes_nothing_from_the_others() -> None:
    """One is stuck, the other goes on as before."""
    assert seconds_left([Work([Remaining(100, 0)], 0), Work([Remaining(100, 0)], 10)], None) == [None, 10]


def test_a_learned_rate_follows_its_samples() -> None:
    """The first sample is taken as it is, later ones move it by a part."""
    assert learned_rate(None, 100) == 100
    assert learned_rate(100, 200) == pytest.approx(130)


def test_a_rate_that_changed_lately_has_bounds() -> None:
    """Of a link that became twice as fast 4 s ago, both speeds count; of a steady one there is only one."""
    changed = [Step(float(at), 20 * MIB * at + (20 * MIB * (at - 16) if at > 16 else 0)) for at in range(21)]
    steady = [Step(float(at), 20 * MIB * at) for at in range(21)]

    slowest, fastest = rate_range(changed, 20.0)

    assert slowest < 25 * MIB
    assert fastest == 40 * MIB
    assert rate_range(steady, 20.0) == (20 * MIB, 20 * MIB)
    assert rate_range([], 20.0) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("soonest", "latest", "expected"),
    [(10.0, 20.0, (10.0, 20.0)), (100.0, 110.0, None), (1.0, 2.5, None), (None, 10.0, None), (10.0, None, None)],
)
def test_bounds_that_are_close_are_no_range(
    soonest: float | None, latest: float | None, expected: tuple[float, float] | None
) -> None:
    """A range is told only when it is wide, both in seconds and as a part."""
    assert as_range(soonest, latest) == expected
