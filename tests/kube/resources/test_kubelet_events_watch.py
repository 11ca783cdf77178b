"""The watch of kubelets' Events, which are ephemeral: missed ones are not caught up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.retry import Timing
from pulltrace.kube.resources.kubelet_events import KUBELET_EVENTS, SELECTOR, KubeletEvent
from pulltrace.kube.watch.multi_namespace import MultiNamespaceReflector, reflect_namespaces
from pulltrace.kube.watch.reflector import Reflector
from pulltrace.kube.watch.watch_events import Replaced, Upserted, WatchEvent
from tests.builders.events import CRASHING, Raw, event_object
from tests.builders.virtual_time import FakeTime
from tests.fakes.api_server import FakeApiServer
from tests.fakes.api_server_faults import lines, status


def reflect(
    connection: AiohttpClient, namespaces: Sequence[str] = (), timing: Timing | None = None
) -> Reflector[KubeletEvent] | MultiNamespaceReflector[KubeletEvent]:
    return reflect_namespaces(connection, KUBELET_EVENTS, namespaces, timing=timing)


def pulling(image: str, namespace: str = "shop") -> Raw:
    raw = event_object("Pulling", f'Pulling image "{image}"')
    involved = {**raw["involvedObject"], "namespace": namespace}
    return {**raw, "involvedObject": involved, "metadata": {"name": f"e-{image}", "namespace": namespace}}


def images(event: WatchEvent[KubeletEvent]) -> list[str | None]:
    assert isinstance(event, Replaced | Upserted)
    return [one.image for one in (event.items if isinstance(event, Replaced) else [event.item])]


async def test_only_events_of_kubelets_about_images(server: FakeApiServer, connection: AiohttpClient) -> None:
    """Other Events are excluded by the selector or filtered here."""
    server.put("events", pulling("one"))
    reflector = reflect(connection)
    async with aclosing(reflector.watch()) as events:
        assert images(await anext(events)) == ["one"]
        server.put("events", CRASHING)
        server.put("events", event_object("Created", "Created container: pull"))
        server.put("events", {**pulling("two"), "source": {"component": "pulltrace"}})
        server.remove("events", "shop", "e-one")
        server.put("events", pulling("three"))
        assert images(await anext(events)) == ["three"]

    assert {seen.params["fieldSelector"] for seen in server.seen} == {SELECTOR}
    assert [health.resource for health in reflector.healths] == ["events"]


async def test_some_namespaces(server: FakeApiServer, connection: AiohttpClient) -> None:
    """Each list is the one of a single namespace."""
    for namespace in "abc":
        server.put("events", pulling(f"of-{namespace}", namespace))
    async with aclosing(reflect(connection, ["a", "b"]).watch()) as events:
        listed = [images(await anext(events)), images(await anext(events))]
        server.put("events", pulling("more", "c"))
        server.put("events", pulling("new", "b"))

        assert sorted(listed) == [["of-a"], ["of-b"]]
        assert images(await anext(events)) == ["new"]


async def test_a_filtered_line_advances_the_version(server: FakeApiServer, connection: AiohttpClient) -> None:
    """The next connection begins after it."""
    time = FakeTime()
    async with aclosing(reflect(connection, timing=time.timing).watch()) as events:
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


async def test_an_expired_version_needs_no_list(server: FakeApiServer, connection: AiohttpClient) -> None:
    """A relist requests one Event, for the resource version."""
    for number in range(3):
        server.put("events", pulling(f"old-{number}"))
    server.faults["watch"] = [status(410)]
    async with aclosing(reflect(connection, timing=FakeTime().timing).watch()) as events:
        assert len(images(await anext(events))) == 3
        assert await anext(events) == Replaced(())
        waiting = asyncio.create_task(anext(events))
        await server.reached("watch", 2)
        server.put("events", pulling("new"))
        assert images(await waiting) == ["new"]

    assert [seen.params for seen in server.seen if seen.kind == "list"][1] == {"limit": "1"}


async def test_empty_responses_are_errors(server: FakeApiServer, connection: AiohttpClient) -> None:
    """A version that the server has lost has empty responses: at most six requests in the first half minute."""
    time = FakeTime()
    server.faults["watch"] = [lines() for _ in range(20)]
    requests: list[float] = []

    async with aclosing(reflect(connection, timing=time.timing).watch()) as events:
        while time.now <= 30:
            await anext(events)
            requests += [time.now] * (len(server.seen) - len(requests))

    assert len([at for at in requests if at <= 30]) <= 6
