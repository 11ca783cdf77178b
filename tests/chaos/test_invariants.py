"""Evidence that was made up to violate an invariant is found to, and what a rule excuses is excused by that rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.evidence import Evidence, TruePull
from tests.chaos.invariants import judge
from tests.chaos.made_up import (
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
    also_pulled,
    also_told,
    ends,
    good_run,
    heard,
    row,
    scrape,
    told_otherwise,
)
from tests.chaos.spans import Span

NEW = "registry.test/shop/new:1"
LATE = row("c", NEW, 140)
WORDS = ends(row("d", ILL, 130), "failed") | {"reachedContainerd": False}
LONG = TruePull("node-1", NEW, 140, 145, "failed")


def said(evidence: Evidence, seconds: float) -> Evidence:
    """The kubelets have said for so long that the new image cannot be pulled."""
    return replace(evidence, said={node: {NEW: Span(141, 141 + seconds)} for node in ("node-1", "node-2")})


def twins(began: float, ended: float) -> Evidence:
    """A quick pull, and a second one of the same image of which no row tells."""
    run = also_pulled(TruePull("node-1", WELL, began, ended, "completed", recorded=True))
    first = replace(run.pulls[0], ended=run.pulls[0].began + 1)
    return replace(run, pulls=(first, *run.pulls[1:]), fetched={"node-1": ((began + 0.1, "shop/well"),)})


def found(evidence: Evidence) -> list[tuple[str, str | None]]:
    return [(one.invariant, one.excuse) for one in judge(evidence)]


def test_good_run_has_no_findings() -> None:
    """A run in which all was told as it was is found to be without fault."""
    assert found(good_run()) == []


@pytest.mark.parametrize(
    ("evidence", "invariant"),
    [
        (also_pulled(LONG), "missing"),
        (twins(110.5, 113), "missing"),
        (twins(111.5, 112), "missing"),
        (said(also_pulled(TruePull("node-1", NEW, 140, 140.1, "failed")), 5), "missing"),
        (said(also_pulled(TruePull("node-2", NEW, 130, 130.1, "failed")), 5), "missing"),
        (also_pulled(TruePull("node-1", "other.test/x:1", 140, 141, "completed", recorded=True)), "missing"),
        (also_told(heard(140, "pull.started", ends(LATE, "failed"))), "invented"),
        (also_told(heard(136, "pull.failed", FAILED_ROW | {"id": "twice"})), "invented"),
        (also_told(heard(140, "pull.failed", WORDS | {"imageRef": WELL, "repositories": []})), "invented"),
        (told_otherwise(3, heard(120, "pull.failed", ends(MOVED, "failed"))), "end"),
        (told_otherwise(3, heard(120, "pull.progress", MOVED)), "end"),
        (told_otherwise(3, heard(120, "pull.failed", ends(MOVED, "unknown"))), "end"),
        (told_otherwise(5, heard(135, "pull.completed", ends(TRIED, "completed"))), "end"),
        (told_otherwise(5, heard(135, "pull.progress", TRIED | {"downloadedBytes": 1})), "end"),
        (told_otherwise(5, heard(135, "pull.failed", FAILED_ROW | {"nodeName": "node-2"})), "invented"),
        (replace(good_run(), replicas=(replace(LEADER, rows=(DONE, FAILED_ROW, LATE)), OTHER)), "replicas"),
        (told_otherwise(3, heard(120, "pull.completed", DONE | {"imageRef": WELL + "1"})), "name"),
        (told_otherwise(3, heard(120, "pull.completed", DONE | {"downloadedBytes": SIZE - 1})), "bytes"),
        (told_otherwise(3, heard(120, "pull.completed", DONE | {"cachedBytes": 1})), "bytes"),
        (told_otherwise(2, heard(115, "pull.progress", BEGUN | {"downloadedBytes": SIZE + 1})), "backwards"),
        (also_told(heard(136, "pull.failed", ends(DONE, "failed"))), "backwards"),
        (also_told(heard(136, "pull.removed", DONE)), "removed"),
        (replace(good_run(), replicas=(replace(LEADER, rows=(DONE,)), OTHER)), "state"),
        (replace(good_run(), replicas=(replace(LEADER, rows=(DONE, TRIED)), OTHER)), "replicas"),
        (replace(good_run(), replicas=(replace(LEADER, rows=(DONE | {"cachedBytes": 1}, FAILED_ROW)), OTHER)), "replicas"),
        (replace(good_run(), replicas=(replace(LEADER, rows=(DONE | {"imageRef": ILL}, FAILED_ROW)), OTHER)), "replicas"),
        (replace(good_run(), records={"node-1": frozenset()}), "truth"),
        (replace(good_run(), records={"node-1": frozenset({WELL, ILL})}), "truth"),
    ],
)  # fmt: skip
def test_violation_is_found(evidence: Evidence, invariant: str) -> None:
    """What was made up to be wrong is a violation of the invariant that it is against, without an excuse."""
    assert (invariant, None) in found(evidence)


@pytest.mark.parametrize("wrong", [(0, 1, 2), (2, 1, 2), (1, 0, 2), (1, 2, 2), (1, 1, 1), (1, 1, 3)])
def test_counter_that_is_off_by_one(wrong: tuple[int, int, int]) -> None:
    """A leader that counts an end too often or not at all, or a pull too many, is found to."""
    leader = replace(LEADER, scrapes=(scrape(102, 0, 0, 0), scrape(150, *wrong)))

    assert found(replace(good_run(), replicas=(leader, OTHER))) == [("counters", None)]


def test_counters_are_not_held_against_what_nobody_led() -> None:
    """What ended before a replica led, and what a restart has lost, is not asked of its counters."""
    took_over = replace(LEADER, scrapes=(scrape(125, 0, 0, 0), scrape(150, 0, 1, 1)))
    restarted = replace(LEADER, scrapes=(scrape(102, 9, 9, 9), scrape(125, 10, 9, 10), scrape(1, 0, 0, 0)))

    assert found(replace(good_run(), replicas=(took_over, OTHER))) == []
    assert found(replace(good_run(), replicas=(restarted, OTHER))) == []


@pytest.mark.parametrize(
    ("evidence", "excuse"),
    [
        (twins(110.5, 111), "completed between two looks"),
        (replace(also_pulled(LONG), absences={"node-1": (Span(139, 146),)}), "no agent"),
        (replace(also_pulled(LONG), absences={"node-1": (Span(141.9, 146),)}), "no agent"),
        (also_pulled(TruePull("node-1", ILL, 132, 133.9, "failed")), "failed between two looks"),
        (also_pulled(TruePull("node-1", NEW, 140, 140.1, "failed")), "failed between two looks, unsaid"),
        (said(also_pulled(TruePull("node-1", NEW, 140, 140.1, "failed")), 3.9), "failed between two looks, unsaid"),
        (replace(also_pulled(TruePull("node-1", NEW, 140, 141, "completed", recorded=True)),
                 sizes={WELL: SIZE, NEW: SIZE}, records={"node-1": frozenset({WELL, NEW})}), "found on the node"),
        (replace(told_otherwise(3, heard(120, "pull.failed", ends(MOVED, "unknown"))),
                 absences={"node-1": (Span(119, 121),)}), "end unseen"),
        (replace(good_run(), pulls=(TruePull("node-1", WELL, 110, 120, "killed", recorded=True),
                                    good_run().pulls[1])), "end recorded"),
    ],
)  # fmt: skip
def test_excuse(evidence: Evidence, excuse: str) -> None:
    """What a rule excuses is no violation, and is counted under that rule's name."""
    assert {one[1] for one in found(evidence)} == {excuse}


