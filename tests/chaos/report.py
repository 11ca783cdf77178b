"""The printed report: the progress, and the tables at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.chaos.counters import COMPLETED, FAILED, Counted, counted
from tests.chaos.evidence import Evidence, TruePull
from tests.chaos.findings import Finding, violations
from tests.chaos.invariants import EXCUSES, reported_pulls

SHOWN_VIOLATIONS = 20


def progress(seconds: float, pulls: Iterable[TruePull], replicas: int) -> str:
    """Return one line about the pulls so far."""
    ends = Counter(pull.outcome or "running" for pull in pulls)
    counts = ", ".join(f"{ends[key]} {key}" for key in ("completed", "failed", "killed", "running"))
    return f"{seconds // 60:.0f}:{seconds % 60:02.0f}  pulls: {counts}; {replicas} replicas so far"


def summary(evidence: Evidence, findings: Sequence[Finding]) -> str:
    """Return the tables."""
    pulls = [pull for pull in evidence.pulls if pull.began >= evidence.since]
    reported = reported_pulls(evidence)
    own = Counter(row.phase for row in reported.values() if row.reached)
    by_pods = sum(not row.reached for row in reported.values())
    events = sum(len(replica.events) for replica in evidence.replicas)
    stretches = counted(evidence)
    excused = Counter(one.excuse for one in findings if one.excuse)
    bad = violations(tuple(findings))
    lines = [
        "",
        *_table("pulls by containerd's log", Counter(str(pull.outcome or "running") for pull in pulls)),
        *_table("rows that Pulltrace reported", own | Counter({"by pods only": by_pods})),
        *_table("faults", Counter(fault.kind for fault in evidence.faults)),
        f"events of {len(evidence.replicas)} replicas: {events}",
        f"counted by the leaders: {_sum(stretches, COMPLETED)} completed, {_sum(stretches, FAILED)} failed",
        *_table("excused", Counter({f"{key} ({EXCUSES[key]})": number for key, number in excused.items()})),
        f"violations: {len(bad)}",
    ]
    for one in bad[:SHOWN_VIOLATIONS]:
        lines += [f"  {one.invariant}: {one.what}", *(f"      {each[:600]}" for each in one.evidence)]
    if len(bad) > SHOWN_VIOLATIONS:
        lines.append(f"  and {len(bad) - SHOWN_VIOLATIONS} more")
    return "\n".join(lines)


def _sum(stretches: Iterable[Counted], counter: str) -> int:
    return sum(one.counted for one in stretches if one.counter == counter)


def _table(title: str, counts: Counter[str]) -> list[str]:
    return [f"{title}: {sum(counts.values())}", *(f"  {number:5d}  {key}" for key, number in counts.most_common())]
