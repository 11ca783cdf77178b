"""What the cluster teaches: sizes of images, paces of nodes; and whose an id is."""

from __future__ import annotations

import pytest

from pulltrace.aggregator.estimates.image_sizes import Size, Sizes
from pulltrace.aggregator.estimates.throughput import (
    ANSWER_SECONDS,
    LONGEST_START_SECONDS,
    MAX_VOICES,
    OTHERS_SPREAD,
    OWN_SPREAD,
    START_SECONDS,
    USUAL_FOR_SECONDS,
    Duration,
    Paces,
)
from pulltrace.aggregator.rows.pull_ids import PullIds
from pulltrace.pulls.model import NodeReport
from pulltrace.pulls.references import parse_reference
from pulltrace.pulls.view import PullView
from tests.builders.pods import NODE
from tests.builders.pulls import DIGEST, NGINX, START, ended, pull

MIB = 1024 * 1024
QUIET = NodeReport()
BROUGHT = [ended(1, started_at=START, ended_at=START + 20)]
"""A pull of 20 s, which brought the image."""


def pace(paces: Paces, node: str = NODE, report: NodeReport = QUIET, now: float = 0.0) -> tuple[float, float] | None:
    """Seconds for a MiB, likely and slowest."""
    found = paces.of(node, report, START + 10, now)
    return (found.likely * MIB, found.slowest * MIB) if found is not None else None


def test_a_node_that_nobody_has_seen_pull_has_no_pace() -> None:
    """Nothing is invented."""
    assert pace(Paces()) is None


def test_a_node_has_the_pace_of_its_last_pulls() -> None:
    """Their time for their bytes, without what the registry takes to answer; the newer pull weighs four times as much."""
    paces = Paces()
    paces.learn_pull(NODE, ended(1, total_bytes=100 * MIB, started_at=START, ended_at=START + 10 + ANSWER_SECONDS))
    paces.learn_pull(NODE, ended(2, total_bytes=100 * MIB, started_at=START, ended_at=START + 30 + ANSWER_SECONDS))

    assert pace(paces) == pytest.approx((0.26, 0.26 * OWN_SPREAD))


def test_what_runs_now_says_more() -> None:
    """Ten seconds, of which some were the answer, and as many more as make twenty, for 100 MiB."""
    paces = Paces()
    paces.learn_pull(NODE, ended(1, total_bytes=100 * MIB, started_at=START, ended_at=START + 10 + ANSWER_SECONDS))
    running = pull(2, total_bytes=100 * MIB, seconds_left=10.0 + ANSWER_SECONDS)

    assert pace(paces, report=NodeReport(pulls=(running,))) == pytest.approx((0.2, 0.2 * OWN_SPREAD))


def test_a_rate_is_better_than_nothing() -> None:
    """Before the agent says when it ends: how fast it downloads, and how fast the node unpacks."""
    running = pull(2, total_bytes=100 * MIB, bytes_per_second=10.0 * MIB)
    report = NodeReport(pulls=(running,), unpack_bytes_per_second=10.0 * MIB)

    assert pace(Paces(), report=report) == pytest.approx((0.2, 0.2 * OWN_SPREAD))


def test_a_new_node_has_the_usual_pace_of_the_others() -> None:
    """The median, with wider bounds; reckoned every few seconds."""
    paces = Paces()
    for number, seconds in enumerate((10, 20, 900)):
        paces.learn_pull(
            f"n{number}", ended(1, total_bytes=100 * MIB, started_at=START, ended_at=START + ANSWER_SECONDS + seconds)
        )
    assert pace(paces, "new") == pytest.approx((0.2, 0.2 * OTHERS_SPREAD))

    for number in range(3):
        paces.forget(f"n{number}")

    assert pace(paces, "new", now=USUAL_FOR_SECONDS - 1) is not None
    assert pace(paces, "new", now=USUAL_FOR_SECONDS) is None


def test_small_and_failed_pulls_teach_nothing() -> None:
    """They say more of the registry than of the link."""
    paces = Paces()
    paces.learn_pull(NODE, ended(1, total_bytes=1000))
    paces.learn_pull(NODE, pull(2, total_bytes=100 * MIB))

    assert pace(paces) is None


def test_a_node_learns_what_an_answer_takes() -> None:
    """The first answer replaces what is assumed; later ones move it, the newer ones more."""
    paces = Paces()
    assert paces.answer_seconds(NODE) == ANSWER_SECONDS

    paces.learn_answer(NODE, "shop", 0.03, BROUGHT)
    assert paces.answer_seconds(NODE) == 0.03

    for _ in range(30):
        paces.learn_answer(NODE, "shop", 0.1, BROUGHT)
    assert paces.answer_seconds(NODE) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(("seconds", "longest"), [(50.0, 200.0), (0.8, 0.9), (0.8, 1.8), (0.1, None)])
