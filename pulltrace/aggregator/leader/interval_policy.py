"""How often agents report, so that all nodes together stay within the write budget. Pure.

The more nodes pull, the longer the interval: 1 s to 15 s, and longer only if the budget requires it. Agents hold what
they read for a while, so nodes that have just started to pull are expected to be followed by as many. The interval is
at least 5 s without a client, and longer for a while after the API server refused writes (429). A longer interval holds
at once. A shorter one holds once it has been possible for half a minute, or a client has come.
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
NO_CLIENT_SECONDS = 5.0
CLIENT_SECONDS = 60.0
"""A client may be back so soon: a page is loaded again, an aggregator is replaced."""

MIN_PROGRESS_SHARE = 0.1
"""Share of the budget for progress, if renewals of idle nodes alone would use it up."""
LONGER_STEP = 1.05
"""A longer interval is published from this factor on: without it, writes exceed the budget."""
SHORTER_STEP = 1.2
"""A shorter interval is published from this factor on, because thousands of agents read it."""
CALM_SECONDS = 30.0
"""A shorter interval must have been possible for so long."""
ONSET_SECONDS = 5.0
"""A rollout goes on: nodes that started to pull so recently are expected to be followed by as many."""

SLOWER = 2.0
MAX_SLOWER = 16.0
SLOWER_EVERY_SECONDS = 15.0
"""The agents read a change within so long. Only then does it relieve the API server."""
FASTER = 1.25
FASTER_EVERY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """The input of the policy."""

    nodes: int
    """Nodes whose agent is not stale."""
    pulling: int
    """How many of these nodes pull."""
    has_clients: bool
    refusals: int
    """Requests that the API server has refused (429), in total."""
    joining: int = 0
    """Nodes that are expected to start pulling soon."""


@dataclass(frozen=True, slots=True)
class ReportInterval:
    """An interval and its reason."""

    seconds: float
    reason: str

    @property
    def annotations(self) -> dict[str, str]:
        return {INTERVAL: interval_text(self.seconds), REASON: self.reason}


def interval_for(load: Load, writes_per_second: float, slower: float = 1.0) -> ReportInterval:
    """Return the interval of a load by itself.

    The renewals of all nodes are reserved. Nodes that pull renew less, and write changes of phase at once instead.
    """
    spare = max(writes_per_second - load.nodes / IDLE_RENEW_SECONDS, writes_per_second * MIN_PROGRESS_SHARE)
    needed = min(max((load.pulling + load.joining) / spare, SHORTEST_SECONDS), LONGEST_SECONDS)
    seconds = needed if load.has_clients else max(needed, NO_CLIENT_SECONDS)
    slowed = max(seconds, min(seconds * slower, USUAL_LONGEST_SECONDS))
    pulling = f"{load.pulling} of {load.nodes} nodes pull" + (f" and {load.joining} may begin" if load.joining else "")
    if slowed > seconds:
        return ReportInterval(slowed, f"the API server refused writes (429); {pulling}")
    if seconds > needed:
        return ReportInterval(seconds, f"no client; {pulling}")
    if seconds > USUAL_LONGEST_SECONDS:
        budget = f"{writes_per_second:g} writes a second do not allow {USUAL_LONGEST_SECONDS:g} s"
        return ReportInterval(seconds, f"{pulling}, and {budget}")
    if seconds > SHORTEST_SECONDS:
        return ReportInterval(seconds, f"{pulling}, with {writes_per_second:g} writes a second for all")
    return ReportInterval(seconds, pulling)


class IntervalPolicy:
    """The published interval of one leadership."""

    def __init__(self, writes_per_second: float) -> None:
        self._writes_per_second = writes_per_second
        self._published: ReportInterval | None = None
        self._published_clients = False
        self._shorter_since: float | None = None
        self._counts: deque[tuple[float, int]] = deque()
        """Recent times, with the number of nodes that pulled."""
        self._refusals: int | None = None
        self._refused_at = -math.inf
        self._slower = 1.0
        self._slower_changed_at = -math.inf

    def decide(self, load: Load, now: float) -> ReportInterval:
        """Return the interval to publish now: the last one, unless enough has changed for long enough."""
        load = replace(load, joining=self._joining(load, now))
        wanted = interval_for(load, self._writes_per_second, self._slower_now(load.refusals, now))
        before = self._published
        shorter = before is not None and _much_shorter(wanted.seconds, before.seconds)
        if not shorter:
            self._shorter_since = None
        elif self._shorter_since is None:
            self._shorter_since = now
        client_came = load.has_clients and not self._published_clients
        if (
            before is None
            or wanted.seconds >= before.seconds * LONGER_STEP
            or (shorter and (client_came or now - (self._shorter_since or now) >= CALM_SECONDS))
        ):
            self._published, self._published_clients, self._shorter_since = wanted, load.has_clients, None
            return wanted
        return before

    def _joining(self, load: Load, now: float) -> int:
        self._counts.append((now, load.pulling))
        while self._counts[0][0] < now - ONSET_SECONDS:
            self._counts.popleft()
        began = load.pulling - min(count for _, count in self._counts)
        return min(began, load.nodes - load.pulling)

    def _slower_now(self, refusals: int, now: float) -> float:
        """Return the factor for refused writes: doubled while they continue, then reduced step by step."""
        refused = self._refusals is not None and refusals > self._refusals
        self._refusals = refusals
        if refused:
            self._refused_at = now
        calm = now - max(self._refused_at, self._slower_changed_at)
        if refused and now - self._slower_changed_at >= SLOWER_EVERY_SECONDS:
            self._slower, self._slower_changed_at = min(self._slower * SLOWER, MAX_SLOWER), now
        elif self._slower > 1 and calm >= FASTER_EVERY_SECONDS:
            self._slower, self._slower_changed_at = max(self._slower / FASTER, 1.0), now
        return self._slower


def _much_shorter(wanted_seconds: float, seconds: float) -> bool:
    """Return whether an interval is short enough to publish. The shortest always is: no reason slows the agents down."""
    return wanted_seconds * SHORTER_STEP <= seconds or wanted_seconds == SHORTEST_SECONDS < seconds


class ClientActivity:
    """Whether clients watch, at this replica or another one. A new replica assumes that they do."""

    def __init__(self, now: float) -> None:
        self._here_at = -math.inf
        self._anywhere_at = now
        self._requests = 0
        self._remark: str | None = None

    def update(self, streams: int, requests: int, remark: str | None, now: float) -> None:
        """Update from this replica's open streams and total requests, and a follower's remark on the Lease."""
        if streams or requests > self._requests:
            self._here_at = self._anywhere_at = now
        if remark != self._remark:
            self._anywhere_at = now
        self._requests, self._remark = requests, remark

    def here(self, now: float) -> bool:
        """Return whether a client watches at this replica."""
        return now - self._here_at < CLIENT_SECONDS

    def anywhere(self, now: float) -> bool:
        """Return whether a client watches at any replica."""
        return now - self._anywhere_at < CLIENT_SECONDS
