"""The report interval: what the budget allows, who watches, what the API server bears, and how rarely it changes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltrace.aggregator.leader.interval_policy import (
    CALM_SECONDS,
    CLIENT_SECONDS,
    FASTER_EVERY_SECONDS,
    LONGER_STEP,
    ONSET_SECONDS,
    SHORTER_STEP,
    ClientActivity,
    IntervalPolicy,
    Load,
    ReportInterval,
    interval_for,
)
from pulltrace.pulls.report_interval import IDLE_RENEW_SECONDS, INTERVAL, REASON, interval_seconds, interval_text

BUDGET = 100.0


def load(pulling: int = 1, nodes: int = 5000, *, has_clients: bool = True, refusals: int = 0) -> Load:
    return Load(nodes, pulling, has_clients, refusals)


@pytest.mark.parametrize(
    ("pulling", "nodes", "seconds"), [(0, 0, 1.0), (1, 3, 1.0), (58, 5000, 1.0), (100, 5000, 1.7), (800, 5000, 13.7)]
)
def test_the_interval_follows_the_number_of_nodes_that_pull(pulling: int, nodes: int, seconds: float) -> None:
    """As fast as the budget allows, after the renewals of 5,000 nodes (42 a second), and never under a second."""
    assert interval_for(load(pulling, nodes), BUDGET).seconds == pytest.approx(seconds, abs=0.05)


@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(50, 10_000), st.booleans())
def test_all_nodes_together_stay_within_the_budget(idle: int, pulling: int, budget: int, has_clients: bool) -> None:  # noqa: FBT001
    """Reports of those that pull and renewals of all take no more than was given, where that is possible at all."""
    interval = interval_for(load(pulling, idle + pulling, has_clients=has_clients), budget)

    assert pulling / interval.seconds + idle / IDLE_RENEW_SECONDS <= budget + 1e-6 or interval.seconds == 300


def test_more_than_15_seconds_are_explained() -> None:
    """5,000 nodes that all pull report every 86 s, and the Lease says why."""
    interval = interval_for(load(5000), BUDGET)

    assert interval.seconds == pytest.approx(85.7, abs=0.1)
    assert interval.reason == ("5000 of 5000 nodes pull, and 100 writes a second do not allow 15 s")


def test_a_budget_that_is_used_up_by_renewals_leaves_a_tenth() -> None:
    """Reports become rare, and do not end."""
    assert interval_for(load(100), 40).seconds == pytest.approx(25)
    assert interval_for(load(5000), 1).seconds == 300


def test_without_a_client_the_interval_is_longer() -> None:
    """At least 5 s, and what the budget needs where that is more."""
    assert interval_for(load(has_clients=False), BUDGET) == ReportInterval(5.0, "no client; 1 of 5000 nodes pull")
    assert interval_for(load(800, has_clients=False), BUDGET).seconds == interval_for(load(800), BUDGET).seconds


def test_what_a_person_reads() -> None:
    """Two annotations: the interval, and the reason."""
    assert interval_for(load(100), BUDGET).annotations == {
        INTERVAL: "1.8s",
        REASON: "100 of 5000 nodes pull, with 100 writes a second for all",
    }


@given(st.floats(1, 300))
def test_an_interval_is_read_as_it_was_written(seconds: float) -> None:
    """Rounded up to a tenth of a second."""
    read = interval_seconds({INTERVAL: interval_text(seconds)})

    assert read is not None
    assert seconds - 0.001 <= read < seconds + 0.11


@pytest.mark.parametrize("text", ["", "1", "1s", "0.5s", "301.0s", "-1.0s", "1.0s ", "1e3s", "nan", "9999.0s"])
def test_what_is_no_interval_is_none(text: str) -> None:
    """Something else on that Lease does not change how an agent reports."""
    assert interval_seconds({INTERVAL: text}) is None


def test_a_small_change_is_not_published() -> None:
    """A small change of load is not published to thousands of agents."""
    reporting = IntervalPolicy(BUDGET)
    first = reporting.decide(load(400), 0)

    assert reporting.decide(load(401), 1) is first
    assert reporting.decide(load(380), 100) is first


def test_a_longer_interval_holds_at_once() -> None:
    """An interval that protects the API server is published at once."""
    reporting = IntervalPolicy(BUDGET)
    reporting.decide(load(100), 0)

    assert reporting.decide(load(800), 1).seconds > 13


def test_what_is_published_is_never_much_too_short() -> None:
    """However slowly nodes join, the interval stays within a twentieth of what the budget needs."""
    reporting = IntervalPolicy(BUDGET)
    for pulling in range(1, 5000):
        interval = reporting.decide(load(pulling), pulling)

        assert interval.seconds * LONGER_STEP >= interval_for(load(pulling), BUDGET).seconds


def test_a_rollout_that_begins_is_taken_to_go_on() -> None:
    """Nodes that have just begun to pull count twice for some seconds; then the interval is what the budget needs."""
    reporting = IntervalPolicy(BUDGET)
    reporting.decide(load(0), 0)
    interval = reporting.decide(load(500), 1)

    assert interval.seconds == interval_for(load(1000), BUDGET).seconds
    assert interval.reason == "500 of 5000 nodes pull and 500 may begin, and " + interval.reason.partition(", and ")[2]
    for now in range(2, int(ONSET_SECONDS + CALM_SECONDS) + 3):
        interval = reporting.decide(load(500), now)
    assert interval == interval_for(load(500), BUDGET)


def test_expected_nodes_are_bounded_by_idle_ones() -> None:
    """Where most nodes pull already, few can join."""
    reporting = IntervalPolicy(BUDGET)
    reporting.decide(load(0), 0)

    assert reporting.decide(load(4800), 1).seconds == interval_for(load(5000), BUDGET).seconds


def test_a_leader_does_not_take_what_it_finds_for_a_begin() -> None:
    """Nodes that pulled before this leadership are not counted twice."""
    assert IntervalPolicy(BUDGET).decide(load(500), 0) == interval_for(load(500), BUDGET)


def test_a_shorter_interval_waits_for_calm() -> None:
    """A rollout that comes in waves does not make the interval swing."""
    reporting = IntervalPolicy(BUDGET)
    interval = [reporting.decide(load(800 if now % 20 == 0 else 100), now) for now in range(61)]
    slow = interval[-1]
    assert [each.seconds for each in interval] == sorted(each.seconds for each in interval)
    reporting.decide(load(100), 61)
    assert reporting.decide(load(100), 60 + CALM_SECONDS) is slow

    assert reporting.decide(load(100), 61 + CALM_SECONDS).seconds < 2


def test_who_comes_to_watch_is_served_at_once() -> None:
    """The page is live without a wait for calm."""
    reporting = IntervalPolicy(BUDGET)
    assert reporting.decide(load(has_clients=False), 0).seconds == 5

    assert reporting.decide(load(), 1).seconds == 1


def test_refused_writes_double_the_interval_and_calm_takes_it_back_slowly() -> None:
    """429s double it every 15 s, up to 15 s; without them it comes down by a fifth a minute."""
    reporting, interval, refusals = IntervalPolicy(BUDGET), [], 0
    for now in range(1800):
        refusals += now in range(100, 160)
        interval.append(reporting.decide(load(refusals=refusals), now).seconds)

    assert interval[99] == 1
    assert [interval[now] for now in (100, 115, 130, 145)] == [2, 4, 8, 15]
    falling = interval[160:]
    assert all(after >= before / 1.6 for before, after in pairwise(falling))
    assert falling[2 * int(FASTER_EVERY_SECONDS)] > 5
    assert interval[-1] == 1


def test_refusals_from_before_do_not_count() -> None:
    """A new leader begins with what happens from now on."""
    assert IntervalPolicy(BUDGET).decide(load(refusals=500), 0).seconds == 1


def test_an_hour_of_pulls_is_few_changes() -> None:
    """A rollout over 5,000 nodes, up and down again, is published some dozen times, not 3,600."""
    reporting = IntervalPolicy(BUDGET)
    interval = [reporting.decide(load(min(now, 3600 - now) // 2), now).seconds for now in range(3600)]
    changes = [(before, after) for before, after in pairwise(interval) if before != after]

    assert len(changes) <= 90
    assert all(after == 1 or not 1 / SHORTER_STEP < after / before < LONGER_STEP for before, after in changes)


def test_an_audience_is_remembered_for_a_minute() -> None:
    """Streams and requests here, and a follower's remark, count for the minute after them."""
    audience = ClientActivity(0)
    audience.update(0, 0, None, 1)
    assert (audience.here(1), audience.anywhere(1)) == (False, True)
    assert not audience.anywhere(CLIENT_SECONDS)
    audience.update(1, 0, None, 100)
    assert audience.here(159)
    audience.update(0, 1, None, 200)
    assert audience.here(259)
    audience.update(0, 1, "b", 300)
    assert (audience.here(301), audience.anywhere(359), audience.anywhere(360)) == (False, True, False)
