"""The invariants of a run, whatever was broken: rows against pulls. Pure.

A finding is excused only by one of `EXCUSES`, and counted; docs/reliability.md has the same rules in words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from tests.chaos.counters import judge_counters
from tests.chaos.evidence import Evidence, ReportedPull, TruePull, repository
from tests.chaos.findings import Finding
from tests.chaos.matching import CLOCK_SECONDS, Matching, match, names
from tests.chaos.replay import replay
from tests.chaos.streams import judge_streams

POLL_SECONDS = 2.0
"""Two polls of an idle agent."""
NEAR_SECONDS = 3.0
"""A row without a pull is printed with the pulls that began this close to it."""
REPORTED_SECONDS = 4.0
"""A failure that only pods report is shown 1.5 s after their first report, by the next check."""
EXCUSES: Mapping[str, str] = {
    "failed between two polls": f"it failed within {POLL_SECONDS:g} s, and a row from the pods' statuses, or of another attempt for the same image, reports it",
    "failed between two polls, unreported": f"it failed within {POLL_SECONDS:g} s, and no pod reported it for as long as {REPORTED_SECONDS:g} s, because it was deleted before, or the API server was away",
    "found on the node": "it completed without fetching anything from the registry: there was nothing to show",
    "completed between two polls": f"it completed within {POLL_SECONDS:g} s beside another pull of its image, which has a row: the node has one image record for both",
    "no agent": f"it ended while no agent polled its node, had begun less than {POLL_SECONDS:g} s before that at the earliest, and failed, or was not the only pull of its image",
    "end unseen": "it is reported as unknown, and ended while no agent polled its node",
    "end recorded": "containerd was killed after it had written the image's record and before it answered",
}


def judge(evidence: Evidence) -> tuple[Finding, ...]:
    """Return all violations and all excused findings."""
    reported = reported_pulls(evidence)
    own = [row for row in reported.values() if row.reached]
    by_pods = [row for row in reported.values() if not row.reached]
    matching = match(own, evidence.pulls)
    return (
        *judge_truth(evidence),
        *judge_missing(evidence, matching),
        *judge_invented(evidence, matching, by_pods),
        *judge_ends(evidence, matching),
        *judge_streams(evidence),
        *judge_counters(evidence),
    )


def reported_pulls(evidence: Evidence) -> dict[str, ReportedPull]:
    """Return the last state of each row by any replica, removed rows included."""
    found: dict[str, tuple[float, ReportedPull]] = {}
    for replica in evidence.replicas:
        for step in replay(replica.events).steps:
            if step.row is not None and (step.id not in found or found[step.id][0] <= step.at):
                found[step.id] = step.at, ReportedPull(step.row)
    return {key: row for key, (_, row) in found.items()}


def judge_truth(evidence: Evidence) -> Iterable[Finding]:
    """containerd's log and its image records agree."""
    for pull in evidence.pulls:
        if (
            pull.outcome == "completed"
            and pull.node in evidence.records
            and pull.image not in evidence.records[pull.node]
        ):
            yield Finding("truth", f"completed without an image record at the end: {pull}")
    for node, recorded in evidence.records.items():
        done = {pull.image for pull in evidence.pulls if pull.node == node and pull.recorded}
        for image in sorted(evidence.sizes.keys() & recorded - done):
            yield Finding("truth", f"an image record of {image} on {node}, and no pull that wrote it")


def judge_missing(evidence: Evidence, matching: Matching) -> Iterable[Finding]:
    """Each pull has a row."""
    failures = failures_reported(evidence)
    for pull in matching.pulls:
        if pull.began >= evidence.since:
            excuse = _missing_excuse(pull, evidence, failures)
            if excuse is None and any(_hides(other, pull) for _, other in matching.pairs):
                excuse = "completed between two polls"
            yield Finding("missing", f"no row reports {pull}", excuse=excuse)


def _hides(other: TruePull, pull: TruePull) -> bool:
    """Return whether two quick pulls of one image, which ran at the same time, can leave the trace of one."""
    if (other.node, other.image) != (pull.node, pull.image) or not other.outcome == pull.outcome == "completed":
        return False
    if pull.ended is None or other.ended is None:
        return False
    quick = max(pull.ended - pull.began, other.ended - other.began) <= POLL_SECONDS
    return quick and other.began <= pull.ended and pull.began <= other.ended


