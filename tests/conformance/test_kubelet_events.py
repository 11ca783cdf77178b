"""Kubelets' Events and lists of pods, on the fake API server and on a real one."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from pulltrace.kube.client.api import MERGE_PATCH
from pulltrace.kube.resources.kubelet_events import KUBELET_EVENTS, EventKind
from pulltrace.kube.resources.pod_lister import PodLister
from pulltrace.kube.watch.multi_namespace import reflect_namespaces
from pulltrace.kube.watch.watch_events import Replaced, Upserted
from pulltrace.pulls.view import Workload
from tests.builders.events import Raw, event_object
from tests.conformance.servers import Server


async def write(server: Server, name: str, raw: Raw) -> None:
    """Write an Event as the kubelet does."""
    involved = {**raw["involvedObject"], "namespace": server.namespace}
    body = {**raw, "metadata": {"name": name, "namespace": server.namespace}, "involvedObject": involved}
    await server.connection.request("POST", f"/api/v1/namespaces/{server.namespace}/events", body=body)


def pulling(image: str) -> Raw:
    return event_object("Pulling", f'Pulling image "{image}"')


async def test_events_about_images(server: Server) -> None:
    """Only kubelets' Events about images come: first the list, then new ones."""
    other = pulling("other")
    await write(server, "one", pulling("one"))
    await write(server, "created", event_object("Created", "Created container: main"))
    await write(server, "other", {**other, "source": {"component": "pulltrace"}, "reportingComponent": ""})
    async with aclosing(reflect_namespaces(server.connection, KUBELET_EVENTS, [server.namespace]).watch()) as events:
        listed = await anext(events)
        await write(server, "crash", event_object("BackOff", "Back-off restarting failed container main"))
        await write(server, "two", event_object("Failed", 'Failed to pull image "two": two: not found'))
        put = await anext(events)

    assert isinstance(listed, Replaced)
    assert isinstance(put, Upserted)
    records = [*listed.items, put.item]
    assert [(one.kind, one.image) for one in records] == [(EventKind.PULLING, "one"), (EventKind.FAILED, "two")]
    assert {(one.namespace, one.pod, one.container, one.node, one.at) for one in records} == {
        (server.namespace, "web-1", "main", "node-1", 1_795_500_010.0)
    }


async def test_one_event_has_the_current_version(server: Server) -> None:
    """A watch from the version of a list of one Event has only later Events."""
    path = f"/api/v1/namespaces/{server.namespace}/events"
    for number in range(3):
        await write(server, f"old-{number}", pulling("old"))
    _, page = await server.connection.request("GET", path, params={"limit": "1"})
    params = {"watch": "true", "resourceVersion": page["metadata"]["resourceVersion"], "timeoutSeconds": "300"}
    await write(server, "new", pulling("new"))
    async with aclosing(server.connection.stream(path, params)) as lines:
        line = await anext(lines)

    assert isinstance(line, bytes)
    assert b"old-" not in line
    assert b"new" in line


async def test_events_have_no_bookmarks(server: Server) -> None:
    """A watch without a matching Event ends without a version, although others have been written."""
    path = f"/api/v1/namespaces/{server.namespace}/events"
    _, page = await server.connection.request("GET", path, params={"limit": "1"})
    version = page["metadata"]["resourceVersion"]
    params = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version, "timeoutSeconds": "5"}
    stream = server.connection.stream(path, {**params, "fieldSelector": "reason=Other"})
    async with aclosing(stream) as lines:
        reading = asyncio.create_task(anext(lines, None))
        await write(server, "new", pulling("new"))

        assert await reading is None


async def test_pods_are_found(server: Server) -> None:
    """A pod by its name, in any phase; and the number of a workload's pods with their images."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7d4b9", "uid": "u", "controller": True}
    path = f"/api/v1/namespaces/{server.namespace}/pods"
    for name in ("web-1", "web-2"):
        metadata = {"name": name, "labels": {"pod-template-hash": "7d4b9"}, "ownerReferences": [owner]}
        spec = {"nodeName": "node-1", "containers": [{"name": "main", "image": "nginx"}]}
        await server.connection.request("POST", path, body={"metadata": metadata, "spec": spec})
    status = {"name": "main", "image": "nginx", "imageID": "sha256:1", "ready": True, "restartCount": 0}
    running = {"phase": "Running", "containerStatuses": [{**status, "state": {"running": {}}}]}
    await server.connection.request("PATCH", f"{path}/web-1/status", body={"status": running}, content_type=MERGE_PATCH)
    lookup = PodLister(server.connection)
    workload = Workload(server.namespace, "Deployment", "web")
    found = await lookup.find(server.namespace, "web-2")

    assert found
    assert (found.node, found.workload, [wait.image for wait in found.waiting]) == ("node-1", workload, ["nginx"])
    assert [await lookup.has_images(server.namespace, f"web-{number}") for number in (1, 2, 3)] == [True, False, None]
    assert await lookup.pods_with_images(workload) == (2, 1)
