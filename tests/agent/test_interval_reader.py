"""The report interval of a node: the leader's, the setting, or neither. The clock is an argument."""

from __future__ import annotations

import pytest

from pulltrace.agent.interval_reader import DEFAULT_SECONDS, LEADER_TIMEOUT_SECONDS, READ_SECONDS, IntervalReader
from pulltrace.kube.errors import ApiError, ApiUnreachable, KubeError
from pulltrace.kube.resources.in_memory import MemoryLeaseStore
from pulltrace.kube.resources.leases import LeasePatch, LeaseRecord
from pulltrace.pulls import report_interval


class Node(MemoryLeaseStore):
    """A node's clock, and the bus as it sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.reads = 0
        self.error: KubeError | None = None

    async def get(self, name: str) -> LeaseRecord | None:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return await super().get(name)

    async def publish(self, text: str) -> None:
        await self.patch(report_interval.LEASE, LeasePatch({report_interval.INTERVAL: text}, "leader", self.now, 15))


@pytest.fixture
def node() -> Node:
    return Node()


def interval(node: Node, setting: float | None = None) -> IntervalReader:
    return IntervalReader(node, setting, lambda: node.now)


@pytest.mark.parametrize(("setting", "seconds"), [(None, DEFAULT_SECONDS), (0.5, 0.5), (30.0, 30.0)])
async def test_without_a_leader_the_setting_holds(node: Node, setting: float | None, seconds: float) -> None:
    """Before the first leader, it is the setting, or 5 s."""
    reader = interval(node, setting)
    await reader.refresh()

    assert reader.seconds == seconds


@pytest.mark.parametrize(("setting", "seconds"), [(None, 2.0), (0.5, 2.0), (30.0, 30.0)])
async def test_the_published_interval_holds_but_never_below_the_setting(
    node: Node, setting: float | None, seconds: float
) -> None:
    """A longer setting wins over the leader's interval."""
    await node.publish("2.0s")
    reader = interval(node, setting)
    await reader.refresh()

    assert reader.seconds == seconds


async def test_it_is_read_every_15_seconds_at_most(node: Node) -> None:
    """However often a node writes."""
    reader = interval(node)
    for _ in range(100):
        await node.publish("1.0s")
        await reader.refresh()
        node.now += 1

    assert node.reads == 100 // READ_SECONDS + 1


async def test_the_first_interval_is_read_soon(node: Node) -> None:
    """Agents of a fresh install start before any aggregator; until the first interval they read every 5 s."""
    reader = interval(node)
    for _ in range(20):
        await reader.refresh()
        node.now += 1
    assert node.reads == 20 // DEFAULT_SECONDS
    await node.publish("1.0s")
    await reader.refresh()

    assert reader.seconds == 1


@pytest.mark.parametrize("error", [ApiUnreachable("no route"), ApiError(403, "forbidden"), ApiError(429, "busy")])
async def test_a_failed_read_changes_nothing(node: Node, error: KubeError) -> None:
    """The last value stays; the report itself was written before."""
    await node.publish("3.0s")
    reader = interval(node)
    await reader.refresh()
    node.error = error
    node.now += READ_SECONDS
    await reader.refresh()

    assert reader.seconds == 3


@pytest.mark.parametrize("text", ["soon", "0.1s", "1000.0s", ""])
async def test_an_invalid_interval_is_ignored(node: Node, text: str) -> None:
    """Neither too fast nor never."""
    await node.publish(text)
    reader = interval(node)
    await reader.refresh()

    assert reader.seconds == DEFAULT_SECONDS


@pytest.mark.parametrize(("published", "seconds"), [("1.0s", DEFAULT_SECONDS), ("9.0s", 9.0)])
async def test_the_interval_of_a_silent_leader_expires(node: Node, published: str, seconds: float) -> None:
    """Without a leader no process counts the nodes: at least 5 s until the next one leads."""
    await node.publish(published)
    reader = interval(node)
    await reader.refresh()
    node.now += LEADER_TIMEOUT_SECONDS
    await reader.refresh()
    assert reader.seconds == seconds
    await node.publish("1.0s")
    node.now += READ_SECONDS
    await reader.refresh()

    assert reader.seconds == 1
