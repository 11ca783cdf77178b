"""Throughput of nodes, and durations, learned from pulls and Events."""

from __future__ import annotations

import pytest

from pulltrace.aggregator.estimates.throughput import (
    ANSWER_SECONDS,
    CLUSTER_SPREAD,
    MAX_NAMESPACES,
    MAX_START_SECONDS,
    MEDIAN_HOLDS_SECONDS,
    OWN_SPREAD,
    START_SECONDS,
    LearnedDuration,
    Throughput,
)
from pulltrace.pulls.model import NodeReport
from pulltrace.pulls.time_left import TimeLeft
from tests.builders.pods import NODE
from tests.builders.pulls import START, ended, pull

MIB = 1024 * 1024
QUIET = NodeReport()
BROUGHT = [ended(1, started_at=START, ended_at=START + 20)]
"""A pull of 20 s, which brought the image."""


def seconds_per_mib(
    throughput: Throughput, node: str = NODE, report: NodeReport = QUIET, now: float = 0.0
) -> tuple[float, float] | None:
    """Seconds for a MiB, likely and slowest."""
    found = throughput.seconds_per_byte(node, report, START + 10, now)
    return (found.likely * MIB, found.slowest * MIB) if found is not None else None


def test_a_node_without_pulls_has_no_figure() -> None:
    """Nothing is invented."""
    assert seconds_per_mib(Throughput()) is None


def test_a_node_has_the_figure_of_its_last_pulls() -> None:
    """Their time for their bytes, without what the registry takes to answer; the newer pull weighs four times as much."""
    throughput = Throughput()
    throughput.learn_pull(NODE, ended(1, total_bytes=100 * MIB, started_at=START, ended_at=START + 10 + ANSWER_SECONDS))
    throughput.learn_pull(NODE, ended(2, total_bytes=100 * MIB, started_at=START, ended_at=START + 30 + ANSWER_SECONDS))

    assert seconds_per_mib(throughput) == pytest.approx((0.26, 0.26 * OWN_SPREAD))


def test_a_running_pull_comes_first() -> None:
    """Ten seconds, of which some were the answer, and as many more as make twenty, for 100 MiB."""
    throughput = Throughput()
    throughput.learn_pull(NODE, ended(1, total_bytes=100 * MIB, started_at=START, ended_at=START + 10 + ANSWER_SECONDS))
    running = pull(2, total_bytes=100 * MIB, time_left=TimeLeft.exactly(10.0 + ANSWER_SECONDS))

    assert seconds_per_mib(throughput, report=NodeReport(pulls=(running,))) == pytest.approx((0.2, 0.2 * OWN_SPREAD))


def test_a_rate_is_better_than_nothing() -> None:
    """Before the agent says when it ends: how fast it downloads, and how fast the node unpacks."""
    running = pull(2, total_bytes=100 * MIB, bytes_per_second=10.0 * MIB)
    report = NodeReport(pulls=(running,), unpack_bytes_per_second=10.0 * MIB)

    assert seconds_per_mib(Throughput(), report=report) == pytest.approx((0.2, 0.2 * OWN_SPREAD))


def test_a_new_node_has_the_median_of_the_others() -> None:
    """The median, with wider bounds; reckoned every few seconds."""
    throughput = Throughput()
    for number, seconds in enumerate((10, 20, 900)):
        throughput.learn_pull(
            f"n{number}", ended(1, total_bytes=100 * MIB, started_at=START, ended_at=START + ANSWER_SECONDS + seconds)
        )
    assert seconds_per_mib(throughput, "new") == pytest.approx((0.2, 0.2 * CLUSTER_SPREAD))

    for number in range(3):
        throughput.forget(f"n{number}")

    assert seconds_per_mib(throughput, "new", now=MEDIAN_HOLDS_SECONDS - 1) is not None
    assert seconds_per_mib(throughput, "new", now=MEDIAN_HOLDS_SECONDS) is None


def test_small_and_failed_pulls_teach_nothing() -> None:
    """They say more of the registry than of the link."""
    throughput = Throughput()
    throughput.learn_pull(NODE, ended(1, total_bytes=1000))
    throughput.learn_pull(NODE, pull(2, total_bytes=100 * MIB))

    assert seconds_per_mib(throughput) is None


def test_a_node_learns_what_an_answer_takes() -> None:
    """The first answer replaces what is assumed; later ones move it, the newer ones more."""
    throughput = Throughput()
    assert throughput.answer_seconds(NODE) == ANSWER_SECONDS

    throughput.learn_answer(NODE, "shop", 0.03, BROUGHT)
    assert throughput.answer_seconds(NODE) == 0.03

    for _ in range(30):
        throughput.learn_answer(NODE, "shop", 0.1, BROUGHT)
    assert throughput.answer_seconds(NODE) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(("seconds", "longest"), [(50.0, 200.0), (0.8, 0.9), (0.8, 1.8), (0.1, None)])
def test_a_pull_that_may_have_brought_the_image_is_no_answer(seconds: float, longest: float | None) -> None:
    """A quick pull is an answer only where another one, which took much longer, brought the image before."""
    throughput = Throughput()
    pulled = [] if longest is None else [ended(1, started_at=START, ended_at=START + longest)]

    throughput.learn_answer(NODE, "shop", seconds, pulled)

    assert throughput.answer_seconds(NODE) == ANSWER_SECONDS


def test_one_namespace_has_one_value() -> None:
    """An author of Events in one namespace cannot make the node slow for the pods of others."""
    throughput = Throughput()
    for namespace, seconds in (("shop", 0.1), ("evil", 3.0)):
        for _ in range(100):
            throughput.learn_answer(NODE, namespace, seconds, BROUGHT)

    assert throughput.answer_seconds(NODE) == pytest.approx(0.1, abs=0.01)


def test_the_number_of_namespaces_is_bounded() -> None:
    """A node with thousands of namespaces keeps those that reported last."""
    answer = LearnedDuration(ANSWER_SECONDS)
    for number in range(1000):
        answer.learn(f"n{number}", 0.1)

    assert len(answer._by_namespace) == MAX_NAMESPACES


def test_a_node_learns_what_a_start_takes() -> None:
    """From the last image to the pod's status; what takes long waits for something else."""
    throughput = Throughput()
    assert throughput.start_seconds(NODE) == START_SECONDS

    throughput.learn_start(NODE, "shop", 0.6)
    throughput.learn_start(NODE, "shop", MAX_START_SECONDS + 1)

    assert throughput.start_seconds(NODE) == 0.6
