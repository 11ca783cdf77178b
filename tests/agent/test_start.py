"""The delay before an idle agent's first request to the API server. Time is virtual."""

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
class ScriptedObserver:
    """Gives one observation after another, and then the last one again. None: containerd does not answer."""

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


def delays(spread_seconds: float, *script: NodeObservation | None, agents: int = 1) -> list[float]:
    """Return when the delay of each agent ended; all start together."""
    ends: list[float] = []

    async def start() -> None:
        await delay_idle_start(spread_seconds, ScriptedObserver(script))
        ends.append(virtual_time.now())

    async def all_of_them() -> None:
        await asyncio.gather(*(start() for _ in range(agents)))

    virtual_time.run(all_of_them())
    return ends


def test_5000_agents_that_start_together_are_spread() -> None:
    """D10: over 30 s, no second has much more than its share."""
    ends = delays(SPREAD_SECONDS, IDLE, agents=AGENTS)
    seconds = Counter(int(end) for end in ends)
    print(f"{AGENTS} starts: at most {max(seconds.values())} a second, the last after {max(ends):.1f} s")

    assert max(ends) <= SPREAD_SECONDS
    assert max(seconds.values()) <= 1.5 * AGENTS / SPREAD_SECONDS


def test_a_running_pull_ends_the_delay() -> None:
    """A user who watches it does not wait."""
    assert delays(600, PULLING) == [0]


def test_a_missed_pull_ends_the_delay() -> None:
    """A pull that started and ended between two polls is reported at once, too."""
    missed = NodeObservation(pulls=(), images=(), unseen=PULLING.pulls)

    assert delays(600, missed) == [0]


def test_a_pull_that_starts_during_the_delay_ends_it() -> None:
    """The next poll shows it; a containerd that does not answer yet changes nothing."""
    assert delays(600, None, IDLE, IDLE, PULLING) == [3]


def test_without_a_spread_no_agent_waits() -> None:
    """0 s switches the delay off."""
    assert delays(0, IDLE, agents=3) == [0, 0, 0]
