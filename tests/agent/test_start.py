"""When an agent first comes to the API server. Time is virtual."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pulltrace.agent.run import delay_idle_start
from pulltrace.containerd.client import ContainerdError
from pulltrace.containerd.observation import NodeObservation, PullObservation
from tests.builders import virtual_time

AGENTS = 5000
SPREAD_SECONDS = 30


@dataclass
class Looks:
    """What containerd shows, look by look; the last one again and again. None is a containerd that does not answer."""

    script: Sequence[NodeObservation | None]
    count: int = 0

    async def observe(self) -> NodeObservation:
        seen = self.script[min(self.count, len(self.script) - 1)]
        self.count += 1
        if seen is None:
            raise ContainerdError("unavailable")
        return seen


IDLE = NodeObservation(pulls=())
PULLING = NodeObservation(pulls=(PullObservation(lease_id="a", started_at=1.0),))


def waited(spread_seconds: float, *script: NodeObservation | None, agents: int = 1) -> list[float]:
    """When each of the agents, started together, had its turn."""
    turns: list[float] = []

    async def start() -> None:
        await delay_idle_start(spread_seconds, Looks(script))
        turns.append(virtual_time.now())

    async def all_of_them() -> None:
        await asyncio.gather(*(start() for _ in range(agents)))

    virtual_time.run(all_of_them())
    return turns


def test_5000_agents_that_start_together_come_one_by_one() -> None:
    """D10: spread over 30 s, no second has much more than its share."""
    turns = waited(SPREAD_SECONDS, IDLE, agents=AGENTS)
    seconds = Counter(int(turn) for turn in turns)
    print(f"{AGENTS} starts: at most {max(seconds.values())} a second, the last after {max(turns):.1f} s")

    assert max(turns) <= SPREAD_SECONDS
    assert max(seconds.values()) <= 1.5 * AGENTS / SPREAD_SECONDS


def test_a_pull_that_runs_is_told_at_once() -> None:
    """Whoever watches it does not wait for a turn."""
    assert waited(600, PULLING) == [0]


def test_a_pull_that_was_over_before_a_look_is_told_at_once() -> None:
    """Also one that began and ended while the agent waited."""
    missed = NodeObservation(pulls=(), images=(), missed=PULLING.pulls)

    assert waited(600, missed) == [0]


def test_a_pull_that_begins_while_it_waits_is_told_at_once() -> None:
    """Within the second in which it is seen; a containerd that is not there yet does not matter."""
    assert waited(600, None, IDLE, IDLE, PULLING) == [3]


def test_without_a_spread_nobody_waits() -> None:
    """0 s switches it off."""
    assert waited(0, IDLE, agents=3) == [0, 0, 0]
