"""Synthetic evidence that violates an invariant is found, and an excuse covers exactly its own cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.evidence import Evidence, TruePull
from tests.chaos.invariants import judge
from tests.chaos.spans import Span
from tests.chaos.synthetic import (
    BEGUN,
    DONE,
    FAILED_ROW,
    ILL,
    LEADER,
    MOVED,
    OTHER,
    SIZE,
    TRIED,
    WELL,
    ends,
    event,
    good_run,
    row,
    scrape,
    with_another_pull,
    with_more_events,
    with_other_event,
)

NEW = "registry.test/shop/new:1"
LATE = row("c", NEW, 140)
WORDS = ends(row("d", ILL, 130), "failed") | {"reachedContainerd": False}
LONG = TruePull("node-1", NEW, 140, 145, "failed")


def failing_for(evidence: Evidence, seconds: float) -> Evidence:
    """Let the kubelets report for so long that the new image cannot be pulled."""
    return replace(evidence, failing={node: {NEW: Span(141, 141 + seconds)} for node in ("node-1", "node-2")})


def twins(began: float, ended: float) -> Evidence:
    """Return a quick pull, and a second one of the same image without a row."""
    run = with_another_pull(TruePull("node-1", WELL, began, ended, "completed", recorded=True))
    first = replace(run.pulls[0], ended=run.pulls[0].began + 1)
    return replace(run, pulls=(first, *run.pulls[1:]), fetched={"node-1": ((began + 0.1, "shop/well"),)})


def found(evidence: Evidence) -> list[tuple[str, str | None]]:
    return [(one.invariant, one.excuse) for one in judge(evidence)]


def test_good_run_has_no_findings() -> None:
    """A run without wrong reports has no findings."""
    assert found(good_run()) == []


@pytest.mark.parametrize(
    ("evidence", "invariant"),
    [
        (with_another_pull(LONG), "missing"),
        (twins(110.5, 113), "missing"),
        (twins(111.5, 112), "missing"),
        (failing_for(with_another_pull(TruePull("node-1", NEW, 140, 140.1, "failed")), 5), "missing"),
        (failing_for(with_another_pull(TruePull("node-2", NEW, 130, 130.1, "failed")), 5), "missing"),
        (with_another_pull(TruePull("node-1", "other.test/x:1", 140, 141, "completed", recorded=True)), "missing"),
        (with_more_events(event(140, "pull.started", ends(LATE, "failed"))), "invented"),
        (with_more_events(event(136, "pull.failed", FAILED_ROW | {"id": "twice"})), "invented"),
        (with_more_events(event(140, "pull.failed", WORDS | {"imageRef": WELL, "repositories": []})), "invented"),
        (with_other_event(3, event(120, "pull.failed", ends(MOVED, "failed"))), "end"),
        (with_other_event(3, event(120, "pull.progress", MOVED)), "end"),
        (with_other_event(3, event(120, "pull.failed", ends(MOVED, "unknown"))), "end"),
        (with_other_event(5, event(135, "pull.completed", ends(TRIED, "completed"))), "end"),
        (with_other_event(5, event(135, "pull.progress", TRIED | {"downloadedBytes": 1})), "end"),
        (with_other_event(5, event(135, "pull.failed", FAILED_ROW | {"nodeName": "node-2"})), "invented"),
        (replace(good_run(), replicas=(replace(LEADER, rows=(DONE, FAILED_ROW, LATE)), OTHER)), "replicas"),
        (with_other_event(3, event(120, "pull.completed", DONE | {"imageRef": WELL + "1"})), "name"),
        (with_other_event(3, event(120, "pull.completed", DONE | {"downloadedBytes": SIZE - 1})), "bytes"),
        (with_other_event(3, event(120, "pull.completed", DONE | {"cachedBytes": 1})), "bytes"),
        (with_other_event(2, event(115, "pull.progress", BEGUN | {"downloadedBytes": SIZE + 1})), "backwards"),
        (with_more_events(event(136, "pull.failed", ends(DONE, "failed"))), "backwards"),
        (with_more_events(event(136, "pull.removed", DONE)), "removed"),
        (replace(good_run(), replicas=(replace(LEADER, rows=(DONE,)), OTHER)), "state"),
        (replace(good_run(), replicas=(replace(LEADER, rows=(DONE, TRIED)), OTHER)), "replicas"),
        (replace(good_run(), replicas=(replace(LEADER, rows=(DONE | {"cachedBytes": 1}, FAILED_ROW)), OTHER)), "replicas"),
        (replace(good_run(), replicas=(replace(LEADER, rows=(DONE | {"imageRef": ILL}, FAILED_ROW)), OTHER)), "replicas"),
        (replace(good_run(), records={"node-1": frozenset()}), "truth"),
        (replace(good_run(), records={"node-1": frozenset({WELL, ILL})}), "truth"),
    ],
)  # fmt: skip
def test_violation_is_found(evidence: Evidence, invariant: str) -> None:
    """Each wrong report violates its invariant, without an excuse."""
    assert (invariant, None) in found(evidence)


@pytest.mark.parametrize("wrong", [(0, 1, 2), (2, 1, 2), (1, 0, 2), (1, 2, 2), (1, 1, 1), (1, 1, 3)])
def test_counter_that_is_off_by_one(wrong: tuple[int, int, int]) -> None:
    """A leader that counts an end twice or not at all, or a pull too many, is found."""
    leader = replace(LEADER, scrapes=(scrape(102, 0, 0, 0), scrape(150, *wrong)))

    assert found(replace(good_run(), replicas=(leader, OTHER))) == [("counters", None)]


def test_counters_cover_only_the_time_of_leading() -> None:
    """A leader's counters are not compared with ends before its time, or with counts lost in a restart."""
    took_over = replace(LEADER, scrapes=(scrape(125, 0, 0, 0), scrape(150, 0, 1, 1)))
    restarted = replace(LEADER, scrapes=(scrape(102, 9, 9, 9), scrape(125, 10, 9, 10), scrape(1, 0, 0, 0)))

    assert found(replace(good_run(), replicas=(took_over, OTHER))) == []
    assert found(replace(good_run(), replicas=(restarted, OTHER))) == []


