"""Agents and containerds that come and go in the middle of pulls: the rows stay what they are."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pulltrace.kube.resources.in_memory import MemoryLeaseStore
from pulltrace.pulls.model import NodeReport, Phase
from tests.cluster.containerd import Containerd
from tests.cluster.images import Image, Publisher, random_layer
from tests.cluster.proxy import Proxy
from tests.cluster.registry import Registry
from tests.real.conftest import MB
from tests.real.truth import Watch, agent, cri_pull, lease_report, pull_all, until

pytestmark = pytest.mark.real


@pytest.fixture
def image(registry: Registry) -> Image:
    return Publisher(registry.url).push("restart/app", [random_layer(2 * MB, seed=f"restart-{n}") for n in range(4)])


async def test_started_in_the_middle(containerd: Containerd, proxy: Proxy, image: Image) -> None:
    """An agent that comes in the middle of a pull knows its start, its size and its bytes at once."""
    proxy.set_rate(3 * MB)
    async with cri_pull(containerd, image.ref) as pull:
        await until(lambda: sum(request.sent_bytes for request in proxy.requests("/blobs/")) > 3 * MB, "bytes")
        async with Watch(containerd, [image]) as watch:
            [first] = watch.reports[0].pulls
            assert (first.phase, first.total_bytes) == (Phase.DOWNLOADING, image.size)
            assert watch.polls[0][0] - first.started_at > 0.9
            assert first.downloaded_bytes >= MB
            await pull
            [ended] = await watch.wait_for_ends(1)

    assert (ended.id, ended.phase, ended.cached_bytes) == (first.id, Phase.COMPLETED, 0)


async def test_restarted_three_times(containerd: Containerd, proxy: Proxy, image: Image) -> None:
    """A pull over four lives of the agent is one row: same id, same start, bytes that only grow."""
    store = MemoryLeaseStore()
    proxy.set_rate(MB / 2)  # three agents must start, poll and end while it lasts, on a busy machine too
    lives: list[NodeReport] = []

    def moved(report: NodeReport) -> bool:
        bytes_before = lives[-1].pulls[0].downloaded_bytes if lives else 0
        return any(pull.downloaded_bytes > bytes_before for pull in report.pulls)

    async with cri_pull(containerd, image.ref) as pull:
        for _ in range(3):
            async with agent(containerd, store):
                lives.append(await lease_report(store, moved, "more bytes"))
        async with agent(containerd, store):
            proxy.set_rate(3 * MB)
            await pull
            report = await lease_report(store, lambda report: report.recent, "the end")

    assert report.pulls == ()
    [ended] = report.recent
    assert [[(pull.id, pull.started_at) for pull in life.pulls] for life in lives] == [
        [(ended.id, ended.started_at)]
    ] * 3
    assert all(a.pulls[0].downloaded_bytes < b.pulls[0].downloaded_bytes for a, b in pairwise(lives))
    assert (ended.phase, ended.names[0], ended.total_bytes) == (Phase.COMPLETED, image.ref, image.size)
    assert ended.downloaded_bytes == image.size


async def test_containerd_is_killed_and_comes_back(containerd: Containerd, proxy: Proxy, image: Image) -> None:
    """A crash fails the pull, once; the next pull takes up its bytes, and the leases of before are no pulls."""
    proxy.set_rate(3 * MB)
    async with Watch(containerd, [image]) as watch:
        async with cri_pull(containerd, image.ref):
            before = await watch.wait_for_bytes(2 * MB)
            containerd.kill()
            failures = watch.failures
            await until(lambda: watch.failures > failures, "a failed poll")
            assert [pull.phase for pull in watch.report.pulls] == [Phase.DOWNLOADING]
        containerd.start()
        [failed] = await watch.wait_for_ends(1)
        assert (failed.id, failed.phase) == (before.pulls[0].id, Phase.FAILED)
        assert await pull_all(containerd, [image.ref]) == [None]
        completed, _ = await watch.wait_for_ends(2)

    reported = watch.reports_of(completed.id)
    assert (completed.phase, completed.names[0]) == (Phase.COMPLETED, image.ref)
    assert completed.id != failed.id
    assert (completed.total_bytes or 0) + completed.cached_bytes == image.size
    assert max(pull.downloaded_bytes for pull in reported[:2]) + completed.cached_bytes >= MB
    assert any(request.range for request in proxy.requests("/blobs/"))


async def test_containerd_comes_later_and_goes(containerd: Containerd, proxy: Proxy, image: Image) -> None:
    """An agent that starts before containerd, and survives a new socket of it, reports the pulls between."""
    store = MemoryLeaseStore()
    containerd.stop()
    proxy.set_rate(4 * MB)
    async with agent(containerd, store):
        await lease_report(store, lambda report: report.error, "an error")
        containerd.start()
        await lease_report(store, lambda report: report.error is None, "no error")
        containerd.restart()
        assert await pull_all(containerd, [image.ref]) == [None]
        report = await lease_report(store, lambda report: report.recent and not report.pulls, "the end")

    assert [(pull.phase, pull.names[0]) for pull in report.recent] == [(Phase.COMPLETED, image.ref)]
