"""Pulls that begin and end between two polls: reported after their end, once, and only when content was fetched."""

from __future__ import annotations

import asyncio

import pytest

from pulltrace.kube.resources.in_memory import MemoryLeaseStore
from pulltrace.pulls.model import Phase
from tests.cluster.containerd import Containerd
from tests.cluster.cri import pull_via_cri
from tests.cluster.images import Image, Publisher, random_layer
from tests.cluster.registry import Registry
from tests.real.conftest import HOST
from tests.real.truth import Watch, agent, lease_report, pull_all

pytestmark = pytest.mark.real

KB = 1000
PAUSE_SECONDS = 1.5


@pytest.fixture
def images(registry: Registry) -> list[Image]:
    """Small images, with and without an index."""
    publisher = Publisher(registry.url)
    return [
        publisher.push(f"quick/{n}", [random_layer(100 * KB, seed=f"quick-{n}-{m}") for m in range(2)], index=n == 1)
        for n in range(2)
    ]


async def begin_pause(watch: Watch) -> None:
    """Return right after a poll."""
    watch.pause_seconds = PAUSE_SECONDS
    await watch.next_poll()


@pytest.mark.parametrize("client", ["cri", "ctr"])
async def test_between_two_polls(containerd: Containerd, images: list[Image], client: str) -> None:
    """Each is a completed row with name, size and a start between the polls, and is reported once."""
    async with Watch(containerd, images) as watch:
        await begin_pause(watch)
        before = watch.polls[-1][0]
        if client == "cri":
            assert await pull_all(containerd, [image.ref for image in images]) == [None, None]
        else:
            hosts = ["--hosts-dir", str(containerd.folder / "registries")]
            for image in images:
                await asyncio.to_thread(containerd.ctr, "images", "pull", *hosts, image.ref)
        await watch.wait_for_ends(2)
        watch.pause_seconds = 0.1
        await watch.next_poll()

    assert len(watch.ended) == 2
    for image in images:
        pull = watch.end_of(image)
        assert (pull.phase, pull.names[0]) == (Phase.COMPLETED, image.ref)
        assert (pull.total_bytes, pull.cached_bytes, pull.layer_count) == (image.size, 0, 2)
        assert before < pull.started_at
        assert watch.reports_of(pull.id) == [] or client == "ctr"


async def test_what_fetched_nothing(containerd: Containerd, images: list[Image]) -> None:
    """A pull of a present image and a new tag fetch nothing: they have no row."""
    image = images[0]
    await pull_via_cri(containerd.socket, image.ref)
    async with Watch(containerd, images) as watch:
        await begin_pause(watch)
        assert await pull_all(containerd, [image.ref]) == [None]
        containerd.ctr("images", "tag", image.ref, f"{HOST}/quick/tagged:1")
        await watch.next_poll()

    assert watch.ended == ()


async def test_while_an_agent_waits_for_its_turn(containerd: Containerd, images: list[Image]) -> None:
    """A pull that begins and ends before the agent's first write is reported, and that at once."""
    store = MemoryLeaseStore()
    async with agent(containerd, store, start_spread_seconds=3600):
        assert await pull_all(containerd, [images[0].ref]) == [None]
        report = await lease_report(store, lambda report: report.recent, "the end")

    assert [(pull.phase, pull.names[0]) for pull in report.recent] == [(Phase.COMPLETED, images[0].ref)]
