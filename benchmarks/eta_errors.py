"""The errors of estimates against what was really left: pure, for `benchmarks.eta`."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pulltrace.pulls.model import Pull

POINTS = (0.10, 0.25, 0.50, 0.75, 0.90)
MIDDLE = (0.25, 0.50, 0.75)
SETTLED_SECONDS = 5.0
"""After a change of the link, before an estimate can be expected to know of it."""


@dataclass(frozen=True)
class Timed:
    """A pull as it really was: times on the wall clock, bytes a second of its link."""

    kind: str
    began: float
    ended: float
    size_bytes: int
    rate: float
    changed: float | None
    """When its link became another; None for never."""
    rate_after: float

    def oracle(self, moment: float) -> float:
        """Return the seconds left by the true bytes, the true rate and the end's true length, without the future."""
        if self.changed is None or moment >= self.changed:
            return self.ended - moment
        before = self.rate * (self.changed - self.began)
        last_byte = self.changed + (self.size_bytes - before) / self.rate_after
        left_bytes = self.size_bytes - self.rate * (moment - self.began)
        return left_bytes / self.rate + max(0.0, self.ended - last_byte)


@dataclass(frozen=True)
class Sample:
    """Return the errors at one point of one pull, as shares of the real time left; None without an estimate."""

    kind: str
    point: float
    since_change: float | None
    """Seconds; below zero before it, None where the link stays as it is."""
    ours: float | None
    naive: float | None
    oracle: float


def measure(timed: Timed, reports: Sequence[tuple[float, Pull]]) -> list[Sample]:
    """Return one sample for each point."""
    samples = []
    for point in POINTS:
        moment = timed.began + point * (timed.ended - timed.began)
        left = timed.ended - moment
        ours = naive = None
        reported = next(((at, pull) for at, pull in reversed(reports) if at <= moment), None)
        if reported is not None:
            at, pull = reported
            if pull.time_left is not None:
                ours = (max(0.0, pull.time_left.likely - (moment - at)) - left) / left
            if pull.total_bytes and pull.downloaded_bytes:
                mean = pull.downloaded_bytes / (at - timed.began)
                missing = pull.total_bytes - pull.downloaded_bytes
                naive = (max(0.0, missing / mean - (moment - at)) - left) / left
        since = None if timed.changed is None else moment - timed.changed
        samples.append(Sample(timed.kind, point, since, ours, naive, (timed.oracle(moment) - left) / left))
    return samples


def table(samples: Sequence[Sample]) -> str:
    """Return medians of the absolute errors, ours / naive (/ oracle), in Markdown."""
    columns = [f"{point:.0%}" for point in POINTS] + ["25 to 75 %"]
    lines = ["| link | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns)]
    rows: list[tuple[str, Callable[[Sample], bool], tuple[str, ...]]] = [
        ("steady", lambda s: s.kind == "steady", ("ours", "naive")),
        ("shared", lambda s: s.kind == "shared", ("ours", "naive")),
        ("changing, all points", lambda s: s.since_change is not None, ("ours", "naive")),
        ("changing, before", lambda s: (s.since_change or 0.0) < 0, ("ours", "naive", "oracle")),
        ("changing, 5 s after", lambda s: (s.since_change or 0.0) >= SETTLED_SECONDS, ("ours", "naive")),
    ]
    for name, belongs, fields in rows:
        some = [sample for sample in samples if belongs(sample)]
        groups = [[s for s in some if s.point == point] for point in POINTS]
        groups.append([s for s in some if s.point in MIDDLE])
        lines.append(f"| {name} | " + " | ".join(_cell(group, fields) for group in groups) + " |")
    missing = sum(sample.ours is None for sample in samples)
    return "\n".join([*lines, f"no estimate at {missing} of {len(samples)} points (too early, or nothing moves)"])


def _cell(samples: Sequence[Sample], fields: Sequence[str]) -> str:
    return " / ".join(_median([getattr(sample, name) for sample in samples]) for name in fields)


def _median(errors: Sequence[float | None]) -> str:
    known = [abs(error) for error in errors if error is not None]
    return f"{statistics.median(known):.0%}" if known else "-"
