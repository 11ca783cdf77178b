"""One, two and ten pulls at once, with and without common layers: each is its own row, and each row is right."""

from __future__ import annotations

import asyncio

import pytest

from pulltrace.pulls.model import Phase
from tests.cluster.containerd import Containerd
from tests.cluster.images import Publisher, random_layer
from tests.cluster.proxy import Proxy
from tests.cluster.registry import Registry
from tests.real.conftest import MB
from tests.real.truth import Watch, cri_pull, pull_all

pytestmark = pytest.mark.real


@pytest.mark.parametrize("count", [1, 2, 10])
async def test_pulls_at_once(containerd: Containerd, proxy: Proxy, registry: Registry, count: int) -> None:
    """As many rows as pulls, each with its image's repository, size and layers, and then its names."""
    publisher = Publisher(registry.url)
    images = [
        publisher.push(f"many/app-{number}", [random_layer(MB // count, seed=f"{number}-{n}") for n in range(3)])
        for number in range(count)
    ]
    proxy.set_rate(2 * MB)
    async with Watch(containerd, images) as watch:
        assert await pull_all(containerd, [image.ref for image in images]) == [None] * count
        ended = await watch.wait_for_ends(count)

    assert max(len(report.pulls) for report in watch.reports) == count
    for image in images:
        pull = watch.end_of(image)
        assert (pull.phase, pull.names[0]) == (Phase.COMPLETED, image.ref)
        assert Phase.DOWNLOADING in {reported.phase for reported in watch.reports_of(pull.id)}
    assert {pull.cached_bytes for pull in ended} == {0}


async def test_two_tags_of_one_repository(containerd: Containerd, proxy: Proxy, registry: Registry) -> None:
    """Two tags that are pulled at once are two rows of one repository, each with its own size and then its own name."""
    publisher = Publisher(registry.url)
    images = [
        publisher.push("many/tags", [random_layer(size * MB, seed=f"tags-{size}")], tags=(f"{size}.0",))
        for size in (1, 2)
    ]
    proxy.set_rate(2 * MB)
    async with Watch(containerd, images) as watch:
        assert await pull_all(containerd, [image.ref for image in images]) == [None, None]
        await watch.wait_for_ends(2)

    for image in images:
        assert watch.end_of(image).names[0] == image.ref


async def test_shared_layers(containerd: Containerd, proxy: Proxy, registry: Registry) -> None:
    """Two pulls that share layers each report all of their bytes; a shared layer progresses in both rows."""
    publisher = Publisher(registry.url)
    shared = [random_layer(MB, seed=f"shared-{number}") for number in range(2)]
    images = [
        publisher.push(f"many/shared-{name}", [*shared, random_layer(MB, seed=f"own-{name}")]) for name in ("a", "b")
    ]
    proxy.set_rate(2 * MB)
    async with Watch(containerd, images) as watch:
        async with cri_pull(containerd, images[0].ref) as first:
            await watch.wait_for(lambda report: any(pull.total_bytes for pull in report.pulls), "the first pull")
            async with cri_pull(containerd, images[1].ref) as second:
                await asyncio.gather(first, second)
        await watch.wait_for_ends(2)

    for image in images:
        pull = watch.end_of(image)
        assert (pull.phase, pull.cached_bytes, pull.total_bytes) == (Phase.COMPLETED, 0, image.size)
    moved = sum(request.sent_bytes for request in proxy.requests("/blobs/sha256"))
    assert moved < sum(image.size for image in images) - sum(layer.size for layer in shared) + 100_000


async def test_one_image_twice(containerd: Containerd, proxy: Proxy, registry: Registry) -> None:
    """The same image pulled twice at once is two rows, and both complete."""
    image = Publisher(registry.url).push("many/twice", [random_layer(MB, seed=f"twice-{n}") for n in range(3)])
    proxy.set_rate(MB / 2)  # the first must last until the second is seen beside it
    async with Watch(containerd, [image]) as watch:
        async with cri_pull(containerd, image.ref) as first:
            await watch.wait_for_bytes()
            async with cri_pull(containerd, image.ref) as second:
                await watch.wait_for(lambda report: len(report.pulls) == 2, "both pulls")
                proxy.set_rate(2 * MB)
                await asyncio.gather(first, second)
        ended = await watch.wait_for_ends(2)

    assert [(pull.phase, pull.names[0]) for pull in ended] == [(Phase.COMPLETED, image.ref)] * 2