@pytest.mark.parametrize(
    ("evidence", "excuse"),
    [
        (twins(110.5, 111), "completed between two polls"),
        (replace(with_another_pull(LONG), absences={"node-1": (Span(139, 146),)}), "no agent"),
        (replace(with_another_pull(LONG), absences={"node-1": (Span(141.9, 146),)}), "no agent"),
        (with_another_pull(TruePull("node-1", ILL, 132, 133.9, "failed")), "failed between two polls"),
        (with_another_pull(TruePull("node-1", NEW, 140, 140.1, "failed")), "failed between two polls, unreported"),
        (failing_for(with_another_pull(TruePull("node-1", NEW, 140, 140.1, "failed")), 3.9), "failed between two polls, unreported"),
        (replace(with_another_pull(TruePull("node-1", NEW, 140, 141, "completed", recorded=True)),
                 sizes={WELL: SIZE, NEW: SIZE}, records={"node-1": frozenset({WELL, NEW})}), "found on the node"),
        (replace(with_other_event(3, event(120, "pull.failed", ends(MOVED, "unknown"))),
                 absences={"node-1": (Span(119, 121),)}), "end unseen"),
        (replace(good_run(), pulls=(TruePull("node-1", WELL, 110, 120, "killed", recorded=True),
                                    good_run().pulls[1])), "end recorded"),
    ],
)  # fmt: skip
def test_excuse(evidence: Evidence, excuse: str) -> None:
    """An excused finding is no violation, and is counted under its rule's name."""
    assert {one[1] for one in found(evidence)} == {excuse}


def test_excuse_ends_where_its_rule_does() -> None:
    """No excuse covers a pull that outlasts the agent's absence or brought its image in it, a failure of three polls,
    or a fetched image.
    """
    outlasting = replace(with_another_pull(LONG), absences={"node-1": (Span(139, 144),)})
    before = replace(with_another_pull(LONG), absences={"node-1": (Span(142.1, 146), Span(145.1, 147))})
    brought = replace(
        with_another_pull(replace(LONG, outcome="completed", recorded=True)),
        absences={"node-1": (Span(139, 146),)},
        records={"node-1": frozenset({WELL, NEW})},
    )
    slow = with_another_pull(TruePull("node-1", ILL, 132, 134.1, "failed"))
    fetched = replace(
        with_another_pull(TruePull("node-1", NEW, 140, 141, "completed", recorded=True)),
        sizes={WELL: SIZE, NEW: SIZE},
        records={"node-1": frozenset({WELL, NEW})},
        fetched={"node-1": ((140.5, "shop/new"),)},
    )

    assert [found(one) for one in (outlasting, before, brought, slow, fetched)] == [[("missing", None)]] * 5


def test_nothing_is_asked_of_the_time_before_the_run() -> None:
    """A pull from before Pulltrace's start needs no row."""
    assert found(with_another_pull(TruePull("node-1", NEW, 90, 99, "completed"))) == [("truth", None)]
