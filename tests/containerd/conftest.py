"""A containerd for each test of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pulltrace.containerd.client import ContainerdClient, connect
from pulltrace.containerd.observation import Observer
from tests.builders.virtual_time import FakeTime
from tests.fakes import containerd
from tests.fakes.containerd import FakeContainerd


@pytest.fixture
async def node() -> AsyncIterator[FakeContainerd]:
    """Run a containerd that answers, with an empty node."""
    async with containerd.running() as fake:
        yield fake


@pytest.fixture
async def client(node: FakeContainerd) -> AsyncIterator[ContainerdClient]:
    """Open a connection to it."""
    async with connect(str(node.socket), containerd.NAMESPACE) as client:
        yield client


@pytest.fixture
def clock(node: FakeContainerd) -> FakeTime:
    """Give the node the times of a test, not of today."""
    node.now = clock = FakeTime(1_000_000.0, step_seconds=1.0)
    return clock


@pytest.fixture
def observer(client: ContainerdClient) -> Observer:
    """Return an observer of a containerd that started long ago."""
    return Observer(client, lambda: 0.0)


@pytest.fixture
def observer_on_node_clock(node: FakeContainerd, client: ContainerdClient) -> Observer:
    """Return an observer whose clock is the node's."""
    return Observer(client, lambda: 0.0, node.now)
