"""`GET /api/v1/wait`: when it answers, with what, and whom it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pulltrace.pulls.view import PodFinding, PodState, Workload
from pulltrace.server.api.lookup_limiter import Rate
from pulltrace.server.api.wait import Wait
from pulltrace.server.http.connection_limiter import Limits
from pulltrace.server.json.clock import Clocks
from tests.builders.views import MONOTONIC, NOW
from tests.builders.views import estimated_pod as pod
from tests.builders.views import pull_view as view
from tests.fakes.pull_source import FakePullSource
from tests.server.serve import serving
from tests.server.waiting import until

CLOCKS = Clocks(lambda: NOW, lambda: MONOTONIC)


class Kubernetes:
    """Pods of which the rows say nothing."""

    def __init__(self) -> None:
        self.pods: dict[str, bool] = {}
        self.workloads: dict[Workload, tuple[int, int]] = {}
        self.asked = 0
        self.broken = False
        self._admit: Callable[[], None] = lambda: None

    def for_client(self, admit: Callable[[], None]) -> PodFinding:
        self._admit = admit
        return self

    async def has_images(self, namespace: str, name: str) -> bool | None:
        self._admit()
        self.asked += 1
        if self.broken:
            raise OSError("no route to host")
        return self.pods.get(f"{namespace}/{name}")

    async def pods_with_images(self, workload: Workload) -> tuple[int, int]:
        self._admit()
        self.asked += 1
        return self.workloads.get(workload, (0, 0))


class Waiting:
    """The endpoint under test."""

    def __init__(self, *rows: Any, cluster: bool = False, **options: Any) -> None:
        self.source = FakePullSource(*rows)
        self.kubernetes = Kubernetes()
        options.setdefault("ask_seconds", 0.01)
        clocks = options.pop("clocks", CLOCKS)
        self.app = Wait(self.source, self.kubernetes if cluster else None, clocks, **options)

    async def get(self, query: str, method: str = "GET") -> httpx.Response:
        async with serving(self.app) as port, httpx.AsyncClient(timeout=20) as client:
            return await client.request(method, f"http://127.0.0.1:{port}/api/v1/wait?{query}")

    async def get_while(self, query: str, *rows: Any) -> httpx.Response:
        """The answer to one who waits while these rows come."""
        answer = asyncio.create_task(self.get(query))
        await until(lambda: self.source.subscriptions)
        await asyncio.sleep(0)
        assert not answer.done()
        self.source.put(*rows)
        return await answer


async def test_pod_that_is_ready() -> None:
    """A pod whose images are there is answered at once."""
    answer = await Waiting(pod(state=PodState.READY)).get("pod=shop/web-1")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert (told["ready"], told["timedOut"], told["pod"]["state"]) == (True, False, "ready")
    assert (told["schemaVersion"], told["timestamp"]) == ("v1", "2026-11-23T15:04:05.678Z")


async def test_pod_that_becomes_ready() -> None:
    """Who waits is answered as soon as the images are there, whatever else changes before."""
    waiting = Waiting(pod())
    answer = await waiting.get_while("pod=shop/web-1", view(), pod("web-2"), pod(state=PodState.READY))

    assert answer.json()["ready"] is True
    assert not waiting.source.subscriptions


@pytest.mark.parametrize("state", [PodState.WAITING, PodState.FAILING])
async def test_time_is_over(state: PodState) -> None:
    """At the end of the time the answer is what is known then, with the estimate."""
    answer = await Waiting(pod(state=state)).get("pod=shop/web-1&timeout=0")

    told = answer.json()
    assert (answer.status_code, told["ready"], told["timedOut"]) == (200, False, True)
    assert (told["pod"]["etaSeconds"], told["pod"]["state"]) == (20, state.value)


async def test_workload() -> None:
    """A workload is ready when all its pods are; its answer is the sum of them."""
    waiting = Waiting(pod("a", PodState.READY), pod("b"), pod("c", PodState.GONE))
    answer = await waiting.get_while("workload=shop/deployment/web", pod("b", PodState.READY))
    told = answer.json()
    late = (await Waiting(pod("a"), pod("b", PodState.READY)).get("workload=shop/Deployment/web&timeout=0")).json()

    assert (told["ready"], told["workload"]["pods"], told["workload"]["ready"]) == (True, 2, 2)
    assert (late["ready"], late["workload"]["ready"], late["workload"]["etaSeconds"]) == (False, 1, 19)


async def test_pod_that_kubernetes_knows() -> None:
    """A pod that never waited for an image is ready too; one that is not yet is asked for again."""
    waiting = Waiting(cluster=True)
    waiting.kubernetes.pods["shop/web-1"] = True
    assert (await waiting.get("pod=shop/web-1")).json()["ready"] is True

    waiting.kubernetes.pods["shop/web-1"] = False
    answer = asyncio.create_task(waiting.get("pod=shop/web-1"))
    await until(lambda: waiting.kubernetes.asked > 3)
    waiting.kubernetes.pods["shop/web-1"] = True
    assert (await answer).json()["ready"] is True


async def test_kubernetes_confirms_that_a_pod_is_ready() -> None:
    """A row that has ended (its pod is watched no longer, say) is not enough: the status of the pod decides."""
    waiting = Waiting(pod(state=PodState.READY), cluster=True)
    waiting.kubernetes.pods["shop/web-1"] = False
    early = (await waiting.get("pod=shop/web-1&timeout=0")).json()
    waiting.kubernetes.pods["shop/web-1"] = True
    late = (await waiting.get("pod=shop/web-1&timeout=0")).json()

    assert (early["ready"], early["timedOut"], "pod" in early) == (False, True, False)
    assert (late["ready"], late["pod"]["state"]) == (True, "ready")


async def test_a_pod_is_not_ready_while_kubernetes_does_not_answer() -> None:
    """Nobody has confirmed it."""
    waiting = Waiting(pod(state=PodState.READY), cluster=True)
    waiting.kubernetes.broken = True

    assert (await waiting.get("pod=shop/web-1&timeout=0")).json()["ready"] is False


async def test_workload_that_kubernetes_knows() -> None:
    """When no row waits any more Kubernetes says whether those were all pods."""
    waiting = Waiting(pod(state=PodState.READY), cluster=True)
    workload = Workload("shop", "Deployment", "web")
    waiting.kubernetes.workloads[workload] = (3, 2)
    early = (await waiting.get("workload=shop/deployment/web&timeout=0")).json()
    waiting.kubernetes.workloads[workload] = (3, 3)
    late = (await waiting.get("workload=shop/deployment/web&timeout=0")).json()

    assert (early["ready"], early["workload"]["pods"], early["workload"]["ready"]) == (False, 3, 2)
    assert (late["ready"], late["workload"]["ready"]) == (True, 3)


@pytest.mark.parametrize("cluster", [False, True])
@pytest.mark.parametrize("query", ["pod=shop/web-1", "workload=shop/Deployment/web"])
async def test_nothing_to_wait_for(query: str, *, cluster: bool) -> None:
    """What does not exist when the time is over is a problem document that names it."""
    gone = pod(state=PodState.GONE)
    answer = await Waiting(gone, cluster=cluster).get(f"{query}&timeout=0")

    assert (answer.status_code, answer.json()["title"]) == (404, "Nothing to wait for")
    assert query.partition("=")[2] in answer.json()["detail"]


async def test_kubernetes_that_does_not_answer(caplog: pytest.LogCaptureFixture) -> None:
    """An error of the API server is no answer: it is asked again, and the log says so."""
    waiting = Waiting(cluster=True)
    waiting.kubernetes.broken = True
    answer = await waiting.get("pod=shop/web-1&timeout=0")

    assert (answer.json()["ready"], answer.json()["timedOut"]) == (False, True)
    assert "asking for pod shop/web-1: OSError('no route to host')" in caplog.text


async def test_many_questions_that_kubernetes_does_not_answer_cost_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Who reaches the page does not write the log."""
    waiting = Waiting(cluster=True)
    waiting.kubernetes.broken = True
    for number in range(20):
        await waiting.get(f"pod=shop/web-{number}&timeout=0")

    assert caplog.text.count("asking for") == 1


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "one pod=NAMESPACE/NAME or one workload"),
        ("pod=a/b&workload=a/b/c", "one pod=NAMESPACE/NAME or one workload"),
        ("pod=a/b&pod=a/c", "one pod=NAMESPACE/NAME or one workload"),
        ("pod=web", "NAMESPACE/NAME, such as shop/web-0"),
        ("pod=a/b/c", "NAMESPACE/NAME, such as shop/web-0"),
        ("workload=web", "NAMESPACE/KIND/NAME"),
        ("pod=a/b&timeout=3601", "from 0 to 3600"),
        ("pod=a/b&timeout=1m", "from 0 to 3600"),
        ("name=a/b", "there is pod, workload, timeout"),
    ],
)
async def test_bad_query(query: str, words: str) -> None:
    """What cannot be meant is refused, and the answer says what can."""
    answer = await Waiting().get(query)

    assert answer.status_code == 400
    assert words in answer.json()["detail"]


