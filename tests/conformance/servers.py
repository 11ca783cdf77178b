"""API servers for the same tests: a fake one, and a real etcd and kube-apiserver."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.credentials import RestConfig, StaticConfig
from pulltrace.kube.client.h11_client import H11Client
from pulltrace.kube.client.load_config import load_config
from tests.cluster.control_plane import ControlPlane
from tests.fakes import api_server

FAKE = "fake"
REAL = pytest.param("real", marks=pytest.mark.real("etcd"))
SMALL = "-small"
FAKE_SMALL = FAKE + SMALL
REAL_SMALL = pytest.param("real" + SMALL, marks=pytest.mark.real("etcd"))


@dataclass
class Server:
    """An API server with a namespace for this test alone, and an administrator's clients of it."""

    connection: AiohttpClient
    small: H11Client
    namespace: str
    with_token: Callable[[str], AiohttpClient]
    """A client with another token."""


@asynccontextmanager
async def serving(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """Yield the kind of server of the fixture's parameter."""
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    if request.param.startswith(FAKE):
        async with api_server.running() as fake:
            fake.token = "admin"
            source = StaticConfig(RestConfig(fake.url, "Bearer admin"))
            async with AiohttpClient(source) as connection, H11Client(source) as small:
                yield Server(connection, small, namespace, lambda token: _connection(fake.url, token, None))
        return
    control_plane: ControlPlane = request.getfixturevalue("control_plane")
    # Pods need a ServiceAccount, and no controller creates it.
    control_plane.create_service_account(namespace, "default")
    authority = str(control_plane.authority.certificate)
    admin = await load_config(str(control_plane.kubeconfig))
    async with AiohttpClient(admin) as connection, H11Client(admin) as small:
        yield Server(connection, small, namespace, lambda token: _connection(control_plane.url, token, authority))


def _connection(url: str, token: str, authority: str | None) -> AiohttpClient:
    return AiohttpClient(StaticConfig(RestConfig(url, f"Bearer {token}", ca_file=authority)))