def test_a_pull_that_may_have_brought_the_image_is_no_answer(seconds: float, longest: float | None) -> None:
    """A quick pull is an answer only where another one, which took much longer, brought the image before."""
    paces = Paces()
    pulled = [] if longest is None else [ended(1, started_at=START, ended_at=START + longest)]

    paces.learn_answer(NODE, "shop", seconds, pulled)

    assert paces.answer_seconds(NODE) == ANSWER_SECONDS


def test_one_namespace_is_one_voice() -> None:
    """Anybody who may create Events in one cannot make the node look slow for the pods of others."""
    paces = Paces()
    for namespace, seconds in (("shop", 0.1), ("evil", 3.0)):
        for _ in range(100):
            paces.learn_answer(NODE, namespace, seconds, BROUGHT)

    assert paces.answer_seconds(NODE) == pytest.approx(0.1, abs=0.01)


def test_voices_are_bounded() -> None:
    """A node with thousands of namespaces keeps those that reported last."""
    answer = Duration(ANSWER_SECONDS)
    for number in range(1000):
        answer.learn(f"n{number}", 0.1)

    assert len(answer._voices) == MAX_VOICES


def test_a_node_learns_what_a_start_takes() -> None:
    """From the last image to the pod's status; what takes long waits for something else."""
    paces = Paces()
    assert paces.start_seconds(NODE) == START_SECONDS

    paces.learn_start(NODE, "shop", 0.6)
    paces.learn_start(NODE, "shop", LONGEST_START_SECONDS + 1)

    assert paces.start_seconds(NODE) == 0.6


def test_a_size_is_known_by_name_and_by_digest() -> None:
    """Without what was cached where it was seen, and with it."""
    sizes = Sizes()
    sizes.learn(PullView(NODE, pull(total_bytes=7 * MIB, cached_bytes=3 * MIB), f"{NGINX}:1"))
    sizes.learn(PullView(NODE, pull(2, total_bytes=1, target_digest=None, repositories=()), "registry.k8s.io/pause:3"))

    assert sizes.of(parse_reference("nginx:1")) == Size(7 * MIB, 10 * MIB)
    assert sizes.of(parse_reference(f"mirror.test/nginx@{DIGEST}")) == Size(7 * MIB, 10 * MIB)
    assert sizes.of(parse_reference("nginx:2")) is None
    assert sizes.usual(parse_reference("nginx:2")) == 7 * MIB
    assert sizes.usual(parse_reference("redis:2")) == 7 * MIB


def test_a_quick_pull_teaches_the_size_of_its_repository() -> None:
    """A pull that ended before a poll saw it has a name and no repository; the next tag is expected to be as large."""
    sizes = Sizes()
    sizes.learn(PullView(NODE, pull(1, total_bytes=50 * MIB, target_digest=None), "quay.io/a/b:1"))
    quick = ended(2, names=("registry.test:5000/shop/web:1",), repositories=(), total_bytes=7 * MIB)
    sizes.learn(PullView(NODE, quick, "registry.test:5000/shop/web:1"))

    assert sizes.usual(parse_reference("registry.test:5000/shop/web:2")) == 7 * MIB


def test_a_pull_without_a_size_teaches_nothing() -> None:
    """The manifest is not there yet."""
    sizes = Sizes()
    sizes.learn(PullView(NODE, pull(total_bytes=None), f"{NGINX}:1"))

    assert sizes.usual(parse_reference("nginx:1")) is None


def test_sizes_are_bounded() -> None:
    """The oldest names are forgotten."""
    sizes = Sizes(max_names=10)
    for number in range(50):
        sizes.learn(PullView(NODE, pull(repositories=(), target_digest=None), f"{NGINX}:{number}"))

    assert (sizes.of(parse_reference("nginx:39")), sizes.of(parse_reference("nginx:40"))) == (None, Size(1000, 1000))


def test_ids_that_are_not_used_any_more_are_free() -> None:
    """Nothing is kept for pulls that are forgotten, and for nodes that are gone."""
    ids = PullIds()
    report = NodeReport(pulls=(pull(1), pull(2)))
    ids.claim("evil", report)
    shown = ids.claim(NODE, report).pulls
    assert ids.claim(NODE, report).pulls == shown
    assert len({pull(1).id, pull(2).id, *(each.id for each in shown)}) == 4

    ids.keep("evil", ())
    ids.keep(NODE, ())

    assert ids.claim(NODE, NodeReport(pulls=(pull(3),))).pulls == (pull(3),)
    assert ids.claim(NODE, report).pulls == (pull(1), pull(2))


def test_an_id_that_was_made_to_be_taken_is_taken_once_more() -> None:
    """Whoever knows how the other ids are made gains nothing."""
    ids, victim = PullIds(), PullIds()
    victim.claim("evil", NodeReport(pulls=(pull(1),)))
    [second] = victim.claim(NODE, NodeReport(pulls=(pull(1),))).pulls
    ids.claim("evil", NodeReport(pulls=(pull(1), second)))
    [third] = ids.claim(NODE, NodeReport(pulls=(pull(1),))).pulls

    assert third.id not in {pull(1).id, second.id}