async def test_bad_method() -> None:
    """Waiting changes nothing."""
    assert (await Waiting().get("pod=a/b", method="DELETE")).status_code == 405


async def test_waiters_are_limited() -> None:
    """So many may wait; one more is told when to come back, until somebody leaves."""
    waiting = Waiting(pod(), limits=Limits(10, 1))
    first = asyncio.create_task(waiting.get("pod=shop/web-1"))
    await until(lambda: len(waiting.app.room))
    refused = await waiting.get("pod=shop/web-1")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "15")
    assert refused.json()["detail"] == "127.0.0.1 has 1 requests that wait, which is all it may."

    waiting.source.put(pod(state=PodState.READY))
    await first
    assert (await waiting.get("pod=shop/web-1")).status_code == 200


async def test_lookups_are_limited() -> None:
    """Kubernetes is asked so often for one address; one more is told when to come back, and rows are still shown."""
    waiting = Waiting(pod(), cluster=True, lookups=Rate(0.25, 2))
    queries = ("pod=a/b&timeout=0", "workload=a/Job/b&timeout=0", "pod=a/c&timeout=0", "pod=shop/web-1&timeout=0")
    statuses = [(await waiting.get(query)).status_code for query in queries]
    refused = await waiting.get("workload=a/Job/c")

    assert statuses == [404, 404, 503, 200]
    assert waiting.kubernetes.asked == 2
    assert (refused.headers["retry-after"], refused.headers["content-type"]) == ("4", "application/problem+json")
    assert (refused.json()["title"], refused.json()["detail"]) == (
        "Too many lookups",
        "127.0.0.1 asked for more than 0.25 lookups in Kubernetes a second.",
    )


