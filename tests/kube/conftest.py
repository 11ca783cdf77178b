"""A fake API server and a connection to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pulltrace.kube.access import Access, FixedAccess
from pulltrace.kube.connection import Connection
from tests.fakes import api_server
from tests.fakes.api_server import FakeApiServer


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with api_server.running() as server:
        yield server


@pytest.fixture
async def connection(server: FakeApiServer) -> AsyncIterator[Connection]:
    async with Connection(FixedAccess(Access(server.url))) as connection:
        yield connection
