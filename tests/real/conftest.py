"""A registry behind a faulty proxy, and a containerd that pulls from it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.containerd import VERSIONS, Containerd, Options, Version
from tests.cluster.images import Image, Publisher, random_layer
from tests.cluster.proxy import Proxy
from tests.cluster.registry import Registry

MB = 1_000_000
HOST = "registry.test"


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    """Provide one registry for all tests."""
    with Registry() as registry:
        yield registry


@pytest.fixture
def proxy(registry: Registry) -> Iterator[Proxy]:
    """Provide a proxy at full speed and without faults."""
    with Proxy(registry.url) as proxy:
        yield proxy


@pytest.fixture(params=VERSIONS)
def containerd(request: pytest.FixtureRequest, proxy: Proxy) -> Iterator[Containerd]:
    """Provide a containerd that knows the proxy as registry.test."""
    version: Version = request.param
    with Containerd(version, options=Options(registries={HOST: proxy.url})) as containerd:
        yield containerd


@pytest.fixture(scope="session")
def app(registry: Registry) -> Image:
    """Provide an image of four layers, 14 MB, behind an index."""
    layers = [random_layer(size * MB, seed=f"app-{size}") for size in (6, 4, 3, 1)]
    return Publisher(registry.url).push("team/app", layers, tags=("1.0",), index=True)


@pytest.fixture(scope="session")
def tool(registry: Registry) -> Image:
    """Provide two layers, 9 MB, a plain manifest."""
    layers = [random_layer(size * MB, seed=f"tool-{size}") for size in (5, 4)]
    return Publisher(registry.url).push("team/tool", layers, tags=("2.0",))
