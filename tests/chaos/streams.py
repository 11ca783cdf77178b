"""What must hold of each replica's stream, and of the replicas beside each other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

from tests.chaos.evidence import JSON, Evidence, Replica
from tests.chaos.findings import Finding
from tests.chaos.playing import Step, has_ended, play

Rows = Mapping[str, JSON]
OF_LEASE = ("nodeName", "phase", "digest", "startedAt", "completedAt", "totalBytes", "downloadedBytes", "cachedBytes")


def judge_streams(evidence: Evidence) -> Iterable[Finding]:
    for replica in evidence.replicas:
        played = play(replica.heard)
        for step in played.steps:
            yield from _judge_step(replica, step)
        if replica.rows is not None:
            asked = {row["id"]: row for row in replica.rows}
            whose = f"what a client of {replica.name} has at the end is not what it answers"
            yield from (Finding("state", whose, (what,)) for what in differences(played.rows, asked))
    yield from _judge_replicas(evidence.replicas)


def _judge_step(replica: Replica, step: Step) -> Iterable[Finding]:
    before, row = step.before, step.row
    if before is None:
        return
    if row is None:
        if before.get("reachedContainerd", True) and not step.snapshot:
            yield Finding("removed", f"{replica.name} removed a row whose time was not over", (str(before),))
        return
    what = (f"before: {before}", f"after: {row}")
    if row["downloadedBytes"] < before["downloadedBytes"]:
        moved = f"{before['downloadedBytes']} to {row['downloadedBytes']}"
        yield Finding("backwards", f"{replica.name}: bytes of {row['id']} went from {moved}", what)
    if has_ended(before) and before["phase"] != "unknown" and row["phase"] != before["phase"]:
        yield Finding("backwards", f"{replica.name}: {row['id']} was {before['phase']} and is {row['phase']}", what)


def _judge_replicas(replicas: Iterable[Replica]) -> Iterable[Finding]:
    """Of a row that two replicas have they tell the same, as far as it comes from the node's Lease.

    What pods have said (names, why it failed) is not known to a replica that came when they were gone, and the oldest
    rows are not known to one that came when the Lease had no room for them any more.
    """
    there = [replica for replica in replicas if replica.rows is not None]
    for one, other in pairwise(there):
        mine, its = ({row["id"]: row for row in replica.rows or ()} for replica in (one, other))
        both = [key for key in mine.keys() & its.keys() if mine[key].get("reachedContainerd", True)]
        for what in differences(
            {key: _of_lease(mine[key]) for key in both}, {key: _of_lease(its[key]) for key in both}
        ):
            yield Finding("replicas", f"{one.name} and {other.name} do not say the same", (what,))
        for key in both:
            if mine[key]["nameKnown"] and its[key]["nameKnown"] and mine[key]["imageRef"] != its[key]["imageRef"]:
                names = f"{key}: {mine[key]['imageRef']} / {its[key]['imageRef']}"
                yield Finding("replicas", f"{one.name} and {other.name} give a row two names", (names,))
        for key in mine.keys() ^ its.keys():
            row = mine.get(key) or its[key]
            if not has_ended(row):
                yield Finding("replicas", f"only one of {one.name} and {other.name} has a running pull", (str(row),))


def _of_lease(row: JSON) -> JSON:
    return {key: row.get(key) for key in OF_LEASE}


def differences(mine: Rows, its: Rows) -> list[str]:
    """How they differ, a line for each row."""
    found = [f"only here: {mine[key]}" for key in mine.keys() - its.keys()]
    found += [f"only there: {its[key]}" for key in its.keys() - mine.keys()]
    for key in mine.keys() & its.keys():
        keys = [name for name in {**mine[key], **its[key]} if mine[key].get(name) != its[key].get(name)]
        if keys:
            found.append(f"{key}: " + ", ".join(f"{n} {mine[key].get(n)!r} / {its[key].get(n)!r}" for n in keys))
    return found
