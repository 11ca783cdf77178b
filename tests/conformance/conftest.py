"""API servers for the tests on fakes and on real systems."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.conformance.servers import FAKE, REAL, Server, serving


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A real etcd and kube-apiserver for all tests."""
    with ControlPlane() as control_plane:
        # From now on the versions of before have expired: its memory begins with its start.
        control_plane.restart_apiserver()
        yield control_plane


@pytest.fixture(params=[FAKE, REAL])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """A fake API server, then a real one."""
    async with serving(request) as server:
        yield server
