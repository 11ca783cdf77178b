"""The watch of pending pods, over all namespaces and over some."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.retry import Timing
from pulltrace.kube.resources.pending_pods import PENDING_PODS, PodRecord
from pulltrace.kube.watch.multi_namespace import MultiNamespaceReflector, reflect_namespaces
from pulltrace.kube.watch.reflector import Reflector
from pulltrace.kube.watch.watch_events import Deleted, Replaced, Upserted, WatchEvent
from tests.builders.virtual_time import FakeTime
from tests.fakes.api_server import FakeApiServer
from tests.fakes.api_server_faults import status


def put(server: FakeApiServer, namespace: str, name: str, *, phase: str = "Pending", node: str = "node-1") -> None:
    raw: dict[str, Any] = {"metadata": {"namespace": namespace, "name": name}}
    spec = {"nodeName": node, "containers": [{"name": "main", "image": "nginx"}]}
    server.put("pods", {**raw, "spec": spec, "status": {"phase": phase}})


def reflect(
    connection: AiohttpClient, namespaces: Sequence[str] = (), timing: Timing | None = None
) -> Reflector[PodRecord] | MultiNamespaceReflector[PodRecord]:
    return reflect_namespaces(connection, PENDING_PODS, namespaces, timing=timing)


def keys(event: WatchEvent[PodRecord]) -> list[str]:
    assert isinstance(event, Replaced)
    return sorted(pod.key for pod in event.items)


async def test_only_scheduled_pods_that_wait(server: FakeApiServer, connection: AiohttpClient) -> None:
    """Running and unscheduled pods are not transferred; one that starts to run is `Deleted`."""
    put(server, "a", "waiting")
    put(server, "a", "running", phase="Running")
    put(server, "b", "unscheduled", node="")
    reflector = reflect(connection)
    async with aclosing(reflector.watch()) as events:
        assert keys(await anext(events)) == ["a/waiting"]
        put(server, "b", "unscheduled")
        event = await anext(events)
        assert isinstance(event, Upserted)
        assert event.item.key == "b/unscheduled"
        put(server, "a", "waiting", phase="Running")
        assert await anext(events) == Deleted("a/waiting")
    assert [health.resource for health in reflector.healths] == ["pods"]


async def test_one_namespace_is_watched_alone(server: FakeApiServer, connection: AiohttpClient) -> None:
    """No permissions beyond the namespace are needed."""
    put(server, "a", "one")
    put(server, "b", "two")
    async with aclosing(reflect(connection, ["a"]).watch()) as events:
        assert keys(await anext(events)) == ["a/one"]

    assert {seen.path for seen in server.seen} == {"/api/v1/namespaces/a/pods"}


async def test_several_namespaces_are_one_watch(server: FakeApiServer, connection: AiohttpClient) -> None:
    """Each list has the known pods of the other namespaces; a third namespace is excluded."""
    for namespace in "abc":
        put(server, namespace, "one")
    reflector = reflect(connection, ["a", "b", "a"])
    async with aclosing(reflector.watch()) as events:
        first, second = keys(await anext(events)), keys(await anext(events))
        assert len(first) == 1
        assert second == ["a/one", "b/one"]
        assert all(health.synced for health in reflector.healths)

        put(server, "c", "two")
        put(server, "b", "two")
        event = await anext(events)
        assert isinstance(event, Upserted)
        assert event.item.key == "b/two"


async def test_a_new_list_replaces_one_namespace(server: FakeApiServer, connection: AiohttpClient) -> None:
    """A relist of one namespace keeps the pods of the other."""
    time = FakeTime()
    put(server, "a", "one")
    put(server, "b", "one")
    async with aclosing(reflect(connection, ["a", "b"], timing=time.timing).watch()) as events:
        await anext(events)
        await anext(events)
        waiting = asyncio.create_task(anext(events))
        await server.reached("watch", 2)
        server.faults["watch"] = [status(410)]  # for the first of the two that reconnects
        put(server, "a", "two")
        assert isinstance(await waiting, Upserted)
        server.end_watches()
        event = await anext(events)

        assert keys(event) == ["a/one", "a/two", "b/one"]


async def test_a_forbidden_namespace_does_not_delay_others(server: FakeApiServer, connection: AiohttpClient) -> None:
    """The permitted namespace is shown; the problem of the other is in its health."""
    put(server, "b", "one")

    async def wait_for_ever(seconds: float) -> None:
        await asyncio.Event().wait()

    timing = replace(FakeTime().timing, sleep=wait_for_ever)
    server.faults["list"] = [status(403, "pods is forbidden")]
    reflector = reflect(connection, ["a", "b"], timing=timing)
    async with aclosing(reflector.watch()) as events:
        listed = keys(await anext(events))

    synced = {health.resource: health.synced for health in reflector.healths}
    assert sorted(synced.values()) == [False, True]
    assert listed == (["b/one"] if synced["pods of b"] else [])
    [problem] = [health.problem for health in reflector.healths if not health.synced]
    assert problem
    assert "missing permission to list and watch pods in namespace" in problem
