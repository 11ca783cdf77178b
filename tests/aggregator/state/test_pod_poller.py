"""Unwatched pods are polled once an Event reports a pull for them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.pod_poller import (
    AGAIN_SECONDS,
    FIRST_SECONDS,
    MAX_PODS,
    MAX_REQUESTS_PER_NAMESPACE,
    MAX_REQUESTS_PER_TICK,
    START_SECONDS,
    PodPoller,
)
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.errors import ApiUnreachable
from pulltrace.kube.resources.kubelet_events import EventKind, KubeletEvent
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.kube.watch.watch_events import Replaced, Upserted
from tests.builders.events import kubelet_event
from tests.builders.leases import LeaseWriter
from tests.builders.pods import pod
from tests.builders.pulls import START

DEBUG = pod("web", "busybox:1")
EVENT = kubelet_event("web", "busybox:1", START)


class Pods:
    """Answers of the API server."""

    def __init__(self) -> None:
        self.found: PodRecord | None = DEBUG
        self.requests: list[str] = []
        self.broken = False

    async def find(self, namespace: str, name: str) -> PodRecord | None:
        self.requests.append(f"{namespace}/{name}")
        if self.broken:
            raise ApiUnreachable("gone")
        return self.found


class World:
    """A cluster, its Events, and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.store, self.pods = PullStore(), Pods()
        self.cluster = ClusterState(self.store, 600)
        self.cluster.lease_event(Replaced((LeaseWriter().lease(),)), 0)
        self.cluster.pod_event(Replaced(()), 0)
        self.poller = PodPoller(self.pods.find, self.cluster, lambda: self.now)

    def add_event(self, event: KubeletEvent = EVENT) -> None:
        self.cluster.kubelet_event(Upserted(event), self.now)
        self.poller.add_event(event)

    async def after(self, seconds: float) -> list[str]:
        """Return the pods with a row after so long."""
        self.now += seconds
        await self.poller.poll()
        return [view.id for view in self.store.snapshot().pods.values() if view.ended_at is None]


@pytest.fixture
def world() -> World:
    return World()


async def test_a_pod_that_is_not_watched_is_looked_up_and_followed(world: World) -> None:
    """It is shown as long as it waits."""
    world.add_event()
    assert await world.after(FIRST_SECONDS - 0.1) == []
    assert await world.after(0.1) == ["shop/web"]

    world.pods.found = replace(DEBUG, waiting=())

    assert await world.after(AGAIN_SECONDS) == []
    assert len(world.pods.requests) == 2
    assert await world.after(100) == []
    assert len(world.pods.requests) == 2


async def test_a_watched_pod_is_not_looked_up(world: World) -> None:
    """The watch knows it, or will in a moment."""
    world.cluster.pod_event(Upserted(DEBUG), 1)
    world.add_event()
    world.add_event(kubelet_event("late", "x", START))
    world.cluster.pod_event(Upserted(pod("late", "x")), world.now)
    await world.after(FIRST_SECONDS)

    assert world.pods.requests == []


async def test_a_pod_that_is_gone_is_not_followed(world: World) -> None:
    """It is not polled again."""
    world.add_event()
    await world.after(FIRST_SECONDS)
    world.pods.found = None

    assert await world.after(AGAIN_SECONDS) == []
    await world.after(AGAIN_SECONDS)
    assert len(world.pods.requests) == 2


async def test_an_error_is_followed_by_another_try(world: World) -> None:
    """A server that is away is no reason to forget the pod."""
    world.pods.broken = True
    world.add_event()
    await world.after(FIRST_SECONDS)
    world.pods.broken = False

    assert await world.after(AGAIN_SECONDS) == ["shop/web"]


async def test_a_pod_is_polled_soon_after_its_pull(world: World) -> None:
    """The Event reports the image as present; the pod is shown until its status does, too."""
    world.add_event()
    await world.after(FIRST_SECONDS)
    world.add_event(kubelet_event("web", "busybox:1", START + 3, kind=EventKind.PULLED))
    assert await world.after(START_SECONDS - 0.1) == ["shop/web"]

    world.pods.found = replace(DEBUG, waiting=())

    assert await world.after(0.1) == []


@pytest.mark.parametrize("event", [replace(EVENT, pod_uid="other"), replace(EVENT, node="node-2")])
async def test_a_pod_that_the_event_is_not_about_is_not_shown(world: World, event: KubeletEvent) -> None:
    """Its name alone says nothing."""
    world.add_event(event)

    assert await world.after(FIRST_SECONDS) == []
    assert await world.after(AGAIN_SECONDS) == []
    assert len(world.pods.requests) == 1


async def test_lookups_are_bounded(world: World) -> None:
    """Thousands of Events make a few requests a second, for so many pods at most."""
    for number in range(MAX_PODS + 50):
        world.add_event(replace(kubelet_event(f"p{number}", "x", START), namespace=f"n{number % 25}"))
    await world.after(FIRST_SECONDS)

    assert len(world.pods.requests) == MAX_REQUESTS_PER_TICK


async def test_one_namespace_cannot_take_all_lookups(world: World) -> None:
    """Invented names cost a few requests a second, and another namespace's pod is looked up all the same."""
    for number in range(50 * MAX_PODS):
        world.add_event(replace(kubelet_event(f"p{number}", "x", START), namespace="evil"))
    world.add_event()
    for number in range(50 * MAX_PODS):
        world.add_event(replace(kubelet_event(f"q{number}", "x", START), namespace="evil"))

    assert await world.after(FIRST_SECONDS) == ["shop/web"]
    assert len(world.pods.requests) == MAX_REQUESTS_PER_NAMESPACE + 1
