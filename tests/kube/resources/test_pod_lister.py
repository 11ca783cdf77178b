"""Single pods and workloads: lists only, few of them, and never of other objects."""

from __future__ import annotations

import asyncio

import pytest

from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.errors import ApiError, ApiUnreachable
from pulltrace.kube.resources.pod_lister import (
    ABSENT_TTL_SECONDS,
    MAX_REQUESTS,
    PAGE_PAUSE_SECONDS,
    TTL_SECONDS,
    TTL_SECONDS_A_PAGE,
    PodLister,
)
from pulltrace.pulls.view import PodLookup, Workload
from tests.builders.virtual_time import FakeTime
from tests.fakes.api_server import FakeApiServer, Raw
from tests.fakes.api_server_faults import hang, status

WEB = Workload("shop", "Deployment", "web")
THERE: Raw = {"name": "main", "imageID": "sha256:1", "state": {"running": {}}}
WAITING: Raw = {"name": "main", "imageID": "", "state": {"waiting": {"reason": "ContainerCreating"}}}


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def lookup(connection: AiohttpClient, time: FakeTime) -> PodLister:
    return PodLister(connection, timing=time.timing)


def put(
    server: FakeApiServer, name: str, state: Raw, *, namespace: str = "shop", phase: str = "Running", **more: object
) -> None:
    owner = {"kind": "ReplicaSet", "name": "web-7d4b9", "controller": True}
    labels = {"pod-template-hash": "7d4b9"}
    metadata = {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": [owner], **more}
    spec = {"nodeName": "node-1", "containers": [{"name": "main", "image": "nginx"}]}
    server.put("pods", {"metadata": metadata, "spec": spec, "status": {"phase": phase, "containerStatuses": [state]}})


async def test_it_is_a_pod_lookup(lookup: PodLister) -> None:
    """It keeps the contract that the web server knows."""
    pod_lookup: PodLookup = lookup

    assert await pod_lookup.has_images("shop", "web-1", lambda: None) is None


async def test_a_pod_in_any_phase(server: FakeApiServer, lookup: PodLister) -> None:
    """A running pod has its images, a created one has not, an absent one is None."""
    put(server, "web-1", THERE)
    put(server, "web-2", WAITING, phase="Pending")
    found = await lookup.find("shop", "web-2")

    assert [await lookup.has_images("shop", f"web-{number}") for number in (1, 2, 3)] == [True, False, None]
    assert found
    assert (found.key, found.workload, [wait.image for wait in found.waiting]) == ("shop/web-2", WEB, ["nginx"])
    assert await lookup.find("shop", "web-3") is None
    assert {(seen.kind, seen.params["fieldSelector"][:17]) for seen in server.seen} == {("list", "metadata.name=web")}


async def test_a_pod_that_ends_before_it_had_its_images(server: FakeApiServer, lookup: PodLister) -> None:
    """Its pulls have ended, but it may lack its images."""
    put(server, "web-1", WAITING, phase="Pending", deletionTimestamp="2026-11-24T06:00:00Z")
    found = await lookup.find("shop", "web-1")

    assert found
    assert (found.ending, found.waiting, await lookup.has_images("shop", "web-1")) == (True, (), False)


async def test_a_workload_in_pages(server: FakeApiServer, connection: AiohttpClient) -> None:
    """Its pods are counted over all pages; other, deleted and failed pods are not."""
    lookup = PodLister(connection, page_pods=2)
    for number in range(5):
        put(server, f"web-{number}", THERE if number < 3 else WAITING)
    put(server, "ending", THERE, deletionTimestamp="2026-11-24T06:00:00Z")
    put(server, "evicted", WAITING, phase="Failed")
    put(server, "other", THERE, ownerReferences=[])
    put(server, "elsewhere", THERE, namespace="other")

    assert await lookup.pods_with_images(WEB) == (5, 3)
    assert await lookup.pods_with_images(Workload("shop", "Pod", "other")) == (1, 1)
    assert await lookup.pods_with_images(Workload("shop", "Deployment", "none")) == (0, 0)
    assert [seen.kind for seen in server.seen] == ["list"] * 4


async def test_pages_have_a_bound(server: FakeApiServer, connection: AiohttpClient) -> None:
    """A namespace with too many pods is an error: some pods of a workload may not have been counted."""
    lookup = PodLister(connection, page_pods=2, max_pages=2)
    for number in range(5):
        put(server, f"web-{number}", THERE)

    for _ in range(2):
        with pytest.raises(ApiUnreachable, match="namespace shop has more than 4 pods"):
            await lookup.pods_with_images(WEB)
    assert server.count("list") == 2


async def test_a_pod_with_its_images_is_requested_each_time(server: FakeApiServer, lookup: PodLister) -> None:
    """Another pod of the same name may have come since."""
    put(server, "web-0", THERE, uid="1")
    assert await lookup.has_images("shop", "web-0") is True
    put(server, "web-0", WAITING, uid="2", phase="Pending")

    assert await lookup.has_images("shop", "web-0") is False


async def test_a_response_is_kept_for_some_seconds(server: FakeApiServer, lookup: PodLister, time: FakeTime) -> None:
    """A repeated call has the same response without a request, until it expires."""
    put(server, "web-1", WAITING)
    assert await lookup.has_images("shop", "web-1") is False
    put(server, "web-1", THERE)
    time.now += TTL_SECONDS - 0.1
    assert await lookup.has_images("shop", "web-1") is False
    time.now += 0.1

    assert await lookup.has_images("shop", "web-1") is True
    assert server.count("list") == 2


async def test_an_absent_pod_is_kept_for_longer(server: FakeApiServer, lookup: PodLister, time: FakeTime) -> None:
    """An absent pod and an empty namespace are kept for longer."""
    for seconds in (0, ABSENT_TTL_SECONDS - 0.1, 0.1):
        time.now += seconds
        assert await lookup.has_images("shop", "web-9") is None
        assert await lookup.pods_with_images(WEB) == (0, 0)

    assert server.count("list") == 4


async def test_a_namespace_is_counted_once_for_all(
    server: FakeApiServer, connection: AiohttpClient, time: FakeTime
) -> None:
    """Ever-new workloads cost no further request, pages come one by one with pauses, and a long count is kept for longer."""
    lookup = PodLister(connection, page_pods=1, timing=time.timing)
    for number in range(20):
        put(server, f"web-{number}", THERE)
    asked = await asyncio.gather(
        *(lookup.pods_with_images(Workload("shop", "Deployment", f"x-{one}")) for one in range(50))
    )
    assert asked == [(0, 0)] * 50
    assert (server.count("list"), time.slept) == (20, [PAGE_PAUSE_SECONDS] * 19)
    time.now += 20 * TTL_SECONDS_A_PAGE - 0.1
    assert await lookup.pods_with_images(WEB) == (20, 20)
    assert server.count("list") == 20


async def test_a_client_that_is_not_admitted(server: FakeApiServer, lookup: PodLister) -> None:
    """It gets kept responses and sends no request."""
    put(server, "web-1", WAITING)

    def refuse() -> None:
        raise PermissionError("not now")

    assert await lookup.has_images("shop", "web-1") is False
    assert await lookup.has_images("shop", "web-1", refuse) is False
    for ask in (lookup.has_images("shop", "web-2", refuse), lookup.pods_with_images(WEB, refuse)):
        with pytest.raises(PermissionError):
            await ask
    assert server.count("list") == 1


async def test_clients_do_not_hold_up_the_aggregator(server: FakeApiServer, lookup: PodLister) -> None:
    """While all requests for clients hang, the aggregator's own request is sent."""
    server.faults["list"] = [hang() for _ in range(MAX_REQUESTS)]
    asking = [asyncio.create_task(lookup.has_images("shop", f"web-{number}")) for number in range(20)]
    await server.reached("list", MAX_REQUESTS)
    put(server, "own", WAITING)
    found = await lookup.find("shop", "own")
    assert found
    for task in asking:
        task.cancel()


async def test_many_callers_at_once(server: FakeApiServer, lookup: PodLister) -> None:
    """They share one request, and a cancelled one does not cancel it for the others."""
    put(server, "web-1", THERE)
    asking = [asyncio.create_task(lookup.has_images("shop", "web-1")) for _ in range(5)]
    await server.reached("list", 1)
    asking[0].cancel()

    assert await asyncio.gather(*asking[1:]) == [True] * 4
    assert server.count("list") == 1


async def test_few_requests_at_a_time(server: FakeApiServer, lookup: PodLister) -> None:
    """Requests for other pods are queued."""
    server.faults["list"] = [hang() for _ in range(10)]
    asking = [asyncio.create_task(lookup.has_images("shop", f"web-{number}")) for number in range(10)]
    await server.reached("list", MAX_REQUESTS)
    for _ in range(20):
        await asyncio.sleep(0)

    assert server.count("list") == MAX_REQUESTS
    for task in asking:
        task.cancel()


async def test_all_callers_get_the_error(server: FakeApiServer, lookup: PodLister) -> None:
    """An error is kept for some seconds."""
    server.faults["list"] = [status(403, "pods is forbidden")]
    for _ in range(2):
        with pytest.raises(ApiError, match="403"):
            await lookup.has_images("shop", "web-1")

    assert server.count("list") == 1


HOSTILE = ("", "a,b", "a=b", "../pods", "a b", "A", "a\n", "-a", "a" * 300, "ä")


@pytest.mark.parametrize(
    ("namespace", "name"), [*(("shop", name) for name in HOSTILE), *((name, "web-1") for name in HOSTILE)]
)
async def test_an_invalid_name_is_not_requested(
    server: FakeApiServer, lookup: PodLister, namespace: str, name: str
) -> None:
    """Clients choose names, which must not become another selector or another path."""
    assert await lookup.has_images(namespace, name) is None
    assert await lookup.pods_with_images(Workload(namespace, "Job", name)) == (0, 0)
    assert {seen.path for seen in server.seen} <= {"/api/v1/namespaces/shop/pods"}
    assert not any("fieldSelector" in seen.params for seen in server.seen)


async def test_namespaces_that_are_not_shown(server: FakeApiServer, connection: AiohttpClient) -> None:
    """Pods of invisible namespaces are absent."""
    put(server, "web-1", THERE)
    lookup = PodLister(connection, ["other"])

    assert await lookup.find("shop", "web-1") is None
    assert await lookup.pods_with_images(WEB) == (0, 0)
    assert server.seen == []