async def test_waiter_outlasts_a_flood() -> None:
    """A request that waits already is answered, although new ones from its address find no room."""
    now = [MONOTONIC]
    waiting = Waiting(cluster=True, clocks=Clocks(lambda: NOW, lambda: now[0]), lookups=Rate(0.25, 5))
    answer = asyncio.create_task(waiting.get("pod=shop/web-1"))
    await until(lambda: waiting.kubernetes.asked)
    statuses = [(await waiting.get(f"pod=a/b-{number}&timeout=0")).status_code for number in range(6)]
    assert statuses == [404] * 4 + [503] * 2
    await until(lambda: waiting.kubernetes.asked >= 7)
    waiting.kubernetes.pods["shop/web-1"] = True
    waiting.source.put(pod(state=PodState.READY))
    now[0] += 4

    assert (await answer).json()["ready"] is True


async def test_who_leaves_is_forgotten() -> None:
    """A client that does not wait for the answer gives its place back at once."""
    waiting = Waiting(pod())
    async with serving(waiting.app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/v1/wait?pod=shop/web-1 HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: len(waiting.app.room))
        writer.close()
        await until(lambda: not len(waiting.app.room))
        await until(lambda: not waiting.source.subscriptions)


async def test_shutdown_ends_waiting() -> None:
    """A replica that ends says so, and others may serve."""
    waiting = Waiting(pod())
    answer = asyncio.create_task(waiting.get("pod=shop/web-1"))
    await until(lambda: waiting.source.subscriptions)
    waiting.source.close()

    assert ((await answer).status_code, (await answer).json()["title"]) == (503, "Shutting down")


async def test_source_that_lost_us() -> None:
    """When changes were missed everybody looks again."""
    waiting = Waiting(pod())
    answer = asyncio.create_task(waiting.get("pod=shop/web-1"))
    await until(lambda: waiting.source.subscriptions)
    waiting.source.rows[pod().id] = pod(state=PodState.READY)
    waiting.source.lose_subscribers()

    assert (await answer).json()["ready"] is True


async def test_broken_source(caplog: pytest.LogCaptureFixture) -> None:
    """An error while following is logged, and those who wait look again."""
    waiting = Waiting(pod())

    def subscribe() -> Any:
        waiting.source.rows[pod().id] = pod(state=PodState.READY)
        raise RuntimeError("broken")

    waiting.source.subscribe = subscribe  # type: ignore[method-assign]

    assert (await waiting.get("pod=shop/web-1")).json()["ready"] is True
    assert "Nobody is woken any more" in caplog.text
