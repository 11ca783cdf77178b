"""Evidence of a run that never was: one good run, and what the tests change in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.chaos.counters import COMPLETED, FAILED, REPORTS, SEEN
from tests.chaos.evidence import JSON, Evidence, Heard, Replica, Scrape, TruePull

WELL = "registry.test/shop/well:1"
ILL = "registry.test/shop/ill:1"
SIZE = 1000


def row(key: str, image: str, began: float, **more: Any) -> JSON:
    """A row as the API has it, running unless told otherwise."""
    told = {
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
    return told | more


def ends(told: JSON, phase: str) -> JSON:
    """The same row once it has ended."""
    done = SIZE if phase == "completed" else told["downloadedBytes"]
    return told | {"phase": phase, "downloadedBytes": done, "completedAt": told["startedAt"]}


def heard(at: float, kind: str, told: JSON) -> Heard:
    return Heard(at, 1, {"type": kind, "pull": told})


def scrape(at: float, completed: int, failed: int, seen: int) -> Scrape:
    """Of a replica that leads."""
    return Scrape(at, leading=True, counts={COMPLETED: completed, FAILED: failed, SEEN: seen, REPORTS: at})


BEGUN = row("a", WELL, 110)
MOVED = BEGUN | {"downloadedBytes": 400}
DONE = ends(BEGUN, "completed")
TRIED = row("b", ILL, 130)
FAILED_ROW = ends(TRIED, "failed")
STREAM = (
    Heard(101, 1, {"type": "snapshot", "pulls": []}),
    heard(111, "pull.started", BEGUN),
    heard(115, "pull.progress", MOVED),
    heard(120, "pull.completed", DONE),
    heard(131, "pull.started", TRIED),
    heard(135, "pull.failed", FAILED_ROW),
)
LEADER = Replica("leader", STREAM, (scrape(102, 0, 0, 0), scrape(150, 1, 1, 2)), (DONE, FAILED_ROW))
OTHER = Replica("other", STREAM, (Scrape(102), Scrape(150)), (DONE, FAILED_ROW))


def good_run() -> Evidence:
    """One pull that went well and one that failed, seen by two replicas."""
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


def told_otherwise(index: int, event: Heard) -> Evidence:
    """The good run, but the leader's stream has another event in one place, and the rows are what came of it."""
    stream = (*STREAM[:index], event, *STREAM[index + 1 :])
    return replace(good_run(), replicas=(replace(LEADER, heard=stream, scrapes=(), rows=None),))


def also_told(*events: Heard) -> Evidence:
    """The good run, with more at the end of the only stream."""
    return replace(good_run(), replicas=(replace(LEADER, heard=(*STREAM, *events), scrapes=(), rows=None),))


def also_pulled(pull: TruePull) -> Evidence:
    """The good run, with one pull more, of which no row tells."""
    run = good_run()
    return replace(run, pulls=(*run.pulls, pull))
