"""The delay before an idle agent's first request to the API server. Time is virtual."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from pulltrace.agent.run import LEASE_READ_SECONDS, delay_idle_start
from pulltrace.containerd.client import ContainerdError
from pulltrace.containerd.observation import NodeObservation, PullObservation
from pulltrace.kube.resources.leases import LeaseRecord
from pulltrace.pulls.lease_format.annotations import encode
from pulltrace.pulls.model import NodeReport, Phase
from tests.builders import virtual_time
from tests.builders.pulls import START, pull

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


@pytest.fixture(autouse=True)
def seed() -> None:
    """Draw the same delays in each run: one shorter than a script would end before it."""
    random.seed(1)


def delays(
    spread_seconds: float, *script: NodeObservation | None, agents: int = 1, lease: LeaseRecord | None = None
) -> list[float]:
    """Return when the delay of each agent ended; all start together, each with this Lease."""
    ends: list[float] = []

    async def read_lease() -> LeaseRecord | None:
        return lease

    async def start() -> None:
        assert await delay_idle_start(spread_seconds, ScriptedObserver(script), read_lease) is lease
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


def test_a_pull_in_the_lease_ends_the_delay_soon() -> None:
    """It ended while no agent ran; its row would stay as it was. Reads of Leases are spread over 5 s."""
    ends = delays(600, IDLE, agents=100, lease=LeaseRecord("node-1", encode(NodeReport(pulls=(pull(),)))))

    assert 0.5 < max(ends) - min(ends) <= LEASE_READ_SECONDS
    assert max(ends) <= LEASE_READ_SECONDS


def test_ended_pulls_in_the_lease_leave_the_delay() -> None:
    """The Lease reports them already."""
    lease = LeaseRecord("node-1", encode(NodeReport(recent=(pull(phase=Phase.FAILED, ended_at=START),))))

    assert max(delays(600, IDLE, agents=20, lease=lease)) > 60


def test_without_a_spread_no_agent_waits() -> None:
    """0 s switches the delay off."""
    assert delays(0, IDLE, agents=3) == [0, 0, 0]