def test_excuse_ends_where_its_rule_does() -> None:
    """A pull that outlasts the agent's absence or brought its image in it, a failure that lasts for three looks, and an
    image that was fetched are missed.
    """
    outlasting = replace(also_pulled(LONG), absences={"node-1": (Span(139, 144),)})
    before = replace(also_pulled(LONG), absences={"node-1": (Span(142.1, 146), Span(145.1, 147))})
    brought = replace(
        also_pulled(replace(LONG, outcome="completed", recorded=True)),
        absences={"node-1": (Span(139, 146),)},
        records={"node-1": frozenset({WELL, NEW})},
    )
    slow = also_pulled(TruePull("node-1", ILL, 132, 134.1, "failed"))
    fetched = replace(
        also_pulled(TruePull("node-1", NEW, 140, 141, "completed", recorded=True)),
        sizes={WELL: SIZE, NEW: SIZE},
        records={"node-1": frozenset({WELL, NEW})},
        fetched={"node-1": ((140.5, "shop/new"),)},
    )

    assert [found(one) for one in (outlasting, before, brought, slow, fetched)] == [[("missing", None)]] * 5


def test_nothing_is_asked_of_the_time_before_the_run() -> None:
    """What containerd pulled before Pulltrace was there need not have a row."""
    assert found(also_pulled(TruePull("node-1", NEW, 90, 99, "completed"))) == [("truth", None)]
