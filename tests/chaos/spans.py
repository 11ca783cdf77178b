"""Spans of time, and the absences of an agent by its samples. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

START_SECONDS = 4.0
"""From a new process that reaches the API server to its first poll: Python starts, and the agent reads
its Lease first.
"""


@dataclass(frozen=True)
class Span:
    """From one moment to another."""

    began: float
    ended: float

    def holds(self, at: float) -> bool:
        """Return whether a moment lies in the span."""
        return self.began <= at <= self.ended


@dataclass(frozen=True)
class Sample:
    """An agent at one moment: its processes (normally one), and whether its node reaches the API server."""

    at: float
    pids: frozenset[int]
    connected: bool


def absences(samples: Iterable[Sample]) -> tuple[Span, ...]:
    """Return when no agent polled: from the last sample of the old process until the new one had time to start.

    An agent reads its node's Lease before its first poll, so it waits while the API server is down.
    """
    found: list[Span] = []
    before: Sample | None = None
    away_since: float | None = None
    steady_since: float | None = None
    for sample in samples:
        if before is not None and sample.pids != before.pids and away_since is None:
            away_since = before.at
        if away_since is not None:
            if not sample.pids or not sample.connected or (before and sample.pids != before.pids):
                steady_since = None
            if sample.pids and sample.connected:
                steady_since = steady_since if steady_since is not None else sample.at
                if sample.at - steady_since >= START_SECONDS:
                    found.append(Span(away_since, sample.at))
                    away_since = steady_since = None
        before = sample
    if away_since is not None and before is not None:
        found.append(Span(away_since, before.at))
    return tuple(found)
