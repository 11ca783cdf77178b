"""Which report interval holds on a node: what the leader says, the setting, or neither. The clock is an argument."""

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
async def test_without_a_word_the_setting_holds(node: Node, setting: float | None, seconds: float) -> None:
    """Where no aggregator has ever led, it is what was set, or 5 s."""
    told = interval(node, setting)
    await told.refresh()

    assert told.seconds == seconds


@pytest.mark.parametrize(("setting", "seconds"), [(None, 2.0), (0.5, 2.0), (30.0, 30.0)])
async def test_what_is_published_holds_but_never_faster_than_the_setting(
    node: Node, setting: float | None, seconds: float
) -> None:
    """The leader asks for less, and whoever has set an interval for even less."""
    await node.publish("2.0s")
    told = interval(node, setting)
    await told.refresh()

    assert told.seconds == seconds


async def test_it_is_read_every_15_seconds_at_most(node: Node) -> None:
    """However often a node writes."""
    told = interval(node)
    for _ in range(100):
        await node.publish("1.0s")
        await told.refresh()
        node.now += 1

    assert node.reads == 100 // READ_SECONDS + 1


async def test_the_first_leader_is_heard_soon(node: Node) -> None:
    """Agents of a fresh install are up before any aggregator; until one has spoken they ask at their own pace."""
    told = interval(node)
    for _ in range(20):
        await told.refresh()
        node.now += 1
    assert node.reads == 20 // DEFAULT_SECONDS
    await node.publish("1.0s")
    await told.refresh()

    assert told.seconds == 1


@pytest.mark.parametrize("error", [ApiUnreachable("no route"), ApiError(403, "forbidden"), ApiError(429, "busy")])
async def test_a_look_that_fails_changes_nothing(node: Node, error: KubeError) -> None:
    """What was read last holds; the report itself was written before."""
    await node.publish("3.0s")
    told = interval(node)
    await told.refresh()
    node.error = error
    node.now += READ_SECONDS
    await told.refresh()

    assert told.seconds == 3


@pytest.mark.parametrize("text", ["soon", "0.1s", "1000.0s", ""])
async def test_what_is_no_interval_is_not_followed(node: Node, text: str) -> None:
    """Neither too fast nor never."""
    await node.publish(text)
    told = interval(node)
    await told.refresh()

    assert told.seconds == DEFAULT_SECONDS


@pytest.mark.parametrize(("published", "seconds"), [("1.0s", DEFAULT_SECONDS), ("9.0s", 9.0)])
async def test_a_silent_leader_is_not_believed_for_long(node: Node, published: str, seconds: float) -> None:
    """Nobody counts the nodes any more: 5 s at least, until somebody leads again."""
    await node.publish(published)
    told = interval(node)
    await told.refresh()
    node.now += LEADER_TIMEOUT_SECONDS
    await told.refresh()
    assert told.seconds == seconds
    await node.publish("1.0s")
    node.now += READ_SECONDS
    await told.refresh()

    assert told.seconds == 1
