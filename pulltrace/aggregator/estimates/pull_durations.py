"""How long a pull takes on one node, both while it runs and before it starts. Pure.

A running pull takes as long as its agent estimates. A pull that has not started takes the registry's answer, and the
bytes that another node had to download, at this node's rate; at the latest all bytes of the image. Which of its layers
this node has already is unknown before the pull.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

from pulltrace.aggregator.estimates.image_sizes import ImageSizes
from pulltrace.aggregator.estimates.throughput import ANSWER_SECONDS, SecondsPerByte
from pulltrace.pulls.model import Phase
from pulltrace.pulls.references import Reference, parse_reference
from pulltrace.pulls.thresholds import STALLED_SECONDS
from pulltrace.pulls.view import PullView

Scenarios: TypeAlias = tuple[float, float, float]
"""Seconds: likely, soonest, latest. inf where unknown."""

LIKELY, SOONEST, LATEST = range(3)
UNKNOWN: Scenarios = (math.inf, 0.0, math.inf)


@dataclass(frozen=True, slots=True)
class PullDurations:
    """The input of the durations of one node's pulls."""

    sizes: ImageSizes
    rate: SecondsPerByte | None
    reported_at: float | None
    """Time of the node's report, on its own clock."""
    age_seconds: float
    """Age of that report."""
    answer_seconds: float = ANSWER_SECONDS
    """From the request to a registry to its answer."""
    slots: int = 1
    """Pulls that the kubelet runs at once."""
    present: Collection[str] = ()
    """Names of the images that are on the node."""

    def pull_seconds(self, reference: Reference) -> Scenarios:
        """Return the whole duration of the pull of an image."""
        if (size := self.sizes.get(reference)) is not None:
            return self._seconds(size.download_bytes, size.all_bytes)
        guess = self.sizes.guess_bytes(reference)
        return self._seconds(guess)[LIKELY] if guess else math.inf, self.answer_seconds, math.inf

    def seconds_left(self, row: PullView) -> Scenarios:
        """Return the rest of a running pull."""
        pull = row.pull
        if row.stale:
            return UNKNOWN
        if (left := pull.time_left) is not None:
            latest = left.latest if left.latest is not None else math.inf
            return _less((left.likely, left.soonest, latest), self.age_seconds)
        reported_at = self.reported_at if self.reported_at is not None else pull.progressed_at
        if pull.phase is not Phase.RESOLVING and reported_at - pull.progressed_at > STALLED_SECONDS:
            return UNKNOWN
        # It has only started: the whole duration, less the time that has passed.
        if pull.total_bytes:
            whole = self._seconds(pull.total_bytes)
        elif names := ((row.image,) if row.image is not None else row.candidates):
            whole = self.pull_seconds(parse_reference(names[0]))
        else:
            whole = UNKNOWN
        return _less(whole, max(0.0, reported_at - pull.started_at) + self.age_seconds)

    def _seconds(self, size: float, at_most: float | None = None) -> Scenarios:
        if self.rate is None:
            return math.inf, self.answer_seconds, math.inf
        slowest = (at_most if at_most is not None else size) * self.rate.slowest
        answer = self.answer_seconds
        return answer + size * self.rate.likely, answer + size * self.rate.fastest, answer + slowest


def _less(times: Scenarios, seconds: float) -> Scenarios:
    likely, soonest, latest = (max(0.0, time - seconds) for time in times)
    return likely, soonest, latest
