"""The agents of a cluster without an API server: with the agent's decisions, and a leader with the aggregator's.

Time is a number and jumps from event to event. A node polls its pulls each second, as agents do; a busy one pulls
some images at once, again and again.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulltrace.agent.interval_reader import IntervalReader
from pulltrace.agent.write_schedule import (
    LastWrite,
    after_interval_read,
    after_write,
    phases,
    seconds_until_write,
    starts_pulling,
    usable_interval,
)
from pulltrace.aggregator.leader.interval_controller import TICK_SECONDS
from pulltrace.aggregator.leader.interval_policy import IntervalPolicy, Load
from pulltrace.kube.resources.leases import LeasePatch, LeaseRecord
from pulltrace.pulls.model import NodeReport, Phase, Pull

IMAGES = 5
RESOLVE_SECONDS = 1.0
UNPACK_SHARE = 0.15
"""Share of a pull's time after the last byte."""
WORST_SECONDS = 10.0


@dataclass(frozen=True)
class Course:
    """One pull from its begin to its end."""

    id: str
    begins_at: float
    seconds: float

    @property
    def changes(self) -> tuple[tuple[float, Phase | None], ...]:
        """When it comes into which phase; None where it ends."""
        unpacks_after = RESOLVE_SECONDS + (self.seconds - RESOLVE_SECONDS) * (1 - UNPACK_SHARE)
        return (
            (self.begins_at, Phase.RESOLVING),
            (self.begins_at + RESOLVE_SECONDS, Phase.DOWNLOADING),
            (self.begins_at + unpacks_after, Phase.UNPACKING),
            (self.begins_at + self.seconds, None),
        )


class Leader:
    """The election's Lease, and who writes it: `LeaseWriting` for the agents, who only read it."""

    def __init__(self, budget: float) -> None:
        self._reporting = IntervalPolicy(budget)
        self._annotations: dict[str, str] = {}
        self._version = 0
        self.published: list[tuple[float, float]] = []
        """When which interval was published."""

    def tick(self, nodes: int, pulling: int, now: float) -> None:
        decision = self._reporting.decide(Load(nodes, pulling, has_clients=True, refusals=0), now)
        self._version += 1
        if self._annotations != decision.annotations:
            self._annotations = decision.annotations
            self.published.append((now, decision.seconds))

    async def get(self, name: str) -> LeaseRecord | None:
        return LeaseRecord(name, self._annotations, version=str(self._version))

    async def patch(self, name: str, patch: LeasePatch) -> LeaseRecord:
        raise AssertionError("agents do not write the leader's Lease")


class Node:
    """One node and its agent: decides as `LeaseWriter.run` does."""

    def __init__(self, number: int, leader: Leader, clock: Callable[[], float], chance: random.Random) -> None:
        self.number = number
        self.busy = False
        self._interval = IntervalReader(leader, None, clock)
        self._chance = chance
        self._changes: list[tuple[float, str, Phase | None]] = []
        """Future changes, the next one last."""
        self._running: dict[str, Phase] = {}
        self._report = NodeReport()
        self.written: LastWrite | None = None

    def poll(self, now: float, pull_seconds: tuple[float, float]) -> None:
        """Poll the pulls; the next image starts when all before have ended."""
        if self.busy and not self._changes:
            for number in range(IMAGES):
                key, seconds = f"{self._chance.getrandbits(48):012x}", self._chance.uniform(*pull_seconds)
                course = Course(key, now + 0.1 * number, seconds)
                self._changes += [(at, key, phase) for at, phase in course.changes]
            self._changes.sort(key=lambda change: -change[0])
        while self._changes and self._changes[-1][0] <= now:
            _, key, phase = self._changes.pop()
            self._running.pop(key, None)
            if phase is not None:
                self._running[key] = phase
        if self._running != phases(self._report):
            pulls = [Pull(id=key, phase=phase, started_at=0, progressed_at=0) for key, phase in self._running.items()]
            self._report = NodeReport(pulls=tuple(pulls))

    def next_poll(self, now: float) -> float:
        """Seconds until the poll that finds a change; polls are a second apart."""
        return max(1.0, math.ceil(self._changes[-1][0] - now)) if self._changes else 1.0 if self.busy else math.inf

    def wait(self, now: float) -> float:
        """Seconds until the agent does something, if nothing changes but bytes."""
        return seconds_until_write(
            self.written,
            self._report,
            usable_interval(self.written, self._interval.seconds),
            now,
            changed=bool(self._report.pulls),
        )

    def act(self, now: float) -> bool:
        """Write, or read the interval; return whether it was a write."""
        chance, before, interval = self._chance.random, self.written, self._interval.seconds
        if before is not None and before.starts:
            at_once(self._interval.refresh())
            self.written = after_interval_read(before, self._interval.seconds, chance)
            return False
        starts = starts_pulling(before, self._report) and self._interval.is_old
        self.written = after_write(before, {}, self._report, interval, now, chance, starts=starts)
        if self._report.pulls and not starts:
            at_once(self._interval.refresh())
        return True


