"""Behaviour of an API server on which Pulltrace relies, asserted on the fake one and on a real one.

Faults on demand, such as expired pages, are in tests/kube/.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson
import pytest

from pulltrace.kube.client.api import MERGE_PATCH
from pulltrace.kube.errors import ApiError
from pulltrace.kube.resources.pending_pods import SELECTOR
from tests.conformance.servers import Server

Raw = dict[str, Any]

FOREVER = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": "300"}


def leases(server: Server, name: str = "") -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{server.namespace}/leases" + (f"/{name}" if name else "")


def pods(server: Server, name: str = "") -> str:
    return f"/api/v1/namespaces/{server.namespace}/pods" + (f"/{name}" if name else "")


async def create_lease(server: Server, name: str, **metadata: Any) -> Raw:
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name, **metadata}}
    _, lease = await server.connection.request("POST", leases(server), body=body)
    return dict(lease)


async def create_pod(server: Server, name: str, node: str) -> None:
    spec: Raw = {"containers": [{"name": "main", "image": "nginx"}], **({"nodeName": node} if node else {})}
    await server.connection.request("POST", pods(server), body={"metadata": {"name": name}, "spec": spec})


async def merge(server: Server, path: str, body: Raw) -> Raw:
    _, raw = await server.connection.request("PATCH", path, body=body, content_type=MERGE_PATCH)
    return dict(raw)


async def listed(server: Server, path: str, **params: str) -> Raw:
    _, raw = await server.connection.request("GET", path, params=params)
    return dict(raw)


async def watch(server: Server, path: str, **params: str) -> AsyncGenerator[tuple[str, Raw], None]:
    async with aclosing(server.connection.stream(path, {**FOREVER, **params})) as lines:
        async for line in lines:
            assert isinstance(line, bytes)
            event = orjson.loads(line)
            yield event["type"], event["object"]


def names(raw: Raw) -> list[str]:
    return [item["metadata"]["name"] for item in raw["items"]]


@pytest.mark.parametrize("version", ["", "0"])
async def test_a_list_is_read_object_by_object(server: Server, version: str) -> None:
    """Each object of a page comes by itself, as it is, and the list's metadata at the end: the version, and the next page."""
    for number in range(3):
        await create_lease(server, f"node-{number}", annotations={"a": '"},{"metadata":{"<'})
    params = {"limit": "500", "resourceVersion": version} if version else {"limit": "2"}
    whole = await listed(server, leases(server), **params)

    pieces: list[Any] = []
    metadata = await server.connection.list_page(leases(server), params, pieces.append)

    assert pieces == whole["items"]
    assert len(pieces) == (3 if version else 2)
    assert bool(metadata.get("continue")) is not bool(version)
    assert metadata["resourceVersion"]


async def test_merge_patch_changes_only_what_it_names(server: Server) -> None:
    """Keys that a merge patch does not name stay, and null removes one."""
    await create_lease(server, "node-1", annotations={"a": "1", "b": "2"})

    lease = await merge(server, leases(server, "node-1"), {"metadata": {"annotations": {"b": None, "c": "3"}}})

    assert lease["metadata"]["annotations"] == {"a": "1", "c": "3"}


async def test_fields_are_not_managed_once_that_was_ended(server: Server) -> None:
    """An empty entry in managedFields clears them, for later patches as well."""
    await create_lease(server, "node-1")
    path = leases(server, "node-1")

    ended = await merge(server, path, {"metadata": {"managedFields": [{}], "annotations": {"a": "1"}}})
    later = await merge(server, path, {"metadata": {"annotations": {"b": "2"}}})

    assert "managedFields" not in ended["metadata"]
    assert "managedFields" not in later["metadata"]
    assert later["metadata"]["annotations"] == {"a": "1", "b": "2"}


async def test_errors_carry_a_status_and_a_message(server: Server) -> None:
    """Absent is 404, present is 409, an unknown kind of body is 415, and each message names the object."""
    await create_lease(server, "node-1")

    with pytest.raises(ApiError, match=r'404 .*"node-2" not found'):
        await merge(server, leases(server, "node-2"), {})
    with pytest.raises(ApiError, match=r'409 .*"node-1" already exists'):
        await create_lease(server, "node-1")
    with pytest.raises(ApiError, match="415"):
        await server.connection.request("PATCH", leases(server, "node-1"), body={}, content_type="text/plain")


async def test_a_wrong_token_is_401(server: Server) -> None:
    """An unknown token is 401, in lists and in watches."""
    async with server.with_token("wrong") as stranger:
        with pytest.raises(ApiError, match="401"):
            await stranger.request("GET", leases(server))
        with pytest.raises(ApiError, match="401"):
            await anext(stranger.stream(leases(server), FOREVER))


