"""The watch of Events: news, of which nothing is made up for."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from pulltrace.kube.client.aiohttp_client import Connection
from pulltrace.kube.resources.event_watch import SELECTOR, KubeEventWatch
from pulltrace.kube.resources.kubelet_events import EventRecord
from pulltrace.kube.watch.watch_events import Listed, Put, WatchEvent
from tests.builders.events import CRASHING, Raw
from tests.builders.events import event_object as event
from tests.builders.virtual_time import FakeTime
from tests.fakes.api_server import FakeApiServer
from tests.fakes.api_server_faults import lines, status


def pulling(image: str, namespace: str = "shop") -> Raw:
    raw = event("Pulling", f'Pulling image "{image}"')
    involved = {**raw["involvedObject"], "namespace": namespace}
    return {**raw, "involvedObject": involved, "metadata": {"name": f"e-{image}", "namespace": namespace}}


def images(told: WatchEvent[EventRecord]) -> list[str | None]:
    assert isinstance(told, Listed | Put)
    return [one.image for one in (told.items if isinstance(told, Listed) else [told.item])]


async def test_only_events_of_kubelets_about_images(server: FakeApiServer, connection: Connection) -> None:
    """What the server is not asked for, and what it could not leave out, does not come."""
    server.put("events", pulling("one"))
    watch = KubeEventWatch(connection)
    async with aclosing(watch.watch()) as events:
        assert images(await anext(events)) == ["one"]
        server.put("events", CRASHING)
        server.put("events", event("Created", "Created container: pull"))
        server.put("events", {**pulling("two"), "source": {"component": "pulltrace"}})
        server.remove("events", "shop", "e-one")
        server.put("events", pulling("three"))
        assert images(await anext(events)) == ["three"]

    assert {seen.params["fieldSelector"] for seen in server.seen} == {SELECTOR}
    assert [health.resource for health in watch.healths] == ["events"]


async def test_some_namespaces(server: FakeApiServer, connection: Connection) -> None:
    """Each list is that of one namespace: nobody keeps the news of the others."""
    for namespace in "abc":
        server.put("events", pulling(f"of-{namespace}", namespace))
    async with aclosing(KubeEventWatch(connection, ["a", "b"]).watch()) as events:
        listed = [images(await anext(events)), images(await anext(events))]
        server.put("events", pulling("more", "c"))
        server.put("events", pulling("new", "b"))

        assert sorted(listed) == [["of-a"], ["of-b"]]
        assert images(await anext(events)) == ["new"]


async def test_a_line_that_is_not_read_moves_the_watch_on(server: FakeApiServer, connection: Connection) -> None:
    """The next connection does not ask for it again."""
    time = FakeTime()
    async with aclosing(KubeEventWatch(connection, timing=time.timing).watch()) as events:
        await anext(events)
        waiting = asyncio.create_task(anext(events))
        await server.reached("watch", 1)
        version = server.put("events", CRASHING)["metadata"]["resourceVersion"]
        time.now += 45
        server.end_watches()
        await server.reached("watch", 2)
        server.put("events", pulling("one"))
        assert images(await waiting) == ["one"]

    assert [seen.params["resourceVersion"] for seen in server.seen if seen.kind == "watch"][1] == version


async def test_an_expired_version_needs_no_list(server: FakeApiServer, connection: Connection) -> None:
    """After the first list one Event is asked for, for the version that comes with it."""
    for number in range(3):
        server.put("events", pulling(f"old-{number}"))
    server.faults["watch"] = [status(410)]
    async with aclosing(KubeEventWatch(connection, timing=FakeTime().timing).watch()) as events:
        assert len(images(await anext(events))) == 3
        assert await anext(events) == Listed(())
        waiting = asyncio.create_task(anext(events))
        await server.reached("watch", 2)
        server.put("events", pulling("new"))
        assert images(await waiting) == ["new"]

    assert [seen.params for seen in server.seen if seen.kind == "list"][1] == {"limit": "1"}


async def test_empty_answers_are_errors(server: FakeApiServer, connection: Connection) -> None:
    """A version that the server has lost, answered with nothing: six requests in the first half minute at most."""
    time = FakeTime()
    server.faults["watch"] = [lines() for _ in range(20)]
    requests: list[float] = []

    async with aclosing(KubeEventWatch(connection, timing=time.timing).watch()) as events:
        while time.now <= 30:
            await anext(events)
            requests += [time.now] * (len(server.seen) - len(requests))

    assert len([at for at in requests if at <= 30]) <= 6
