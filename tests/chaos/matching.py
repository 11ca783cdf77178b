"""Matches rows with pulls. Pure.

A row fits a pull of its node that ran at the row's start, if both have the same repository; a row without names fits
by time alone. The pairs with the nearest starts are matched first; a pull and a row are each in one pair at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.chaos.evidence import ReportedPull, TruePull, repository

CLOCK_SECONDS = 0.25
"""A line of the log is written a moment before or after its event."""


@dataclass(frozen=True)
class Matching:
    """The pairs, and the rows and pulls without one."""

    pairs: tuple[tuple[ReportedPull, TruePull], ...]
    rows: tuple[ReportedPull, ...]
    pulls: tuple[TruePull, ...]


def match(rows: Iterable[ReportedPull], pulls: Iterable[TruePull]) -> Matching:
    """Match rows that reached containerd with pulls."""
    rows, pulls = list(rows), list(pulls)
    fitting = sorted(
        (abs(row.began - pull.began), at, to)
        for at, row in enumerate(rows)
        for to, pull in enumerate(pulls)
        if fits(row, pull)
    )
    taken: dict[int, int] = {}
    used: set[int] = set()
    for _, at, to in fitting:
        if at not in taken and to not in used:
            taken[at] = to
            used.add(to)
    return Matching(
        tuple((rows[at], pulls[to]) for at, to in taken.items()),
        tuple(row for at, row in enumerate(rows) if at not in taken),
        tuple(pull for to, pull in enumerate(pulls) if to not in used),
    )


def fits(row: ReportedPull, pull: TruePull) -> bool:
    """Return whether the row may be of this pull."""
    return (
        row.node == pull.node
        and pull.began - CLOCK_SECONDS <= row.began
        and (pull.ended is None or row.began <= pull.ended + CLOCK_SECONDS)
        and (not row.names or names(row, pull.image))
    )


def names(row: ReportedPull, image: str) -> bool:
    """Return whether the row names this image, or may."""
    wanted = repository(image)
    return any(name == wanted or repository(name) == wanted for name in row.names)
