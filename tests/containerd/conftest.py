"""A containerd for each test of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pulltrace.containerd.client import ContainerdClient, connect
from tests.fakes import containerd
from tests.fakes.containerd import FakeContainerd


@pytest.fixture
async def node() -> AsyncIterator[FakeContainerd]:
    """A containerd that answers, with an empty node."""
    async with containerd.running() as fake:
        yield fake


@pytest.fixture
async def client(node: FakeContainerd) -> AsyncIterator[ContainerdClient]:
    """A connection to it."""
    async with connect(str(node.socket), containerd.NAMESPACE) as client:
        yield client
