"""The invariants of each replica's stream, and of the replicas compared with each other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

from tests.chaos.evidence import JSON, Evidence, Replica
from tests.chaos.findings import Finding
from tests.chaos.replay import Step, has_ended, replay

Rows = Mapping[str, JSON]
OF_LEASE = ("nodeName", "phase", "digest", "startedAt", "completedAt", "totalBytes", "downloadedBytes", "cachedBytes")


def judge_streams(evidence: Evidence) -> Iterable[Finding]:
    for replica in evidence.replicas:
        played = replay(replica.events)
        for step in played.steps:
            yield from _judge_step(replica, step)
        if replica.rows is not None:
            asked = {row["id"]: row for row in replica.rows}
            whose = f"stream and answer of {replica.name} differ at the end"
            yield from (Finding("state", whose, (what,)) for what in differences(played.rows, asked))
    yield from _judge_replicas(evidence.replicas)


def _judge_step(replica: Replica, step: Step) -> Iterable[Finding]:
    before, row = step.before, step.row
    if before is None:
        return
    if row is None:
        if before.get("reachedContainerd", True) and not step.snapshot:
            yield Finding("removed", f"{replica.name} removed a row too early", (str(before),))
        return
    what = (f"before: {before}", f"after: {row}")
    if row["downloadedBytes"] < before["downloadedBytes"]:
        moved = f"{before['downloadedBytes']} to {row['downloadedBytes']}"
        yield Finding("backwards", f"{replica.name}: bytes of {row['id']} went from {moved}", what)
    if has_ended(before) and before["phase"] != "unknown" and row["phase"] != before["phase"]:
        yield Finding("backwards", f"{replica.name}: {row['id']} was {before['phase']} and is {row['phase']}", what)


def _judge_replicas(replicas: Iterable[Replica]) -> Iterable[Finding]:
    """Two replicas report the same of a row, as far as it comes from the node's Lease.

    Names and failure reasons from pods are unknown to a replica that started after their deletion. The oldest rows are
    unknown to one that started after the Lease dropped them.
    """
    answering = [replica for replica in replicas if replica.rows is not None]
    for one, other in pairwise(answering):
        mine, its = ({row["id"]: row for row in replica.rows or ()} for replica in (one, other))
        both = [key for key in mine.keys() & its.keys() if mine[key].get("reachedContainerd", True)]
        for what in differences(
            {key: _of_lease(mine[key]) for key in both}, {key: _of_lease(its[key]) for key in both}
        ):
            yield Finding("replicas", f"{one.name} and {other.name} differ", (what,))
        for key in both:
            if mine[key]["nameKnown"] and its[key]["nameKnown"] and mine[key]["imageRef"] != its[key]["imageRef"]:
                names = f"{key}: {mine[key]['imageRef']} / {its[key]['imageRef']}"
                yield Finding("replicas", f"{one.name} and {other.name} name a row differently", (names,))
        for key in mine.keys() ^ its.keys():
            row = mine.get(key) or its[key]
            if not has_ended(row):
                yield Finding("replicas", f"only one of {one.name} and {other.name} has a running pull", (str(row),))


def _of_lease(row: JSON) -> JSON:
    return {key: row.get(key) for key in OF_LEASE}


def differences(mine: Rows, its: Rows) -> list[str]:
    """Return the differences, a line for each row."""
    found = [f"only the first: {mine[key]}" for key in mine.keys() - its.keys()]
    found += [f"only the second: {its[key]}" for key in its.keys() - mine.keys()]
    for key in mine.keys() & its.keys():
        keys = [name for name in {**mine[key], **its[key]} if mine[key].get(name) != its[key].get(name)]
        if keys:
            found.append(f"{key}: " + ", ".join(f"{n} {mine[key].get(n)!r} / {its[key].get(n)!r}" for n in keys))
    return found
