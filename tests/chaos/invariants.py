"""What must hold of a run, however much of the cluster was broken: rows against pulls. Pure.

Whatever is excused is excused by one of `EXCUSES`, and counted; docs/reliability.md says the same in words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from tests.chaos.counters import judge_counters
from tests.chaos.evidence import Evidence, ToldPull, TruePull, repository
from tests.chaos.findings import Finding
from tests.chaos.matching import CLOCK_SECONDS, Matching, match, names
from tests.chaos.playing import play
from tests.chaos.streams import judge_streams

LOOK_SECONDS = 2.0
"""Two looks of an idle agent."""
NEAR_SECONDS = 3.0
"""Pulls that began so near to a row without a pull are printed with it."""
SAID_SECONDS = 4.0
"""A failure that only pods tell of is shown 1.5 s after the first of them said so, to the next look at what is due."""
EXCUSES: Mapping[str, str] = {
    "failed between two looks": f"it failed within {LOOK_SECONDS:g} s, and a row made of the pods' words, or of another try of the same image, tells of it",
    "failed between two looks, unsaid": f"it failed within {LOOK_SECONDS:g} s, and no pod said so for as long as {SAID_SECONDS:g} s, because it was deleted before, or the API server was away",
    "found on the node": "it completed without fetching anything from the registry: there was nothing to show",
    "completed between two looks": f"it completed within {LOOK_SECONDS:g} s beside another pull of its image, which has a row: the node has one image record for both",
    "no agent": f"it ended while no agent was looking at its node, had begun less than {LOOK_SECONDS:g} s before that at the earliest, and failed, or was not the only pull of its image",
    "end unseen": "it is told as unknown, and ended while no agent was looking at its node",
    "end recorded": "containerd was killed after it had written the image's record and before it answered",
}


def judge(evidence: Evidence) -> tuple[Finding, ...]:
    """All that is wrong, and all that is excused."""
    told = told_pulls(evidence)
    own = [row for row in told.values() if row.reached]
    words = [row for row in told.values() if not row.reached]
    matching = match(own, evidence.pulls)
    return (
        *judge_truth(evidence),
        *judge_missing(evidence, matching),
        *judge_invented(evidence, matching, words),
        *judge_ends(evidence, matching),
        *judge_streams(evidence),
        *judge_counters(evidence),
    )


def told_pulls(evidence: Evidence) -> dict[str, ToldPull]:
    """The last that was said of each row, by whichever replica said it last, removed or not."""
    found: dict[str, tuple[float, ToldPull]] = {}
    for replica in evidence.replicas:
        for step in play(replica.heard).steps:
            if step.row is not None and (step.id not in found or found[step.id][0] <= step.at):
                found[step.id] = step.at, ToldPull(step.row)
    return {key: row for key, (_, row) in found.items()}


def judge_truth(evidence: Evidence) -> Iterable[Finding]:
    """The two witnesses, containerd's log and its records, agree."""
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
    failures = failures_told(evidence)
    for pull in matching.pulls:
        if pull.began >= evidence.since:
            excuse = _missing_excuse(pull, evidence, failures)
            if excuse is None and any(_hides(told, pull) for _, told in matching.pairs):
                excuse = "completed between two looks"
            yield Finding("missing", f"no row tells of {pull}", excuse=excuse)


def _hides(other: TruePull, pull: TruePull) -> bool:
    """Whether two quick pulls of one image, which ran at the same time, can leave the trace of one."""
    if (other.node, other.image) != (pull.node, pull.image) or not other.outcome == pull.outcome == "completed":
        return False
    if pull.ended is None or other.ended is None:
        return False
    quick = max(pull.ended - pull.began, other.ended - other.began) <= LOOK_SECONDS
    return quick and other.began <= pull.ended and pull.began <= other.ended


