"""How often agents may report, so that all nodes together stay within the write budget.

The more nodes pull, the longer the interval: from 1 s to 15 s, and beyond only where the budget leaves no choice. Nodes
that have just begun are taken to be followed by as many: agents hold what they read for a while. The interval is at
least 5 s while nobody watches, and longer for a while when the API server refuses writes (429). A longer one holds
at once; a shorter one only when it has been called for over half a minute, or somebody has come to watch. `pacing`
feeds this and publishes what comes out.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

from pulltrace.pulls.report_interval import (
    IDLE_RENEW_SECONDS,
    INTERVAL,
    LONGEST_SECONDS,
    REASON,
    SHORTEST_SECONDS,
    interval_text,
)

USUAL_LONGEST_SECONDS = 15.0
UNWATCHED_SECONDS = 5.0
WATCHED_FOR_SECONDS = 60.0
"""Whoever watched so recently may be back in a moment: a page that is loaded again, an aggregator that was replaced."""

LEAST_SHARE = 0.1
"""Of the budget for progress, where the renewals of idle nodes alone would use it up."""
LONGER_STEP = 1.05
"""A longer interval is told from this factor on: what is not told is written beyond the budget."""
SHORTER_STEP = 1.2
"""A shorter one is not worth telling thousands of agents below this factor."""
CALM_SECONDS = 30.0
"""How long a shorter interval must have been called for."""
ONSET_SECONDS = 5.0
"""A roll-out that has begun goes on: nodes that began to pull so recently are taken to be followed by as many."""

SLOWER = 2.0
MOST_SLOWER = 16.0
SLOWER_EVERY_SECONDS = 15.0
"""The agents hear of a change within so long; only then can the API server feel it."""
FASTER = 1.25
FASTER_EVERY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What the interval depends on."""

    nodes: int
    """Whose agents are alive."""
    pulling: int
    """Of them, those that pull."""
    watched: bool
    refusals: int
    """Requests that the API server has refused (429), ever."""
    joining: int = 0
    """Nodes that do not pull yet, but most likely will in a moment."""


@dataclass(frozen=True, slots=True)
class ReportInterval:
    """An interval, and why."""

    seconds: float
    reason: str

    @property
    def annotations(self) -> dict[str, str]:
        return {INTERVAL: interval_text(self.seconds), REASON: self.reason}


def interval_for(load: Load, writes_per_second: float, slower: float = 1.0) -> ReportInterval:
    """What `load` calls for by itself. The renewals of all nodes are set aside: what nodes that pull need less
    of them is for their changes of phase, which are written at once.
    """
    spare = max(writes_per_second - load.nodes / IDLE_RENEW_SECONDS, writes_per_second * LEAST_SHARE)
    needed = min(max((load.pulling + load.joining) / spare, SHORTEST_SECONDS), LONGEST_SECONDS)
    seconds = needed if load.watched else max(needed, UNWATCHED_SECONDS)
    slowed = max(seconds, min(seconds * slower, USUAL_LONGEST_SECONDS))
    pulling = f"{load.pulling} of {load.nodes} nodes pull" + (f" and {load.joining} may begin" if load.joining else "")
    if slowed > seconds:
        return ReportInterval(slowed, f"the API server refused writes (429); {pulling}")
    if seconds > needed:
        return ReportInterval(seconds, f"nobody watches; {pulling}")
    if seconds > USUAL_LONGEST_SECONDS:
        budget = f"{writes_per_second:g} writes a second allow no more than {USUAL_LONGEST_SECONDS:g} s would take"
        return ReportInterval(seconds, f"{pulling}, and {budget}")
    if seconds > SHORTEST_SECONDS:
        return ReportInterval(seconds, f"{pulling}, with {writes_per_second:g} writes a second for all")
    return ReportInterval(seconds, pulling)


class IntervalPolicy:
    """What is published, from one leadership's begin to its end."""

    def __init__(self, writes_per_second: float) -> None:
        self._writes_per_second = writes_per_second
        self._published: ReportInterval | None = None
        self._published_watched = False
        self._shorter_since: float | None = None
        self._counts: deque[tuple[float, int]] = deque()
        """How many nodes pulled, at which times of late."""
        self._refusals: int | None = None
        self._refused_at = -math.inf
        self._slower = 1.0
        self._slower_changed_at = -math.inf

    def decide(self, load: Load, now: float) -> ReportInterval:
        """What is to be published now: what was, unless enough has changed for long enough."""
        load = replace(load, joining=self._joining(load, now))
        wanted = interval_for(load, self._writes_per_second, self._slower_now(load.refusals, now))
        before = self._published
        shorter = before is not None and _much_shorter(wanted.seconds, before.seconds)
        if not shorter:
            self._shorter_since = None
        elif self._shorter_since is None:
            self._shorter_since = now
        came = load.watched and not self._published_watched
        if (
            before is None
            or wanted.seconds >= before.seconds * LONGER_STEP
            or (shorter and (came or now - (self._shorter_since or now) >= CALM_SECONDS))
        ):
            self._published, self._published_watched, self._shorter_since = wanted, load.watched, None
            return wanted
        return before

    def _joining(self, load: Load, now: float) -> int:
        self._counts.append((now, load.pulling))
        while self._counts[0][0] < now - ONSET_SECONDS:
            self._counts.popleft()
        began = load.pulling - min(count for _, count in self._counts)
        return min(began, load.nodes - load.pulling)

    def _slower_now(self, refusals: int, now: float) -> float:
        """The factor that refused writes call for: doubled while they go on, taken back little by little."""
        refused = self._refusals is not None and refusals > self._refusals
        self._refusals = refusals
        if refused:
            self._refused_at = now
        calm = now - max(self._refused_at, self._slower_changed_at)
        if refused and now - self._slower_changed_at >= SLOWER_EVERY_SECONDS:
            self._slower, self._slower_changed_at = min(self._slower * SLOWER, MOST_SLOWER), now
        elif self._slower > 1 and calm >= FASTER_EVERY_SECONDS:
            self._slower, self._slower_changed_at = max(self._slower / FASTER, 1.0), now
        return self._slower


def _much_shorter(wanted_seconds: float, seconds: float) -> bool:
    """Where nothing slows the agents down any more, the last bit counts too: the reason is over."""
    return wanted_seconds * SHORTER_STEP <= seconds or wanted_seconds == SHORTEST_SECONDS < seconds


class ClientActivity:
    """Whether anybody watches, here or at another replica. Whoever has just come up does not know, and assumes it."""

    def __init__(self, now: float) -> None:
        self._here_at = -math.inf
        self._seen_at = now
        self._requests = 0
        self._remark: str | None = None

    def saw(self, streams: int, requests: int, remark: str | None, now: float) -> None:
        """Open streams here, requests of the rows so far, and what a follower has remarked on the Lease."""
        if streams or requests > self._requests:
            self._here_at = self._seen_at = now
        if remark != self._remark:
            self._seen_at = now
        self._requests, self._remark = requests, remark

    def here(self, now: float) -> bool:
        return now - self._here_at < WATCHED_FOR_SECONDS

    def anywhere(self, now: float) -> bool:
        return now - self._seen_at < WATCHED_FOR_SECONDS