@dataclass
class Fleet:
    """All nodes of a cluster, and its leader."""

    nodes: int
    budget: float = 100.0
    pull_seconds: tuple[float, float] = (90.0, 270.0)
    seed: int = 1
    now: float = 0.0
    writes: list[float] = field(default_factory=list)
    first_seen: dict[int, float] = field(default_factory=dict)
    """When so many nodes were first known to pull."""

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self.leader = Leader(self.budget)
        self._all = [Node(n, self.leader, lambda: self.now, self._chance) for n in range(self.nodes)]
        self._order = itertools.count()
        self._events: list[tuple[float, int, Node | None]] = []
        self._pulling: set[int] = set()
        self._at(0.0, None)
        for node in self._all:
            self._at(self._chance.uniform(0, 30), node)

    def begin(self, busy: int, within_seconds: float) -> None:
        """So many nodes begin to pull at moments within that time."""
        for node in self._all[:busy]:
            node.busy = True
            self._at(self.now + self._chance.uniform(0, within_seconds), node)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._events[0][0] < end:
            self.now, _, node = heapq.heappop(self._events)
            if node is None:
                self.leader.tick(self.nodes, len(self._pulling), self.now)
                self._at(self.now + TICK_SECONDS, None)
            else:
                self._turn(node)
        self.now = end

    def _turn(self, node: Node) -> None:
        node.poll(self.now, self.pull_seconds)
        if node.wait(self.now) <= 0 and node.act(self.now):
            self.writes.append(self.now)
            (self._pulling.add if node.written and node.written.phases else self._pulling.discard)(node.number)
            self.first_seen.setdefault(len(self._pulling), self.now)
        wait = max(node.wait(self.now), 0.001)
        self._at(self.now + min(wait, node.next_poll(self.now)), node)

    def _at(self, when: float, node: Node | None) -> None:
        heapq.heappush(self._events, (when, next(self._order), node))

    def worst(self, begin: float, end: float) -> float:
        """Return the most writes a second within any 10 s."""
        return worst([at for at in self.writes if begin <= at < end])

    def reported_within(self, nodes: int, began: float, seconds: float) -> bool:
        """Whether the leader has counted so many pulling nodes by then: starts are reported at once."""
        return self.first_seen.get(nodes, math.inf) <= began + seconds

    def mean(self, begin: float, end: float) -> float:
        return sum(begin <= at < end for at in self.writes) / (end - begin)


def worst(times: Sequence[float]) -> float:
    """How many a second there are in the 10 s that have the most."""
    ordered, most, first = sorted(times), 0, 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] >= WORST_SECONDS:
            first += 1
        most = max(most, last - first + 1)
    return most / WORST_SECONDS


def at_once(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits")
