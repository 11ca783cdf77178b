"""Events of pods, on the fake and the real API server: one object for each pod and reason, for all writers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulltrace.kube.client.api import MERGE_PATCH
from pulltrace.kube.errors import ApiError
from pulltrace.kube.resources.event_recorder import EventRecorder, KubernetesEvent
from tests.cluster.control_plane import ControlPlane
from tests.conformance.servers import Server

NOW = 1_763_910_000.0


@pytest.fixture
def event(server: Server) -> KubernetesEvent:
    """An Event about a pod in the server's namespace."""
    return KubernetesEvent(
        server.namespace, "web-1", "uid-1", "ImagePullProgress", "31 % pulled", "spec.containers{web}"
    )


def writer(server: Server, instance: str = "aggregator-1", now: float = NOW) -> EventRecorder:
    return EventRecorder(server.connection, instance, wall=lambda: now)


async def events(server: Server) -> list[dict[str, Any]]:
    _, found = await server.connection.request("GET", f"/api/v1/namespaces/{server.namespace}/events")
    items: list[dict[str, Any]] = found["items"]
    return items


async def test_a_repetition_is_the_same_object(server: Server, event: KubernetesEvent) -> None:
    """It has the newest message and the count; another reason is another object."""
    mouth = writer(server)
    for text in ("31 % pulled", "61 % pulled", "90 % pulled"):
        await mouth.write(replace(event, note=text))
    await mouth.write(replace(event, reason="ImagePullStalled", warning=True))

    first, second = sorted(await events(server), key=lambda one: str(one["reason"]))
    assert (first["message"], first["series"]["count"], first["count"]) == ("90 % pulled", 3, 3)
    assert (second["type"], second.get("series")) == ("Warning", None)


async def test_a_new_leader_goes_on_with_it(server: Server, event: KubernetesEvent) -> None:
    """The count continues, also after a single occurrence."""
    await writer(server).write(event)
    await writer(server, "aggregator-2").write(replace(event, note="61 % pulled"))
    await writer(server, "aggregator-3", NOW + 60).write(replace(event, note="90 % pulled"))

    [found] = await events(server)
    assert (found["message"], found["series"]["count"]) == ("90 % pulled", 3)
    assert found["reportingInstance"] == "aggregator-3"
    assert found["eventTime"] == "2025-11-23T15:00:00.000000Z"
    assert found["series"]["lastObservedTime"] == "2025-11-23T15:01:00.000000Z"


async def test_an_event_that_has_run_out_is_made_again(server: Server, event: KubernetesEvent) -> None:
    """The API server keeps Events for an hour."""
    mouth = writer(server)
    await mouth.write(event)
    path = f"/api/v1/namespaces/{server.namespace}/events/{event.name}"
    await server.connection.request("DELETE", path)
    await mouth.write(replace(event, note="61 % pulled"))
    await mouth.write(replace(event, note="90 % pulled"))

    [found] = await events(server)
    assert (found["message"], found["series"]["count"]) == ("90 % pulled", 2)


async def test_the_longest_names_and_notes_are_taken(server: Server, event: KubernetesEvent) -> None:
    """The API server accepts objects at its limits."""
    long = replace(event, pod="a." * 126 + "a", note="ü" * 2000)
    mouth = writer(server, "i" * 300)
    for _ in range(2):
        await mouth.write(long)

    assert len(await events(server)) == 1


@pytest.mark.real("etcd")
async def test_the_other_api_does_not_let_a_text_change(control_plane: ControlPlane) -> None:
    """Events are written through the core API, because events.k8s.io does not allow a change of the note."""
    from pulltrace.kube.client.aiohttp_client import connect

    control_plane.create_service_account("notes", "default")
    event = KubernetesEvent("notes", "web-1", "uid-1", "ImagePullProgress", "31 % pulled")
    async with await connect(str(control_plane.kubeconfig)) as connection:
        await EventRecorder(connection, "a").write(event)
        path = f"/apis/events.k8s.io/v1/namespaces/notes/events/{event.name}"
        _, found = await connection.request("GET", path)
        with pytest.raises(ApiError, match="immutable"):
            await connection.request("PATCH", path, body={"note": "61 % pulled"}, content_type=MERGE_PATCH)

    assert (found["reportingController"], found["note"]) == ("pulltrace.io/aggregator", "31 % pulled")


@pytest.mark.real("etcd")
async def test_kubectl_describe_shows_it(control_plane: ControlPlane) -> None:
    """One line for each reason: type, reason, age and count, component, and the newest message."""
    from pulltrace.kube.client.aiohttp_client import connect

    control_plane.create_service_account("describe", "default")
    spec = {"nodeName": "node-1", "containers": [{"name": "web", "image": "nginx:1.27"}]}
    pod = control_plane.admin.create("/api/v1/namespaces/describe/pods", {"metadata": {"name": "web-1"}, "spec": spec})
    event = KubernetesEvent(
        "describe", "web-1", pod["metadata"]["uid"], "ImagePullProgress", "31 % pulled", "spec.containers{web}"
    )
    async with await connect(str(control_plane.kubeconfig)) as connection:
        mouth = EventRecorder(connection, "pulltrace-aggregator-0")
        await mouth.write(replace(event, reason="ImagePullQueued", note="waits behind redis"))
        for text in ("31 % pulled", "61 % pulled"):
            await mouth.write(replace(event, note=text))
    described = control_plane.kubectl("describe", "pod", "-n", "describe", "web-1")
    lines = [line.split() for line in described.partition("Events:")[2].splitlines()[3:]]
    by_reason = {line[1]: line for line in lines}

    assert by_reason["ImagePullQueued"][0] == "Normal"
    assert by_reason["ImagePullQueued"][3:] == ["pulltrace.io/aggregator", "waits", "behind", "redis"]
    assert by_reason["ImagePullProgress"][3:5] == ["(x2", "over"]
    assert by_reason["ImagePullProgress"][6:] == ["pulltrace.io/aggregator", "61", "%", "pulled"]