def failures_reported(evidence: Evidence) -> frozenset[tuple[str, str]]:
    """Return node and repository of every failure that any replica reported: a later replica may not know the name."""
    rows = [step.row for replica in evidence.replicas for step in replay(replica.events).steps if step.row is not None]
    failed = [ReportedPull(row) for row in rows if row["phase"] == "failed"]
    return frozenset((row.node, repository(name)) for row in failed for name in row.names)


def _missing_excuse(pull: TruePull, evidence: Evidence, failures: Collection[tuple[str, str]]) -> str | None:
    if pull.ended is None:
        return None
    absences = evidence.absences.get(pull.node, ())
    if any(one.began - POLL_SECONDS <= pull.began and one.holds(pull.ended) for one in absences):
        alone = all(one is pull or (one.node, one.image) != (pull.node, pull.image) for one in evidence.pulls)
        if pull.outcome != "completed" or not alone:  # a later agent finds the content by its first blob, once
            return "no agent"
    if pull.outcome == "completed":
        fetched = evidence.fetched.get(pull.node, ())
        repo = pull.repository.partition("/")[2]
        came = any(of == repo and pull.began - CLOCK_SECONDS <= at <= pull.ended for at, of in fetched)
        return "found on the node" if pull.image in evidence.sizes and not came else None
    if pull.ended - pull.began > POLL_SECONDS:
        return None
    if (pull.node, pull.repository) in failures:
        return "failed between two polls"
    failing = evidence.failing.get(pull.node, {}).get(pull.image)
    return (
        "failed between two polls, unreported"
        if failing is None or failing.ended - failing.began < REPORTED_SECONDS
        else None
    )


def judge_invented(evidence: Evidence, matching: Matching, by_pods: list[ReportedPull]) -> Iterable[Finding]:
    """Each row has a pull, and no two rows the same."""
    of = {pull: row for row, pull in matching.pairs}
    for row in matching.rows:
        near = [
            f"{pull}; reported by {of.get(pull, 'no row')}"
            for pull in evidence.pulls
            if pull.node == row.node and (names(row, pull.image) or abs(pull.began - row.began) < NEAR_SECONDS)
        ]
        yield Finding("invented", f"no pull fits {row}", tuple(near))
    for row in by_pods:
        tries = [pull for pull in evidence.pulls if pull.node == row.node and names(row, pull.image)]
        if not any(pull.outcome in {"failed", "killed"} for pull in tries):
            yield Finding("invented", f"no failed pull fits {row}", tuple(map(str, tries)))


def judge_ends(evidence: Evidence, matching: Matching) -> Iterable[Finding]:
    """Each row ended as its pull did, with its name and all of its bytes."""
    for row, pull in matching.pairs:
        both = (str(row), str(pull))
        if pull.ended is None:
            continue
        if not row.ended:
            yield Finding("end", "a pull that has ended is reported as running", both)
        elif row.phase == "unknown":
            away = any(span.holds(pull.ended) for span in evidence.absences.get(pull.node, ()))
            yield Finding("end", "no agent saw how it ended", both, "end unseen" if away else None)
        elif (row.phase == "completed") != (pull.outcome == "completed"):
            recorded = pull.outcome == "killed" and pull.recorded
            yield Finding("end", f"reported as {row.phase}, which is wrong", both, "end recorded" if recorded else None)
        if row.row["nameKnown"] and row.row["imageRef"] != pull.image and "@" not in row.row["imageRef"]:
            yield Finding("name", "row and pull have different names", both)
        if row.phase == "completed":
            yield from _judge_bytes(evidence, row, pull)


def _judge_bytes(evidence: Evidence, row: ReportedPull, pull: TruePull) -> Iterable[Finding]:
    reported, size = row.row, evidence.sizes.get(pull.image)
    if reported["totalKnown"] and reported["downloadedBytes"] != reported["totalBytes"]:
        yield Finding("bytes", "completed without all of its bytes", (str(row), str(pull)))
    present = reported["totalBytes"] + reported.get("cachedBytes", 0) + reported.get("lazyBytes", 0)
    if size is not None and reported["totalKnown"] and present != size:
        yield Finding("bytes", f"{present} bytes are reported for an image that has {size}", (str(row), str(pull)))
