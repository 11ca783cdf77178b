"""The stage of all scenarios."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.faults.stage import Stage
from tests.real.conftest import app, containerd, proxy, registry

__all__ = ["app", "containerd", "proxy", "registry"]  # fixtures


@pytest.fixture(scope="session")
def built_stage() -> Iterator[Stage]:
    """Provide a real API server with the chart's objects."""
    with ControlPlane() as control_plane:
        stage = Stage(control_plane)
        stage.build()
        yield stage


@pytest.fixture
def stage(built_stage: Stage) -> Iterator[Stage]:
    """Provide the same, for one scenario; afterwards no Lease is left."""
    yield built_stage
    built_stage.clear()
