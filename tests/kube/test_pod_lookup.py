"""Questions about pods and workloads: lists only, few of them, and never more than was asked for."""

from __future__ import annotations

import asyncio

import pytest

from pulltrace.kube.client.aiohttp_client import Connection
from pulltrace.kube.errors import ApiError, ApiUnreachable
from pulltrace.kube.resources.pod_lister import (
    ABSENT_SECONDS,
    HOLDS_SECONDS,
    HOLDS_SECONDS_A_PAGE,
    PAGE_PAUSE_SECONDS,
    REQUESTS,
    KubePodLookup,
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
def lookup(connection: Connection, time: FakeTime) -> KubePodLookup:
    return KubePodLookup(connection, timing=time.timing)


def put(
    server: FakeApiServer, name: str, state: Raw, *, namespace: str = "shop", phase: str = "Running", **more: object
) -> None:
    owner = {"kind": "ReplicaSet", "name": "web-7d4b9", "controller": True}
    labels = {"pod-template-hash": "7d4b9"}
    metadata = {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": [owner], **more}
    spec = {"nodeName": "node-1", "containers": [{"name": "main", "image": "nginx"}]}
    server.put("pods", {"metadata": metadata, "spec": spec, "status": {"phase": phase, "containerStatuses": [state]}})


async def test_it_is_what_the_server_asks(lookup: KubePodLookup) -> None:
    """It keeps the contract that the web server knows."""
    asked: PodLookup = lookup

    assert await asked.has_images("shop", "web-1", lambda: None) is None


async def test_a_pod_in_any_phase(server: FakeApiServer, lookup: KubePodLookup) -> None:
    """One that runs has its images, one that is being created has not, one that is not there is None."""
    put(server, "web-1", THERE)
    put(server, "web-2", WAITING, phase="Pending")
    found = await lookup.find("shop", "web-2")

    assert [await lookup.has_images("shop", f"web-{number}") for number in (1, 2, 3)] == [True, False, None]
    assert found
    assert (found.key, found.workload, [wait.image for wait in found.waiting]) == ("shop/web-2", WEB, ["nginx"])
    assert await lookup.find("shop", "web-3") is None
    assert {(seen.kind, seen.params["fieldSelector"][:17]) for seen in server.seen} == {("list", "metadata.name=web")}


async def test_a_pod_that_ends_before_it_had_its_images(server: FakeApiServer, lookup: KubePodLookup) -> None:
    """Nothing is pulled for it any more, and that does not mean that it has them."""
    put(server, "web-1", WAITING, phase="Pending", deletionTimestamp="2026-11-24T06:00:00Z")
    found = await lookup.find("shop", "web-1")

    assert found
    assert (found.ending, found.waiting, await lookup.has_images("shop", "web-1")) == (True, (), False)


async def test_a_workload_in_pages(server: FakeApiServer, connection: Connection) -> None:
    """Its pods are counted over all pages; those of others, those that end and those given up are not."""
    lookup = KubePodLookup(connection, page_pods=2)
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


async def test_pages_have_a_bound(server: FakeApiServer, connection: Connection) -> None:
    """Of a namespace with too many pods no workload is told: some of its pods may not have been counted."""
    lookup = KubePodLookup(connection, page_pods=2, pages=2)
    for number in range(5):
        put(server, f"web-{number}", THERE)

    for _ in range(2):
        with pytest.raises(ApiUnreachable, match="namespace shop has more than 4 pods"):
            await lookup.pods_with_images(WEB)
    assert server.count("list") == 2


async def test_that_a_pod_has_its_images_is_asked_each_time(server: FakeApiServer, lookup: KubePodLookup) -> None:
    """Another pod of the same name may have come since."""
    put(server, "web-0", THERE, uid="1")
    assert await lookup.has_images("shop", "web-0") is True
    put(server, "web-0", WAITING, uid="2", phase="Pending")

    assert await lookup.has_images("shop", "web-0") is False


async def test_an_answer_holds_for_some_seconds(server: FakeApiServer, lookup: KubePodLookup, time: FakeTime) -> None:
    """Who asks again soon is told the same without a request; later it is asked anew."""
    put(server, "web-1", WAITING)
    assert await lookup.has_images("shop", "web-1") is False
    put(server, "web-1", THERE)
    time.now += HOLDS_SECONDS - 0.1
    assert await lookup.has_images("shop", "web-1") is False
    time.now += 0.1

    assert await lookup.has_images("shop", "web-1") is True
    assert server.count("list") == 2


async def test_what_is_absent_stays_so_for_longer(server: FakeApiServer, lookup: KubePodLookup, time: FakeTime) -> None:
    """That there is no such pod, or no pod in a namespace, is not asked again for a while."""
    for seconds in (0, ABSENT_SECONDS - 0.1, 0.1):
        time.now += seconds
        assert await lookup.has_images("shop", "web-9") is None
        assert await lookup.pods_with_images(WEB) == (0, 0)

    assert server.count("list") == 4


async def test_a_namespace_is_counted_once_for_all(
    server: FakeApiServer, connection: Connection, time: FakeTime
) -> None:
    """Ever-new workloads cost no further request, pages come one by one with pauses, and a long count is kept for longer."""
    lookup = KubePodLookup(connection, page_pods=1, timing=time.timing)
    for number in range(20):
        put(server, f"web-{number}", THERE)
    asked = await asyncio.gather(
        *(lookup.pods_with_images(Workload("shop", "Deployment", f"x-{one}")) for one in range(50))
    )
    assert asked == [(0, 0)] * 50
    assert (server.count("list"), time.slept) == (20, [PAGE_PAUSE_SECONDS] * 19)
    time.now += 20 * HOLDS_SECONDS_A_PAGE - 0.1
    assert await lookup.pods_with_images(WEB) == (20, 20)
    assert server.count("list") == 20


async def test_a_client_that_is_not_admitted(server: FakeApiServer, lookup: KubePodLookup) -> None:
    """It gets what is known, and asks nothing new."""
    put(server, "web-1", WAITING)

    def refuse() -> None:
        raise PermissionError("not now")

    assert await lookup.has_images("shop", "web-1") is False
    assert await lookup.has_images("shop", "web-1", refuse) is False
    for ask in (lookup.has_images("shop", "web-2", refuse), lookup.pods_with_images(WEB, refuse)):
        with pytest.raises(PermissionError):
            await ask
    assert server.count("list") == 1


async def test_clients_do_not_hold_up_the_aggregator(server: FakeApiServer, lookup: KubePodLookup) -> None:
    """While all turns of clients hang, the aggregator's own question is asked."""
    server.faults["list"] = [hang() for _ in range(REQUESTS)]
    asking = [asyncio.create_task(lookup.has_images("shop", f"web-{number}")) for number in range(20)]
    await server.reached("list", REQUESTS)
    put(server, "own", WAITING)
    found = await lookup.find("shop", "own")
    assert found
    for task in asking:
        task.cancel()


async def test_many_who_ask_at_once(server: FakeApiServer, lookup: KubePodLookup) -> None:
    """They share one request, and one who goes away does not take it from the others."""
    put(server, "web-1", THERE)
    asking = [asyncio.create_task(lookup.has_images("shop", "web-1")) for _ in range(5)]
    await server.reached("list", 1)
    asking[0].cancel()

    assert await asyncio.gather(*asking[1:]) == [True] * 4
    assert server.count("list") == 1


async def test_few_requests_at_a_time(server: FakeApiServer, lookup: KubePodLookup) -> None:
    """Questions about other pods wait for their turn."""
    server.faults["list"] = [hang() for _ in range(10)]
    asking = [asyncio.create_task(lookup.has_images("shop", f"web-{number}")) for number in range(10)]
    await server.reached("list", REQUESTS)
    for _ in range(20):
        await asyncio.sleep(0)

    assert server.count("list") == REQUESTS
    for task in asking:
        task.cancel()


async def test_an_error_is_told_to_all(server: FakeApiServer, lookup: KubePodLookup) -> None:
    """An API server that says no is not asked again at once."""
    server.faults["list"] = [status(403, "pods is forbidden")]
    for _ in range(2):
        with pytest.raises(ApiError, match="403"):
            await lookup.has_images("shop", "web-1")

    assert server.count("list") == 1


HOSTILE = ("", "a,b", "a=b", "../pods", "a b", "A", "a\n", "-a", "a" * 300, "ä")


@pytest.mark.parametrize(
    ("namespace", "name"), [*(("shop", name) for name in HOSTILE), *((name, "web-1") for name in HOSTILE)]
)
async def test_what_is_no_name_is_not_asked_for(
    server: FakeApiServer, lookup: KubePodLookup, namespace: str, name: str
) -> None:
    """Names come from anybody, and must not become another selector or another path."""
    assert await lookup.has_images(namespace, name) is None
    assert await lookup.pods_with_images(Workload(namespace, "Job", name)) == (0, 0)
    assert {seen.path for seen in server.seen} <= {"/api/v1/namespaces/shop/pods"}
    assert not any("fieldSelector" in seen.params for seen in server.seen)


async def test_namespaces_that_are_not_shown(server: FakeApiServer, connection: Connection) -> None:
    """Where only some namespaces are shown, in the others nothing is found."""
    put(server, "web-1", THERE)
    lookup = KubePodLookup(connection, ["other"])

    assert await lookup.find("shop", "web-1") is None
    assert await lookup.pods_with_images(WEB) == (0, 0)
    assert server.seen == []
