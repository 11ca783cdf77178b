"""Synthetic evidence: one good run, and the changes that the tests make to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.chaos.counters import COMPLETED, FAILED, REPORTS, SEEN
from tests.chaos.evidence import JSON, Evidence, Replica, Scrape, StreamEvent, TruePull

WELL = "registry.test/shop/well:1"
ILL = "registry.test/shop/ill:1"
SIZE = 1000


def row(key: str, image: str, began: float, **more: Any) -> JSON:
    """Return a row as the API has it, running by default."""
    values = {
        "id": key,
        "nodeName": "node-1",
        "imageRef": image,
        "nameKnown": True,
        "repositories": [image.rpartition(":")[0]],
        "imageCandidates": [],
        "phase": "downloading",
        "totalKnown": True,
        "totalBytes": SIZE,
        "downloadedBytes": 0,
        "cachedBytes": 0,
        "lazyBytes": 0,
        "startedAt": datetime.fromtimestamp(began, UTC).isoformat(),
    }
    return values | more


def ends(before: JSON, phase: str) -> JSON:
    """Return the row after its end."""
    done = SIZE if phase == "completed" else before["downloadedBytes"]
    return before | {"phase": phase, "downloadedBytes": done, "completedAt": before["startedAt"]}


def event(at: float, kind: str, pull: JSON) -> StreamEvent:
    return StreamEvent(at, 1, {"type": kind, "pull": pull})


def scrape(at: float, completed: int, failed: int, seen: int) -> Scrape:
    """Return a scrape of a leader."""
    return Scrape(at, leading=True, counts={COMPLETED: completed, FAILED: failed, SEEN: seen, REPORTS: at})


BEGUN = row("a", WELL, 110)
MOVED = BEGUN | {"downloadedBytes": 400}
DONE = ends(BEGUN, "completed")
TRIED = row("b", ILL, 130)
FAILED_ROW = ends(TRIED, "failed")
STREAM = (
    StreamEvent(101, 1, {"type": "snapshot", "pulls": []}),
    event(111, "pull.started", BEGUN),
    event(115, "pull.progress", MOVED),
    event(120, "pull.completed", DONE),
    event(131, "pull.started", TRIED),
    event(135, "pull.failed", FAILED_ROW),
)
LEADER = Replica("leader", STREAM, (scrape(102, 0, 0, 0), scrape(150, 1, 1, 2)), (DONE, FAILED_ROW))
OTHER = Replica("other", STREAM, (Scrape(102), Scrape(150)), (DONE, FAILED_ROW))


def good_run() -> Evidence:
    """Return a run with a completed and a failed pull, reported by two replicas."""
    return Evidence(
        since=100,
        pulls=(
            TruePull("node-1", WELL, 110, 120, "completed", recorded=True),
            TruePull("node-1", ILL, 130, 135, "failed"),
        ),
        replicas=(LEADER, OTHER),
        fetched={"node-1": ((111.0, "shop/well"),)},
        sizes={WELL: SIZE, ILL: SIZE},
        records={"node-1": frozenset({WELL})},
    )


def with_other_event(index: int, other: StreamEvent) -> Evidence:
    """Replace one event of the leader's stream in the good run; no other replica has a stream."""
    stream = (*STREAM[:index], other, *STREAM[index + 1 :])
    return replace(good_run(), replicas=(replace(LEADER, events=stream, scrapes=(), rows=None),))


def with_more_events(*events: StreamEvent) -> Evidence:
    """Append events to the only stream of the good run."""
    return replace(good_run(), replicas=(replace(LEADER, events=(*STREAM, *events), scrapes=(), rows=None),))


def with_another_pull(pull: TruePull) -> Evidence:
    """Add a pull without a row to the good run."""
    run = good_run()
    return replace(run, pulls=(*run.pulls, pull))