async def test_lists_come_in_pages(server: Server) -> None:
    """A limit cuts a list in pages of one and the same version."""
    for number in range(5):
        await create_lease(server, f"node-{number}")

    first = await listed(server, leases(server), limit="2")
    await create_lease(server, "node-later")
    token = {"continue": first["metadata"]["continue"]}
    second = await listed(server, leases(server), limit="2", **token)
    last = await listed(server, leases(server), limit="2", **{"continue": second["metadata"]["continue"]})

    assert [names(page) for page in (first, second, last)] == [["node-0", "node-1"], ["node-2", "node-3"], ["node-4"]]
    assert not last["metadata"].get("continue")
    assert first["metadata"]["resourceVersion"] == last["metadata"]["resourceVersion"]


async def test_a_list_from_the_cache_comes_whole(server: Server) -> None:
    """With resourceVersion=0 the limit does not hold, or does so with pages: either way nothing is lost."""
    for number in range(3):
        await create_lease(server, f"node-{number}")
    await listed(server, leases(server), limit="1")  # a consistent read: the cache has caught up with it

    page = await listed(server, leases(server), limit="2", resourceVersion="0")
    found = names(page)
    while token := page["metadata"].get("continue"):
        page = await listed(server, leases(server), limit="2", **{"continue": token})
        found += names(page)

    assert found == ["node-0", "node-1", "node-2"]


async def test_a_watch_goes_on_from_the_list(server: Server) -> None:
    """Every change after the list's version comes, in order, and nothing before it."""
    await create_lease(server, "before")
    version = (await listed(server, leases(server)))["metadata"]["resourceVersion"]
    await create_lease(server, "node-1")
    async with aclosing(watch(server, leases(server), resourceVersion=version)) as events:
        added = await anext(events)
        await merge(server, leases(server, "node-1"), {"spec": {"holderIdentity": "agent"}})
        modified = await anext(events)
        await server.connection.request("DELETE", leases(server, "node-1"))
        deleted = await anext(events)

    assert [(kind, raw["metadata"]["name"]) for kind, raw in (added, modified, deleted)] == [
        ("ADDED", "node-1"),
        ("MODIFIED", "node-1"),
        ("DELETED", "node-1"),
    ]
    versions = [int(raw["metadata"]["resourceVersion"]) for _, raw in (added, modified, deleted)]
    assert int(version) < versions[0] < versions[1] < versions[2]


async def test_an_expired_version_is_410_inside_the_watch(server: Server) -> None:
    """A version from before the server's memory is answered with 200 and an error event."""
    await create_lease(server, "node-1")

    events = [event async for event in watch(server, leases(server), resourceVersion="1")]

    assert [(kind, raw["code"], raw["reason"]) for kind, raw in events] == [("ERROR", 410, "Expired")]


async def test_a_watch_ends_after_its_time_with_a_bookmark(server: Server) -> None:
    """Before its timeout a watch sends the newest version, after changes that its selectors exclude."""
    version = (await listed(server, leases(server)))["metadata"]["resourceVersion"]
    await create_lease(server, "node-1", labels={"shown": "yes"})
    params = {"labelSelector": "shown=yes", "resourceVersion": version, "timeoutSeconds": "5"}
    async with aclosing(watch(server, leases(server), **params)) as events:
        await anext(events)
        other = await create_lease(server, "leader")
        received = [event async for event in events]

    assert {kind for kind, _ in received} == {"BOOKMARK"}
    assert int(received[-1][1]["metadata"]["resourceVersion"]) >= int(other["metadata"]["resourceVersion"])


async def test_a_label_selector_leaves_others_out(server: Server) -> None:
    """Lists and watches have only objects with the label."""
    selector = {"labelSelector": "app.kubernetes.io/name=pulltrace,app.kubernetes.io/component=agent"}
    labels = {"app.kubernetes.io/name": "pulltrace", "app.kubernetes.io/component": "agent"}
    await create_lease(server, "leader")
    await create_lease(server, "node-1", labels=labels)

    found = await listed(server, leases(server), **selector)
    version = found["metadata"]["resourceVersion"]
    await create_lease(server, "leader-2")
    await create_lease(server, "node-2", labels=labels)
    async with aclosing(watch(server, leases(server), resourceVersion=version, **selector)) as events:
        kind, raw = await anext(events)

    assert names(found) == ["node-1"]
    assert (kind, raw["metadata"]["name"]) == ("ADDED", "node-2")


async def test_pending_pods_on_nodes(server: Server) -> None:
    """Our field selector shows pods once they have a node, and one that starts to run as deleted."""
    await create_pod(server, "unscheduled", "")
    await create_pod(server, "waiting", "node-1")

    found = await listed(server, pods(server), fieldSelector=SELECTOR)
    version = found["metadata"]["resourceVersion"]
    async with aclosing(watch(server, pods(server), resourceVersion=version, fieldSelector=SELECTOR)) as events:
        await merge(server, pods(server, "waiting") + "/status", {"status": {"phase": "Running"}})
        kind, raw = await anext(events)

    assert names(found) == ["waiting"]
    assert (kind, raw["metadata"]["name"]) == ("DELETED", "waiting")
