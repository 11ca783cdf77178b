"""Leases that are no pulls: of other namespaces, of containers, of other operations."""

from __future__ import annotations

import asyncio

import pytest

from pulltrace.pulls.model import NodeReport
from tests.cluster.base_images import push_busybox
from tests.cluster.containerd import Containerd
from tests.cluster.images import Image, Publisher, random_layer
from tests.cluster.proxy import Proxy
from tests.cluster.registry import Registry
from tests.real.conftest import MB
from tests.real.truth import Watch, pull_all

pytestmark = pytest.mark.real


def pull_by_ctr(containerd: Containerd, image: Image, namespace: str) -> None:
    hosts = containerd.folder / "registries"
    containerd.ctr("images", "pull", "--hosts-dir", str(hosts), image.ref, namespace=namespace)


async def test_another_namespace(containerd: Containerd, proxy: Proxy, registry: Registry) -> None:
    """A pull in a namespace other than Kubernetes' has no row."""
    image = Publisher(registry.url).push("lease/other", [random_layer(2 * MB, seed="other")])
    proxy.set_rate(3 * MB)
    async with Watch(containerd, [image]) as watch:
        await asyncio.to_thread(pull_by_ctr, containerd, image, "moby")
        assert image.ref in containerd.ctr("images", "ls", "-q", namespace="moby")
        await watch.next_poll()

    assert set(watch.reports) == {NodeReport()}


async def test_a_container(containerd: Containerd, registry: Registry) -> None:
    """A container that is made, started and removed was never a pull."""
    image = push_busybox(Publisher(registry.url), repository="lease/busybox")
    assert await pull_all(containerd, [image.ref]) == [None]
    async with Watch(containerd, [image]) as watch:
        for number in range(3):
            command = ["run", "--rm", "--cgroup", "", image.ref, f"box-{number}", "/bin/true"]
            await asyncio.to_thread(containerd.ctr, *command)
        await watch.next_poll()

    assert set(watch.reports) == {NodeReport()}
    assert len(watch.polls) > 5


async def test_a_lease_that_a_person_made(containerd: Containerd, registry: Registry) -> None:
    """A lease without an expiry, however it is called, is no pull."""
    async with Watch(containerd) as watch:
        containerd.ctr("leases", "create", "--id", "mine")
        containerd.ctr("leases", "create", "--id", "a" * 64, "-x", "24h")
        await watch.next_poll()

    assert set(watch.reports) == {NodeReport()}