def failures_told(evidence: Evidence) -> frozenset[tuple[str, str]]:
    """Node and repository of every failure that any replica has told at any time: a later one may not know the name."""
    rows = [step.row for replica in evidence.replicas for step in play(replica.heard).steps if step.row is not None]
    failed = [ToldPull(row) for row in rows if row["phase"] == "failed"]
    return frozenset((row.node, repository(name)) for row in failed for name in row.names)


def _missing_excuse(pull: TruePull, evidence: Evidence, failures: Collection[tuple[str, str]]) -> str | None:
    if pull.ended is None:
        return None
    absences = evidence.absences.get(pull.node, ())
    if any(one.began - LOOK_SECONDS <= pull.began and one.holds(pull.ended) for one in absences):
        alone = all(one is pull or (one.node, one.image) != (pull.node, pull.image) for one in evidence.pulls)
        if pull.outcome != "completed" or not alone:  # what has come is found later by its first blob, once
            return "no agent"
    if pull.outcome == "completed":
        fetched = evidence.fetched.get(pull.node, ())
        repo = pull.repository.partition("/")[2]
        came = any(of == repo and pull.began - CLOCK_SECONDS <= at <= pull.ended for at, of in fetched)
        return "found on the node" if pull.image in evidence.sizes and not came else None
    if pull.ended - pull.began > LOOK_SECONDS:
        return None
    if (pull.node, pull.repository) in failures:
        return "failed between two looks"
    said = evidence.said.get(pull.node, {}).get(pull.image)
    return "failed between two looks, unsaid" if said is None or said.ended - said.began < SAID_SECONDS else None


def judge_invented(evidence: Evidence, matching: Matching, words: list[ToldPull]) -> Iterable[Finding]:
    """Each row has a pull, and no two rows the same."""
    of = {pull: row for row, pull in matching.pairs}
    for row in matching.rows:
        near = [
            f"{pull}; reported by {of.get(pull, 'no row')}"
            for pull in evidence.pulls
            if pull.node == row.node and (names(row, pull.image) or abs(pull.began - row.began) < NEAR_SECONDS)
        ]
        yield Finding("invented", f"no pull of which {row} could tell", tuple(near))
    for row in words:
        tries = [pull for pull in evidence.pulls if pull.node == row.node and names(row, pull.image)]
        if not any(pull.outcome in {"failed", "killed"} for pull in tries):
            yield Finding("invented", f"nothing has failed of which {row} could tell", tuple(map(str, tries)))


def judge_ends(evidence: Evidence, matching: Matching) -> Iterable[Finding]:
    """Each row ended as its pull did, under its name, with all of its bytes."""
    for row, pull in matching.pairs:
        both = (str(row), str(pull))
        if pull.ended is None:
            continue
        if not row.ended:
            yield Finding("end", "a pull that has ended is told as running", both)
        elif row.phase == "unknown":
            away = any(span.holds(pull.ended) for span in evidence.absences.get(pull.node, ()))
            yield Finding("end", "nobody saw how it ended", both, "end unseen" if away else None)
        elif (row.phase == "completed") != (pull.outcome == "completed"):
            recorded = pull.outcome == "killed" and pull.recorded
            yield Finding("end", f"{row.phase} is not how it ended", both, "end recorded" if recorded else None)
        if row.row["nameKnown"] and row.row["imageRef"] != pull.image and "@" not in row.row["imageRef"]:
            yield Finding("name", "the row has another name than its pull", both)
        if row.phase == "completed":
            yield from _judge_bytes(evidence, row, pull)


def _judge_bytes(evidence: Evidence, row: ToldPull, pull: TruePull) -> Iterable[Finding]:
    told, size = row.row, evidence.sizes.get(pull.image)
    if told["totalKnown"] and told["downloadedBytes"] != told["totalBytes"]:
        yield Finding("bytes", "completed, and not all of it is there", (str(row), str(pull)))
    there = told["totalBytes"] + told.get("cachedBytes", 0) + told.get("lazyBytes", 0)
    if size is not None and told["totalKnown"] and there != size:
        yield Finding("bytes", f"{there} bytes are told of an image that has {size}", (str(row), str(pull)))
