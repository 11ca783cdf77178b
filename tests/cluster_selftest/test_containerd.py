"""Both versions of containerd pull real images through the proxy, slowly, and fail when they must."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.cluster import mounts
from tests.cluster.containerd import VERSIONS, Containerd, Options, Version
from tests.cluster.cri import PullFailed, image_via_cri, pull_now, pull_via_cri, remove_via_cri
from tests.cluster.faults import Fault
from tests.cluster.images import Publisher, random_layer
from tests.cluster.processes import wait_until
from tests.cluster.proxy import Proxy
from tests.cluster.registry import Registry

pytestmark = pytest.mark.real

MB = 1_000_000


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """Provide a registry for all tests of this module."""
    with Registry() as registry:
        yield registry


@pytest.fixture
def proxy(registry: Registry) -> Iterator[Proxy]:
    """Provide a proxy without faults."""
    with Proxy(registry.url) as proxy:
        yield proxy


@pytest.fixture(params=VERSIONS)
def containerd(request: pytest.FixtureRequest, proxy: Proxy) -> Iterator[Containerd]:
    """Provide a containerd that knows the proxy as registry.test."""
    version: Version = request.param
    with Containerd(version, options=Options(registries={"registry.test": proxy.url})) as containerd:
        yield containerd


def test_pull_takes_as_long_as_the_link_needs(containerd: Containerd, registry: Registry, proxy: Proxy) -> None:
    """An image of 6 MB takes 3 s at 2 MB/s, is there afterwards, and can be removed."""
    layers = [random_layer(3 * MB, seed=1), random_layer(2 * MB, seed=2, compression="zstd"), random_layer(MB, seed=3)]
    image = Publisher(registry.url).push("slow", layers, tags=("1", "2"), index=True)
    proxy.set_rate(2 * MB)

    started = time.monotonic()
    image_id = pull_now(containerd.socket, image.ref)
    seconds = time.monotonic() - started

    assert 2.5 < seconds < 5
    assert image_id == image.config_digest
    assert containerd.images() == {image.ref, image.digest_ref, image.config_digest}
    asyncio.run(remove_via_cri(containerd.socket, image.ref))
    assert asyncio.run(image_via_cri(containerd.socket, image.ref)) is None


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_status_codes_fail_the_pull(containerd: Containerd, registry: Registry, proxy: Proxy, status: int) -> None:
    """A registry that refuses the manifest makes the pull fail."""
    image = Publisher(registry.url).push("refused", [random_layer(1000, seed=4)])
    proxy.add(Fault("/manifests/", status=status))

    with pytest.raises(PullFailed, match="failed to pull and unpack image"):
        pull_now(containerd.socket, image.ref)


@pytest.mark.parametrize(
    "fault", [Fault("/blobs/", corrupt=True), Fault("/blobs/", cut_after_bytes=0)], ids=["corrupt", "cut"]
)
def test_bad_blobs_fail_the_pull(containerd: Containerd, registry: Registry, proxy: Proxy, fault: Fault) -> None:
    """Wrong bytes, and a connection that breaks again and again, make the pull fail."""
    image = Publisher(registry.url).push("bad", [random_layer(MB, seed=5)])
    proxy.add(fault)

    with pytest.raises(PullFailed, match="failed to pull and unpack image"):
        pull_now(containerd.socket, image.ref)


async def _stalled_pull(containerd: Containerd, proxy: Proxy, ref: str, stall: int) -> str:
    pull = asyncio.create_task(pull_via_cri(containerd.socket, ref))

    def stalled() -> bool:
        return any(request.sent_bytes == 100_000 for request in proxy.requests("/blobs/"))

    await asyncio.to_thread(wait_until, stalled, "the pull to stall")
    assert not pull.done()
    proxy.remove_fault(stall)
    return await pull


def test_stalled_pull_goes_on(containerd: Containerd, registry: Registry, proxy: Proxy) -> None:
    """A body that stalls after 100 kB goes on when the fault is removed."""
    image = Publisher(registry.url).push("stalled", [random_layer(MB, seed=6)])
    stall = proxy.add(Fault(f"/blobs/{image.layers[0].digest}", stall_after_bytes=100_000))

    image_id = asyncio.run(asyncio.wait_for(_stalled_pull(containerd, proxy, image.ref, stall), 20))

    assert image_id == image.config_digest


def test_images_survive_a_crash(containerd: Containerd, registry: Registry, proxy: Proxy) -> None:
    """A containerd that is killed and started again has its images."""
    image = Publisher(registry.url).push("kept", [random_layer(1000, seed=7)])
    pull_now(containerd.socket, image.ref)

    containerd.kill()
    containerd.start()

    assert image.ref in containerd.images()


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_left(version: Version) -> None:
    """After the end there is no process, no mount and no folder."""
    with Containerd(version) as containerd:
        folder = containerd.folder
        assert mounts.users_of(folder) == [containerd.pid]

    wait_until(lambda: not mounts.users_of(folder), "no processes")
    assert not mounts.below(folder)
    assert not folder.exists()
