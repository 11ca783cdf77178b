"""Pulls that fail: reported with their outcome and their bytes, and never as completed."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pulltrace.agent import tracker
from pulltrace.pulls.model import NodeReport, Phase
from pulltrace.pulls.thresholds import STALLED_SECONDS
from tests.cluster.containerd import VERSIONS, Containerd, Options, Version
from tests.cluster.faults import Fault
from tests.cluster.images import Image, Publisher, random_layer
from tests.cluster.processes import free_port
from tests.cluster.proxy import Proxy
from tests.cluster.registry import Registry
from tests.real.conftest import HOST, MB
from tests.real.test_standalone import ctr_pull
from tests.real.truth import NODE, Watch, cri_pull, pull_all

pytestmark = pytest.mark.real

KB = 1000


@pytest.fixture
def image(registry: Registry) -> Image:
    """Two layers of 2 MB: offsets move in steps of a mebibyte."""
    return Publisher(registry.url).push("fault/app", [random_layer(2 * MB, seed=f"fault-{n}") for n in range(2)])


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
async def test_refused(containerd: Containerd, proxy: Proxy, image: Image, status: int) -> None:
    """A registry that is slow to refuse makes a pull that resolves and then fails, without a size."""
    proxy.add(Fault("/manifests/", status=status, hang_seconds=0.8, times=1))
    proxy.add(Fault("/manifests/", status=status))
    async with Watch(containerd, [image]) as watch:
        [error] = await pull_all(containerd, [image.ref])
        [pull] = await watch.wait_for_ends(1)

    assert error is not None
    assert {reported.phase for reported in watch.reports_of(pull.id)} == {Phase.RESOLVING}
    assert (pull.phase, pull.total_bytes, pull.target_digest) == (Phase.FAILED, None, None)


@pytest.mark.parametrize("kind", ["refused", "tls"])
async def test_no_registry(containerd: Containerd, proxy: Proxy, image: Image, kind: str) -> None:
    """An unreachable registry fails the pull, or ends it between two polls; it never completes."""
    url = f"http://127.0.0.1:{free_port()}" if kind == "refused" else proxy.url.replace("http:", "https:")
    containerd.use_registry(HOST, url)
    async with Watch(containerd, [image]) as watch:
        [error] = await pull_all(containerd, [image.ref])
        report = await watch.wait_for(lambda report: not report.pulls, "the end")

    assert error is not None
    assert {pull.phase for pull in report.recent} <= {Phase.FAILED}


async def test_a_slow_registry(containerd: Containerd, proxy: Proxy, image: Image) -> None:
    """While the registry hangs the pull resolves; when it answers, the same row goes on to its end."""
    hang = proxy.add(Fault("/manifests/", hang_seconds=20))
    proxy.set_rate(4 * MB)
    async with Watch(containerd, [image]) as watch, cri_pull(containerd, image.ref) as pull:
        report = await watch.wait_for(lambda report: report.pulls, "the pull")
        assert [(each.phase, each.total_bytes) for each in report.pulls] == [(Phase.RESOLVING, None)]
        proxy.remove_fault(hang)
        await pull
        [ended] = await watch.wait_for_ends(1)

    assert (ended.id, ended.phase, ended.names[0]) == (report.pulls[0].id, Phase.COMPLETED, image.ref)


async def test_wrong_bytes(containerd: Containerd, proxy: Proxy, image: Image) -> None:
    """A layer whose bytes are not those of its digest fails the pull although all of them came."""
    proxy.add(Fault(f"/blobs/{image.layers[0].digest}", corrupt=True))
    proxy.set_rate(4 * MB)
    async with Watch(containerd, [image]) as watch:
        [error] = await pull_all(containerd, [image.ref])
        [pull] = await watch.wait_for_ends(1)

    assert error is not None
    assert (pull.phase, pull.layers_done) == (Phase.FAILED, 0)


async def test_unpacking_fails(containerd: Containerd, proxy: Proxy, registry: Registry) -> None:
    """A layer that arrives whole and cannot be unpacked fails the pull, with what was done before it."""
    layers = [random_layer(MB, seed=f"unpack-{number}") for number in range(2)]
    layers[1] = replace(layers[1], diff_id=layers[0].digest)  # its unpacked digest differs from the config's
    image = Publisher(registry.url).push("fault/unpack", layers)
    proxy.set_rate(2 * MB)
    async with Watch(containerd, [image]) as watch:
        [error] = await pull_all(containerd, [image.ref])
        [pull] = await watch.wait_for_ends(1)

    assert "wrong diff id" in str(error)
    assert (pull.phase, pull.names) == (Phase.FAILED, ())
    assert pull.unpacked_bytes in (0, image.layers[0].size)


async def test_cancelled(containerd: Containerd, proxy: Proxy, image: Image) -> None:
    """A pull that its client gives up has failed, with the bytes that had come."""
    proxy.set_rate(2 * MB)
    async with Watch(containerd, [image]) as watch:
        async with cri_pull(containerd, image.ref):
            await watch.wait_for_bytes()
        [pull] = await watch.wait_for_ends(1)

    assert pull.phase is Phase.FAILED
    assert 0 < pull.downloaded_bytes < image.size


@pytest.fixture(params=VERSIONS)
def small(request: pytest.FixtureRequest, proxy: Proxy, tmp_path: Path) -> Iterator[Containerd]:
    """Run a containerd whose disk for content has 3 MB."""
    version: Version = request.param
    containerd = Containerd(version, options=Options(registries={HOST: proxy.url}))
    folder = containerd.root / "io.containerd.content.v1.content"
    with containerd:
        containerd.stop()
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], check=True)
        containerd.start()
        yield containerd


async def test_disk_full(small: Containerd, proxy: Proxy, image: Image) -> None:
    """A full disk fails the pull, with the bytes that fitted."""
    proxy.set_rate(4 * MB)
    async with Watch(small, [image], layers_restart=True) as watch:
        [error] = await pull_all(small, [image.ref])
        [pull] = await watch.wait_for_ends(1)

    assert "no space left" in str(error)
    assert pull.phase is Phase.FAILED
    assert pull.downloaded_bytes < image.size


async def test_taken_up_again(containerd: Containerd, proxy: Proxy, image: Image) -> None:
    """A transfer that breaks and is taken up where it was: the row goes on, and nothing is fetched twice."""
    proxy.add(Fault(f"/blobs/{image.layers[0].digest}", cut_after_bytes=1_500_000, times=1))
    proxy.set_rate(2 * MB)
    async with Watch(containerd, [image]) as watch:
        assert await pull_all(containerd, [image.ref]) == [None]
        [pull] = await watch.wait_for_ends(1)

    assert (pull.phase, pull.total_bytes) == (Phase.COMPLETED, image.size)
    requests = proxy.requests(f"/blobs/{image.layers[0].digest}")
    assert any(request.range for request in requests)
    assert sum(request.sent_bytes for request in requests) == image.layers[0].size


async def test_a_layer_that_restarts(containerd: Containerd, proxy: Proxy, registry: Registry) -> None:
    """A pull that waits for a layer of another, which is cancelled, has to fetch it: its own row ends complete."""
    publisher = Publisher(registry.url)
    shared = random_layer(2 * MB, seed="restarted")
    images = [publisher.push(f"fault/{name}", [shared, random_layer(MB, seed=name)]) for name in ("first", "second")]
    proxy.set_rate(2 * MB)
    async with Watch(containerd, images, layers_restart=True) as watch:
        async with cri_pull(containerd, images[0].ref):
            await watch.wait_for_bytes()
            second = asyncio.create_task(pull_all(containerd, [images[1].ref]))
            await watch.wait_for(lambda report: sum(pull.total_bytes is not None for pull in report.pulls) == 2, "both")
        assert await second == [None]
        await watch.wait_for_ends(2)

    assert [watch.end_of(image).phase for image in images] == [Phase.FAILED, Phase.COMPLETED]
    assert (watch.end_of(images[1]).total_bytes, watch.end_of(images[1]).cached_bytes) == (images[1].size, 0)


async def test_stalled(containerd: Containerd, proxy: Proxy, image: Image) -> None:
    """A pull without bytes is stalled: it is downloading, its rate is zero soon, and it has the time of its last byte."""
    proxy.set_rate(3 * MB)
    async with Watch(containerd, [image]) as watch, cri_pull(containerd, image.ref) as pull:
        await watch.wait_for_bytes(MB)
        proxy.pause()
        await watch.wait_for(standing_still(watch), "a stalled pull")
        check_stalled(watch)
        proxy.set_rate(None)
        await pull
        [ended] = await watch.wait_for_ends(1)

    assert ended.phase is Phase.COMPLETED


def check_stalled(watch: Watch) -> None:
    """Check that 15 s later the pull is still downloading, at no rate, with the time of its last byte."""
    before, (now, last) = watch.report.pulls[0], watch.polls[-1]
    later = tracker.advance(watch.state, last, now + STALLED_SECONDS + 5, NODE)
    [stalled] = tracker.report(later).pulls
    assert (stalled.phase, stalled.progressed_at) == (Phase.DOWNLOADING, before.progressed_at)
    assert (stalled.bytes_per_second, stalled.time_left) == (0, None)
    assert stalled.downloaded_bytes == before.downloaded_bytes > 0


def standing_still(watch: Watch) -> Callable[[NodeReport], bool]:
    """Return whether five polls in a row have found the same bytes."""

    def same(_: NodeReport) -> bool:
        last = [report.pulls[0].progressed_at for report in watch.reports[-5:] if report.pulls]
        return len(last) == 5 and len(set(last)) == 1

    return same


async def test_a_trickle(containerd: Containerd, proxy: Proxy, registry: Registry) -> None:
    """On a link of half a megabyte a second, where containerd moves in steps of two seconds, the rate is that of the link."""
    image = Publisher(registry.url).push("fault/trickle", [random_layer(3_500 * KB, seed="trickle")])
    proxy.set_rate(500 * KB)
    async with Watch(containerd, [image]) as watch:
        assert await pull_all(containerd, [image.ref]) == [None]
        [pull] = await watch.wait_for_ends(1)

    rates = [reported.bytes_per_second for reported in watch.reports_of(pull.id) if reported.bytes_per_second]
    assert 350 * KB < rates[-1] < 750 * KB


async def test_a_client_that_was_killed(containerd: Containerd, proxy: Proxy, image: Image) -> None:
    """The lease of a killed ctr is a stalled pull: it is not completed, and fails with containerd."""
    proxy.set_rate(2 * MB)
    async with Watch(containerd, [image], layers_restart=True) as watch:
        with ctr_pull(containerd, image.ref):
            await watch.wait_for_bytes(MB)
        await watch.wait_for(standing_still(watch), "a stalled row")
        [orphan] = watch.report.pulls
        assert (orphan.phase, watch.ended) == (Phase.DOWNLOADING, ())
        check_stalled(watch)
        containerd.restart()
        [pull] = await watch.wait_for_ends(1)

    assert (pull.id, pull.phase) == (orphan.id, Phase.FAILED)
