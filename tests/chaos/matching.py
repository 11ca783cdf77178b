"""Which row tells of which pull. Pure.

A row fits a pull of its node that ran when the row says that it began, if they name the same repository (a row that
names nothing yet fits by time alone). Of all pairs that fit, those whose begins are nearest are taken first; a pull
and a row are each in one pair at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.chaos.evidence import ToldPull, TruePull, repository

CLOCK_SECONDS = 0.25
"""A line of the log is written a moment before or after what it tells of."""


@dataclass(frozen=True)
class Matching:
    """Pairs, and who is left over."""

    pairs: tuple[tuple[ToldPull, TruePull], ...]
    rows: tuple[ToldPull, ...]
    pulls: tuple[TruePull, ...]


def match(rows: Iterable[ToldPull], pulls: Iterable[TruePull]) -> Matching:
    """Rows that reached containerd, and pulls."""
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


def fits(row: ToldPull, pull: TruePull) -> bool:
    """Whether the row may be of this pull."""
    return (
        row.node == pull.node
        and pull.began - CLOCK_SECONDS <= row.began
        and (pull.ended is None or row.began <= pull.ended + CLOCK_SECONDS)
        and (not row.names or names(row, pull.image))
    )


def names(row: ToldPull, image: str) -> bool:
    """Whether the row says that it is, or may be, of this image."""
    wanted = repository(image)
    return any(name == wanted or repository(name) == wanted for name in row.names)
