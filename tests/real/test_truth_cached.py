"""Content that was on the node before is reported as cached, as a blob or as a snapshot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pulltrace.pulls.model import LayerState, Phase
from tests.cluster.containerd import VERSIONS, Containerd, Options, Version
from tests.cluster.cri import pull_via_cri, remove_via_cri
from tests.cluster.images import Publisher, random_layer
from tests.cluster.proxy import Proxy
from tests.cluster.registry import Registry
from tests.real.conftest import HOST, MB
from tests.real.truth import Watch, pull_all

pytestmark = pytest.mark.real

KB = 1000


@pytest.fixture(params=VERSIONS)
def discarding(request: pytest.FixtureRequest, proxy: Proxy) -> Iterator[Containerd]:
    """Run a containerd that throws blobs away once they are unpacked."""
    version: Version = request.param
    options = Options(registries={HOST: proxy.url}, discard_unpacked_layers=True)
    with Containerd(version, options=options) as containerd:
        yield containerd


async def test_some_layers_cached(containerd: Containerd, proxy: Proxy, registry: Registry) -> None:
    """Layers of an image that is here already are cached; only the others are to be downloaded."""
    publisher = Publisher(registry.url)
    base = [random_layer(300 * KB, seed=f"base-{number}") for number in range(3)]
    old = publisher.push("cached/base", base)
    new = publisher.push("cached/app", [*base, random_layer(MB, seed="top")])
    await pull_via_cri(containerd.socket, old.ref)
    proxy.set_rate(MB)
    async with Watch(containerd, [new]) as watch:
        assert await pull_all(containerd, [new.ref]) == [None]
        [pull] = await watch.wait_for_ends(1)

    assert (pull.total_bytes, pull.cached_bytes) == (new.layers[3].size, old.size)
    assert [layer.state for layer in pull.layers] == [LayerState.CACHED] * 3 + [LayerState.DONE]
    assert {reported.cached_bytes for reported in watch.reports_of(pull.id) if reported.total_bytes is not None} == {
        old.size
    }


async def test_blobs_discarded(discarding: Containerd, proxy: Proxy, registry: Registry) -> None:
    """When blobs are discarded after unpacking, the snapshots show the cached layers."""
    publisher = Publisher(registry.url)
    base = [random_layer(300 * KB, seed=f"discarded-{number}") for number in range(2)]
    old = publisher.push("discarded/base", base)
    new = publisher.push("discarded/app", [*base, random_layer(MB, seed="discarded-top")])
    proxy.set_rate(MB)
    async with Watch(discarding, [old, new]) as watch:
        for count, image in enumerate((old, new), start=1):
            assert await pull_all(discarding, [image.ref]) == [None]
            await watch.wait_for_ends(count)

    assert (watch.end_of(old).total_bytes, watch.end_of(old).cached_bytes) == (old.size, 0)
    assert (watch.end_of(new).total_bytes, watch.end_of(new).cached_bytes) == (new.layers[2].size, old.size)


async def test_all_layers_cached(containerd: Containerd, proxy: Proxy, registry: Registry) -> None:
    """A pull that finds every layer here has nothing to download, and completes with its name."""
    publisher = Publisher(registry.url)
    layers = [random_layer(300 * KB, seed=f"all-{number}") for number in range(2)]
    old = publisher.push("cached/all", layers, tags=("1",))
    new = publisher.push("cached/all", layers, tags=("2",), environment={"VERSION": "2"})
    await pull_via_cri(containerd.socket, old.ref)
    proxy.set_rate(1000)  # so that the manifest and config of the second last longer than a poll
    async with Watch(containerd, [new]) as watch:
        assert await pull_all(containerd, [new.ref]) == [None]
        [pull] = await watch.wait_for_ends(1)

    assert (pull.phase, pull.names[0]) == (Phase.COMPLETED, new.ref)
    assert (pull.total_bytes or 0) == pull.downloaded_bytes == 0
    assert (pull.cached_bytes, pull.layers_done) in ((new.size, 2), (0, 0))


async def test_a_tag_that_moves_and_one_that_is_new(containerd: Containerd, proxy: Proxy, registry: Registry) -> None:
    """A pull of a moved tag reports the new image; a second tag of it is an image that is present already."""
    publisher = Publisher(registry.url)
    old = publisher.push("cached/moving", [random_layer(300 * KB, seed="moving-1")])
    proxy.set_rate(MB)
    async with Watch(containerd, [old]) as watch:
        await pull_via_cri(containerd.socket, old.ref)
        await watch.wait_for_ends(1)
        new = publisher.push("cached/moving", [random_layer(MB, seed="moving-2")], tags=("latest", "new"))
        watch.images[new.target_digest] = new
        assert await pull_all(containerd, [new.ref]) == [None]
        await watch.wait_for_ends(2)
        containerd.ctr("images", "tag", new.ref, "registry.test/cached/other:1")
        await watch.next_poll()
        assert len(watch.ended) == 2

    assert watch.end_of(new).names[0] == new.ref
    assert (watch.end_of(new).total_bytes, watch.end_of(old).total_bytes) == (new.size, old.size)


async def test_pulled_again_after_removal(containerd: Containerd, proxy: Proxy, registry: Registry) -> None:
    """An image that was removed and is pulled again is downloaded again: nothing of it is called cached."""
    image = Publisher(registry.url).push("cached/again", [random_layer(700 * KB, seed=f"again-{n}") for n in range(2)])
    proxy.set_rate(2 * MB)
    async with Watch(containerd, [image]) as watch:
        await pull_via_cri(containerd.socket, image.ref)
        await watch.wait_for_ends(1)
        await remove_via_cri(containerd.socket, image.ref)
        containerd.ctr("content", "prune", "references")
        assert image.layers[0].digest not in containerd.ctr("content", "ls", "-q")
        await pull_via_cri(containerd.socket, image.ref)
        ended = await watch.wait_for_ends(2)

    assert [(pull.total_bytes, pull.cached_bytes) for pull in ended] == [(image.size, 0)] * 2
