"""When the agent writes, and the node's account afterwards. Time and chance are arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltrace.agent.write_schedule import (
    COALESCE_SECONDS,
    FIRST_JITTER,
    FIRST_READ_SECONDS,
    IDLE_DURATION_SECONDS,
    JITTER,
    MAX_PAYBACK,
    PULLING_DURATION_SECONDS,
    PULLING_RENEW_SECONDS,
    RENEWAL_CREDIT,
    SHORT_INTERVAL_SECONDS,
    LastWrite,
    after_interval_read,
    after_write,
    allowed_surplus,
    annotations_patch,
    lease_duration_seconds,
    phases,
    seconds_until_write,
)
from pulltrace.pulls.model import NodeReport, Phase
from pulltrace.pulls.report_interval import IDLE_RENEW_SECONDS
from tests.builders.pulls import pull, report

INTERVAL = 5.0


def written(newest: NodeReport, at: float = 100.0, jitter: float = 1.0) -> LastWrite:
    return LastWrite({}, phases(newest), at, jitter)


def seconds_left(before: NodeReport | None, after: NodeReport, now: float, jitter: float = 1.0) -> float:
    last = written(before, jitter=jitter) if before else None
    return seconds_until_write(last, after, INTERVAL, now, changed=before != after)


def middle() -> float:
    return 0.5


# -- time of the next write ------------------------------------------------------------------------


def test_the_first_report_is_written_at_once() -> None:
    """A Lease that was never written is written now."""
    assert seconds_left(None, report(), 100) == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (report(), report(pull())),
        (report(pull()), report(pull(phase=Phase.UNPACKING))),
        (report(pull()), report(recent=(replace(pull(phase=Phase.FAILED), ended_at=1001.0),))),
    ],
    ids=["started", "unpacking", "ended"],
)
def test_a_change_of_phase_is_written_nearly_at_once(before: NodeReport, after: NodeReport) -> None:
    """People see a start, a phase and an end when they happen; those that happen together are one write."""
    assert seconds_left(before, after, 100) == pytest.approx(COALESCE_SECONDS)
    assert seconds_left(before, after, 101) == 0


@pytest.mark.parametrize(("interval", "ahead"), [(1.0, 3), (5.0, 3), (8.6, 2), (15.0, 2), (86.0, 1)])
def test_phases_wait_for_the_interval_when_too_many_have_changed(interval: float, ahead: int) -> None:
    """Some are written at once, fewer with a longer interval; then they wait, but never longer than progress."""
    last, after = written(report(pull())), report(pull(phase=Phase.UNPACKING))

    def wait(writes: float) -> float:
        return seconds_until_write(replace(last, surplus=writes), after, interval, 100, changed=True)

    assert allowed_surplus(interval) == ahead
    assert wait(1.0) == wait(ahead) == pytest.approx(COALESCE_SECONDS)
    assert wait(ahead + 0.5) == pytest.approx(interval / 2)
    assert wait(ahead + 100) == pytest.approx(interval)


def test_progress_pays_for_phases_that_came_early() -> None:
    """Where the interval is a long one, the next progress waits for what was written ahead, within bounds."""
    last, after = written(report(pull())), report(pull(downloaded_bytes=500))

    def wait(ahead: float, interval: float) -> float:
        return seconds_until_write(replace(last, surplus=ahead), after, interval, 100, changed=True)

    assert wait(1.5, 6.0) == pytest.approx(9)
    assert wait(9.0, 6.0) == pytest.approx(6 * MAX_PAYBACK)
    assert wait(2.0, 10.0) == PULLING_RENEW_SECONDS
    assert wait(9.0, 86.0) == 86
    assert wait(9.0, 1.0) == 1


def test_progress_is_written_at_the_report_interval() -> None:
    """Bytes alone wait for their turn."""
    after = report(pull(downloaded_bytes=500))

    assert seconds_left(report(pull()), after, 101) == INTERVAL - 1
    assert seconds_left(report(pull()), after, 200) == 0


@pytest.mark.parametrize(
    ("newest", "seconds"), [(report(pull()), PULLING_RENEW_SECONDS), (report(), IDLE_RENEW_SECONDS)]
)
def test_an_unchanged_report_is_written_when_the_lease_must_be_renewed(newest: NodeReport, seconds: float) -> None:
    """A node that pulls confirms it often, an idle one rarely."""
    assert seconds_left(newest, newest, 100) == seconds


def test_a_lease_is_renewed_long_before_it_expires() -> None:
    """Also the longest wait, and one try that fails, leave the Lease alive."""
    assert PULLING_RENEW_SECONDS * (1 + JITTER) * 2 < PULLING_DURATION_SECONDS
    assert IDLE_RENEW_SECONDS * (1 + JITTER) * 2 < IDLE_DURATION_SECONDS
    for interval in (1.0, 15.0, 15.1, 86.0, 300.0):
        longest = max(PULLING_RENEW_SECONDS, interval) * (1 + JITTER)
        assert longest * 2 < lease_duration_seconds(report(pull()), interval)


def test_a_long_interval_holds_for_renewals_too() -> None:
    """Where the budget allows a report every 86 s, a pull that does not move is not confirmed every 15 s."""
    newest = report(pull())

    assert seconds_until_write(written(newest), newest, 86.0, 100, changed=False) == 86


def test_intervals_are_stretched_by_what_the_write_drew() -> None:
    """Each write decides how long the next one waits, so nodes drift apart."""
    assert seconds_left(report(), report(), 100, jitter=1.2) == pytest.approx(144)
    assert seconds_left(report(pull()), report(pull(downloaded_bytes=5)), 100, jitter=0.8) == pytest.approx(4)


def test_a_patch_holds_what_changed() -> None:
    """New and changed keys with their values, removed ones as None, and nothing else."""
    assert annotations_patch({"same": "1", "other": "1", "gone": "1"}, {"same": "1", "other": "2", "new": "3"}) == {
        "other": "2",
        "gone": None,
        "new": "3",
    }


# -- a node that begins ----------------------------------------------------------------------------


def begins() -> LastWrite:
    return after_write(written(report(), at=0), {}, report(pull()), INTERVAL, 100, middle, starts=True)


@pytest.mark.parametrize("after", [report(pull()), report(pull(), pull(2)), report()], ids=["same", "more", "ended"])
def test_a_node_that_starts_to_pull_reads_the_interval_before_the_next_write(after: NodeReport) -> None:
    """No write happens before that."""
    assert seconds_until_write(begins(), after, 1.0, 100, changed=True) == FIRST_READ_SECONDS


def test_few_nodes_go_on_at_once() -> None:
    """A short interval asks for nothing but itself."""
    schedule = after_interval_read(begins(), SHORT_INTERVAL_SECONDS, middle)

    assert schedule == replace(begins(), starts=False)
    assert seconds_until_write(schedule, report(pull(), pull(2)), 1.0, 101, changed=True) == 0


def test_many_nodes_that_began_together_go_on_one_by_one() -> None:
    """Between now and twice a long interval; further phases wait as well, because the start was written at once."""
    began, more = begins(), report(pull(), pull(2))

    def wait(chance: float) -> float:
        return seconds_until_write(after_interval_read(began, 60.0, lambda: chance), more, 60.0, 100, changed=True)

    assert [wait(chance) for chance in (0, 0.5, 1.0)] == pytest.approx([COALESCE_SECONDS, 60, 120])


def test_a_lease_lives_until_a_node_that_began_goes_on() -> None:
    """It was written before the interval was known: its duration covers the longest wait."""
    longest = 2 * min(300.0, begins().max_interval)

    assert longest < lease_duration_seconds(report(pull()), 300.0, starts=True)


# -- the account -----------------------------------------------------------------------------------


def test_an_account_follows_the_interval() -> None:
    """A write at its time leaves it as it was, one that is early runs it up, a long silence clears it."""
    last = written(report(pull()), at=100)

    def ahead(before: LastWrite, now: float) -> float:
        return after_write(before, {}, report(pull()), 10.0, now, middle, starts=False).surplus

    paid = RENEWAL_CREDIT * 10 / IDLE_RENEW_SECONDS
    assert ahead(replace(last, surplus=2.0), 110) == pytest.approx(2 - paid)
    assert ahead(last, 100) == 2
    assert ahead(replace(last, surplus=3.0), 1000) == 1


@given(st.sampled_from([1.0, 4.0, 9.0, 20.0, 86.0]), st.lists(st.floats(0, 3), min_size=50, max_size=200))
def test_no_node_writes_much_more_than_the_interval_allows(interval: float, pauses: list[float]) -> None:
    """However its phases change: what the time called for, its share of the renewals, and what it may be ahead."""
    now, writes, last = 0.0, 0, after_write(None, {}, report(), interval, 0.0, middle, starts=False)
    for step, pause in enumerate(pauses):
        newest = report(pull(step))
        now += max(pause * interval, seconds_until_write(last, newest, interval, now, changed=True))
        last = after_write(last, {}, newest, interval, now, middle, starts=False)
        writes += 1

    assert writes <= now * (1 / interval + RENEWAL_CREDIT / IDLE_RENEW_SECONDS) + allowed_surplus(interval) + 1


@pytest.mark.parametrize(
    ("before", "newest", "least"),
    [
        (None, report(), FIRST_JITTER),
        (None, report(pull()), 1 - JITTER),
        (written(report()), report(), 1 - JITTER),
    ],
    ids=["first of an idle node", "first of one that pulls", "later"],
)
def test_what_a_write_draws(before: LastWrite | None, newest: NodeReport, least: float) -> None:
    """A fifth to either side, but nearly the whole interval where thousands started together."""

    def jitter(chance: Callable[[], float]) -> float:
        return after_write(before, {}, newest, INTERVAL, 200, chance, starts=False).jitter

    assert [jitter(lambda: 0.0), jitter(lambda: 1.0)] == pytest.approx([least, 1 + JITTER])
