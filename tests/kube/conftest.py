"""A fake API server and connections to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pulltrace.kube.client.aiohttp_client import Connection
from pulltrace.kube.client.credentials import Access, FixedAccess
from pulltrace.kube.client.h11_client import SmallConnection
from tests.fakes import api_server
from tests.fakes.api_server import FakeApiServer
from tests.kube.connections import Connecting


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with api_server.running() as server:
        yield server


@pytest.fixture
async def connection(server: FakeApiServer) -> AsyncIterator[Connection]:
    async with Connection(FixedAccess(Access(server.url))) as connection:
        yield connection


@pytest.fixture(params=[Connection, SmallConnection])
def connecting(request: pytest.FixtureRequest) -> Connecting:
    kind: Connecting = request.param
    return kind


@pytest.fixture
async def requesting(connecting: Connecting, server: FakeApiServer) -> AsyncIterator[Connection | SmallConnection]:
    """A connection of each kind."""
    async with connecting(FixedAccess(Access(server.url))) as requesting:
        yield requesting
