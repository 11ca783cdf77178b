"""A fake API server and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.credentials import RestConfig, StaticConfig
from pulltrace.kube.client.h11_client import H11Client
from tests.fakes import api_server
from tests.fakes.api_server import FakeApiServer
from tests.kube.connections import Connecting


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with api_server.running() as server:
        yield server


@pytest.fixture
async def connection(server: FakeApiServer) -> AsyncIterator[AiohttpClient]:
    async with AiohttpClient(StaticConfig(RestConfig(server.url))) as connection:
        yield connection


@pytest.fixture(params=[AiohttpClient, H11Client])
def connecting(request: pytest.FixtureRequest) -> Connecting:
    kind: Connecting = request.param
    return kind


@pytest.fixture
async def requesting(connecting: Connecting, server: FakeApiServer) -> AsyncIterator[AiohttpClient | H11Client]:
    """Each of both clients."""
    async with connecting(StaticConfig(RestConfig(server.url))) as requesting:
        yield requesting
