"""Whether a leader's counters moved by exactly the changes in its own stream while it led. Pure.

A stretch is a series of scrapes during which one replica led. A row that ends in the stretch is counted in it. A row
may be counted or not when it ends within `SLACK_SECONDS` of the stretch's borders, or in a snapshot that may reach over
them. Each counter therefore has a least and a most, which are usually equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tests.chaos.evidence import Evidence, Replica, Scrape
from tests.chaos.findings import Finding
from tests.chaos.replay import Step, replay

SLACK_SECONDS = 1.0
COMPLETED = "pulltrace_pull_duration_seconds_count"
FAILED = "pulltrace_pull_errors_total"
SEEN = "pulltrace_pulls_total"
REPORTS = "pulltrace_agent_reports_total"
COUNTERS: dict[str, Callable[[Step], bool]] = {
    COMPLETED: lambda step: step.reaches("completed"),
    FAILED: lambda step: step.reaches("failed"),
    SEEN: lambda step: step.before is None and step.row is not None,
}


@dataclass(frozen=True)
class Counted:
    """The count of a leader in a stretch, and the bounds by its stream."""

    replica: str
    counter: str
    began: float
    ended: float
    counted: int
    least: int
    most: int


def judge_counters(evidence: Evidence) -> Iterable[Finding]:
    for one in counted(evidence):
        if not one.least <= one.counted <= one.most:
            seen = str(one.least) if one.least == one.most else f"{one.least} to {one.most}"
            yield Finding(
                "counters", f"{one.replica} counted {one.counted} by {one.counter}, its stream has {seen}", (str(one),)
            )


def counted(evidence: Evidence) -> list[Counted]:
    """Return the counts of every leader in every stretch."""
    found = []
    for replica in evidence.replicas:
        steps = replay(replica.events).steps
        for first, last in stretches(replica):
            assert first.counts is not None
            assert last.counts is not None
            for name, happens in COUNTERS.items():
                moved = round(last.counts.get(name, 0) - first.counts.get(name, 0))
                least, most = bounds([step for step in steps if happens(step)], first.at, last.at)
                if name != COMPLETED:  # a failure reported first by the pods is not counted again as containerd's
                    least -= _superseded(steps, first.at, last.at)
                found.append(Counted(replica.name, name, first.at, last.at, moved, least, most))
    return found


def stretches(replica: Replica) -> Iterator[tuple[Scrape, Scrape]]:
    """Return the first and last scrape of each stretch in which the replica led and answered."""
    run: list[Scrape] = []
    for scrape in (*replica.scrapes, Scrape(0)):
        restarted = bool(run and scrape.counts and _reports(scrape) < _reports(run[-1]))
        if not scrape.leading or scrape.counts is None or restarted:
            if len(run) > 1:
                yield run[0], run[-1]
            run = []
        if scrape.leading and scrape.counts is not None:
            run.append(scrape)


def bounds(steps: Iterable[Step], began: float, ended: float) -> tuple[int, int]:
    """Return how many of these happened between two moments, at least and at most."""
    least = most = 0
    for step in steps:
        least += began + SLACK_SECONDS <= step.after and step.at <= ended - SLACK_SECONDS
        most += began - SLACK_SECONDS <= step.at and step.after <= ended + SLACK_SECONDS
    return least, most


def _superseded(steps: Iterable[Step], began: float, ended: float) -> int:
    gone = [s for s in steps if s.row is None and s.before and not s.before.get("reachedContainerd", True)]
    return bounds(gone, began, ended)[1]


def _reports(scrape: Scrape) -> float:
    return (scrape.counts or {}).get(REPORTS, 0)
