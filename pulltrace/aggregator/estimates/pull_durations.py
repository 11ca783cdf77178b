"""What a pull takes on one node: one that runs, and one that waits. Pure.

A pull that runs ends when its agent says. One that has not begun takes the registry's answer, and what another node
had to download of the image, at the pace of this node; at the latest all of the image. Nobody knows before which of its
layers this node has.
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
from pulltrace.pulls.view import PullView

STALLED_SECONDS = 10.0
"""A download without a byte for so long tells nothing about its end."""


Times: TypeAlias = tuple[float, float, float]
"""Seconds: likely, soonest, latest. inf where nobody can say."""

LIKELY, SOONEST, LATEST = range(3)
UNKNOWN: Times = (math.inf, 0.0, math.inf)


@dataclass(frozen=True, slots=True)
class PullDurations:
    """What a pull takes on one node."""

    sizes: ImageSizes
    pace: SecondsPerByte | None
    reported_at: float | None
    """When the node reported, on its own clock."""
    age_seconds: float
    """How long ago that is."""
    answer_seconds: float = ANSWER_SECONDS
    """From the question to a registry to its answer."""
    slots: int = 1
    present: Collection[str] = ()
    """The images that are on the node, as far as is known, by name."""

    def pull_seconds(self, reference: Reference) -> Times:
        """What the pull of an image takes from its beginning."""
        if (size := self.sizes.of(reference)) is not None:
            return self._seconds(size.download_bytes, size.all_bytes)
        usual = self.sizes.usual(reference)
        return self._seconds(usual)[LIKELY] if usual else math.inf, self.answer_seconds, math.inf

    def seconds_left(self, row: PullView) -> Times:
        """What is left of a pull that runs."""
        pull = row.pull
        if row.stale:
            return UNKNOWN
        if pull.seconds_left is not None:
            soonest, latest = pull.seconds_left_range or (pull.seconds_left, pull.seconds_left)
            return _less((pull.seconds_left, soonest, latest), self.age_seconds)
        reported_at = self.reported_at if self.reported_at is not None else pull.progressed_at
        if pull.phase is not Phase.RESOLVING and reported_at - pull.progressed_at > STALLED_SECONDS:
            return UNKNOWN
        # It has only begun: as one that has not, less what has passed.
        if pull.total_bytes:
            whole = self._seconds(pull.total_bytes)
        elif names := ((row.image,) if row.image is not None else row.candidates):
            whole = self.pull_seconds(parse_reference(names[0]))
        else:
            whole = UNKNOWN
        return _less(whole, max(0.0, reported_at - pull.started_at) + self.age_seconds)

    def _seconds(self, size: float, at_most: float | None = None) -> Times:
        if self.pace is None:
            return math.inf, self.answer_seconds, math.inf
        slowest = (at_most if at_most is not None else size) * self.pace.slowest
        own = self.answer_seconds
        return own + size * self.pace.likely, own + size * self.pace.fastest, own + slowest


def _less(times: Times, seconds: float) -> Times:
    likely, soonest, latest = (max(0.0, time - seconds) for time in times)
    return likely, soonest, latest
