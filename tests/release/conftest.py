"""The programs of a release on the PATH, and a registry to push to."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.cluster import binaries
from tests.cluster.registry import Registry

DIGESTS = {"agent": f"sha256:{'a' * 64}", "aggregator": f"sha256:{'b' * 64}"}


@pytest.fixture
def helm(monkeypatch: pytest.MonkeyPatch) -> None:
    """helm can be called by its name."""
    monkeypatch.setenv("PATH", f"{binaries.helm().parent}:{os.environ['PATH']}")


@pytest.fixture
def registry() -> Iterator[str]:
    """Provide a registry: `127.0.0.1:port`."""
    with Registry() as registry:
        yield registry.url.removeprefix("http://")
