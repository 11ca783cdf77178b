"""`GET /api/v1/wait`: its answers, their times, and its limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pulltrace.aggregator.state.store import PullStore
from pulltrace.pulls.view import PodState, Workload
from pulltrace.pulls.workload_summary import summarize
from pulltrace.server.api import wait, wait_targets
from pulltrace.server.api.lookup_limiter import Rate
from pulltrace.server.api.wait import Wait
from pulltrace.server.http.connection_limiter import ConnectionLimits
from pulltrace.server.json.clock import Clocks
from tests.builders.views import MONOTONIC, NOW, estimated_pod, pull_view
from tests.fakes.pull_source import FakePullSource
from tests.server.serve import serving
from tests.server.waiting import until

CLOCKS = Clocks(lambda: NOW, lambda: MONOTONIC)


class Kubernetes:
    """A `PodLookup` that a test fills by hand."""

    def __init__(self) -> None:
        self.pods: dict[str, bool] = {}
        self.workloads: dict[Workload, tuple[int, int]] = {}
        self.asked = 0
        self.broken = False

    async def has_images(self, namespace: str, name: str, admit: Callable[[], None]) -> bool | None:
        admit()
        self.asked += 1
        if self.broken:
            raise OSError("no route to host")
        return self.pods.get(f"{namespace}/{name}")

    async def pods_with_images(self, workload: Workload, admit: Callable[[], None]) -> tuple[int, int]:
        admit()
        self.asked += 1
        return self.workloads.get(workload, (0, 0))


class Waiting:
    """The endpoint under test."""

    def __init__(self, *rows: Any, cluster: bool = False, **options: Any) -> None:
        self.source = FakePullSource(*rows)
        self.kubernetes = Kubernetes()
        options.setdefault("poll_seconds", 0.01)
        clocks = options.pop("clocks", CLOCKS)
        self.app = Wait(self.source, self.kubernetes if cluster else None, clocks, **options)

    async def get(self, query: str, method: str = "GET") -> httpx.Response:
        async with serving(self.app) as port, httpx.AsyncClient(timeout=20) as client:
            return await client.request(method, f"http://127.0.0.1:{port}/api/v1/wait?{query}")

    async def get_while(self, query: str, *rows: Any) -> httpx.Response:
        """Return the answer of a request that waits while these rows change."""
        answer = asyncio.create_task(self.get(query))
        await until(lambda: self.source.subscriptions)
        await asyncio.sleep(0)
        assert not answer.done()
        self.source.put(*rows)
        return await answer


async def test_pod_that_is_ready() -> None:
    """A pod whose images are there is answered at once."""
    answer = await Waiting(estimated_pod(state=PodState.READY)).get("pod=shop/web-1")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["ready"], body["timedOut"], body["pod"]["state"]) == (True, False, "ready")
    assert (body["schemaVersion"], body["timestamp"]) == ("v1", "2026-11-23T15:04:05.678Z")


async def test_pod_that_becomes_ready() -> None:
    """The answer comes as soon as the images are present, whichever other rows change before."""
    waiting = Waiting(estimated_pod())
    answer = await waiting.get_while(
        "pod=shop/web-1", pull_view(), estimated_pod("web-2"), estimated_pod(state=PodState.READY)
    )

    assert answer.json()["ready"] is True
    assert not waiting.source.subscriptions


@pytest.mark.parametrize("state", [PodState.WAITING, PodState.FAILING])
async def test_time_is_over(state: PodState) -> None:
    """At the end of the time the answer is the last state with its estimate."""
    answer = await Waiting(estimated_pod(state=state)).get("pod=shop/web-1&timeout=0")

    body = answer.json()
    assert (answer.status_code, body["ready"], body["timedOut"]) == (200, False, True)
    assert (body["pod"]["etaSeconds"], body["pod"]["state"]) == (20, state.value)


async def test_workload() -> None:
    """A workload is ready when all its pods are; its answer is the sum of them."""
    waiting = Waiting(estimated_pod("a", PodState.READY), estimated_pod("b"), estimated_pod("c", PodState.GONE))
    answer = await waiting.get_while("workload=shop/deployment/web", estimated_pod("b", PodState.READY))
    body = answer.json()
    late = (
        await Waiting(estimated_pod("a"), estimated_pod("b", PodState.READY)).get(
            "workload=shop/Deployment/web&timeout=0"
        )
    ).json()

    assert (body["ready"], body["workload"]["pods"], body["workload"]["ready"]) == (True, 2, 2)
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
    """An ended row is not enough: its pod may only be watched no longer. The status of the pod decides."""
    waiting = Waiting(estimated_pod(state=PodState.READY), cluster=True)
    waiting.kubernetes.pods["shop/web-1"] = False
    early = (await waiting.get("pod=shop/web-1&timeout=0")).json()
    waiting.kubernetes.pods["shop/web-1"] = True
    late = (await waiting.get("pod=shop/web-1&timeout=0")).json()

    assert (early["ready"], early["timedOut"], "pod" in early) == (False, True, False)
    assert (late["ready"], late["pod"]["state"]) == (True, "ready")


async def test_a_pod_is_not_ready_while_kubernetes_does_not_answer() -> None:
    """Only a confirmed status makes a pod ready."""
    waiting = Waiting(estimated_pod(state=PodState.READY), cluster=True)
    waiting.kubernetes.broken = True

    assert (await waiting.get("pod=shop/web-1&timeout=0")).json()["ready"] is False


async def test_workload_that_kubernetes_knows() -> None:
    """When no row waits any more, Kubernetes decides whether all pods are ready."""
    waiting = Waiting(estimated_pod(state=PodState.READY), cluster=True)
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
    """A target that does not exist at the end is a problem document with its name."""
    gone = estimated_pod(state=PodState.GONE)
    answer = await Waiting(gone, cluster=cluster).get(f"{query}&timeout=0")

    assert (answer.status_code, answer.json()["title"]) == (404, "Nothing to wait for")
    assert query.partition("=")[2] in answer.json()["detail"]


async def test_kubernetes_that_does_not_answer(caplog: pytest.LogCaptureFixture) -> None:
    """An error of the API server is no answer: the server polls again, and the log has the error."""
    waiting = Waiting(cluster=True)
    waiting.kubernetes.broken = True
    answer = await waiting.get("pod=shop/web-1&timeout=0")

    assert (answer.json()["ready"], answer.json()["timedOut"]) == (False, True)
    assert "polling pod shop/web-1: OSError('no route to host')" in caplog.text


async def test_many_questions_that_kubernetes_does_not_answer_cost_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Clients cannot fill the log."""
    waiting = Waiting(cluster=True)
    waiting.kubernetes.broken = True
    for number in range(20):
        await waiting.get(f"pod=shop/web-{number}&timeout=0")

    assert caplog.text.count("polling pod") == 1


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
    """A senseless query is refused, and the answer has the right form."""
    answer = await Waiting().get(query)

    assert answer.status_code == 400
    assert words in answer.json()["detail"]


async def test_bad_method() -> None:
    """Waiting changes nothing."""
    assert (await Waiting().get("pod=a/b", method="DELETE")).status_code == 405


async def test_waiters_are_limited() -> None:
    """One request too many gets 503 with Retry-After, until another one ends."""
    waiting = Waiting(estimated_pod(), limits=ConnectionLimits(10, 1))
    first = asyncio.create_task(waiting.get("pod=shop/web-1"))
    await until(lambda: len(waiting.app.waiters))
    refused = await waiting.get("pod=shop/web-1")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "15")
    assert refused.json()["detail"] == "127.0.0.1 has 1 requests that wait, which is the limit for one address."

    waiting.source.put(estimated_pod(state=PodState.READY))
    await first
    assert (await waiting.get("pod=shop/web-1")).status_code == 200


async def test_lookups_are_limited() -> None:
    """One lookup too many gets 503 with Retry-After; targets with rows still get an answer."""
    waiting = Waiting(estimated_pod(), cluster=True, lookups=Rate(0.25, 2))
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
    """A request that waits already gets its answer, although new ones from its address are refused."""
    now = [MONOTONIC]
    waiting = Waiting(cluster=True, clocks=Clocks(lambda: NOW, lambda: now[0]), lookups=Rate(0.25, 5))
    answer = asyncio.create_task(waiting.get("pod=shop/web-1"))
    await until(lambda: waiting.kubernetes.asked)
    statuses = [(await waiting.get(f"pod=a/b-{number}&timeout=0")).status_code for number in range(6)]
    assert statuses == [404] * 4 + [503] * 2
    await until(lambda: waiting.kubernetes.asked >= 7)
    waiting.kubernetes.pods["shop/web-1"] = True
    waiting.source.put(estimated_pod(state=PodState.READY))
    now[0] += 4

    assert (await answer).json()["ready"] is True


async def test_client_that_leaves() -> None:
    """A client that leaves frees its place at once."""
    waiting = Waiting(estimated_pod())
    async with serving(waiting.app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/v1/wait?pod=shop/web-1 HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: len(waiting.app.waiters))
        writer.close()
        await until(lambda: not len(waiting.app.waiters))
        await until(lambda: not waiting.source.subscriptions)


async def test_shutdown_ends_waiting() -> None:
    """A replica that shuts down answers 503, and the client may retry at another."""
    waiting = Waiting(estimated_pod())
    answer = asyncio.create_task(waiting.get("pod=shop/web-1"))
    await until(lambda: waiting.source.subscriptions)
    waiting.source.close()

    assert ((await answer).status_code, (await answer).json()["title"]) == (503, "Shutting down")


async def test_missed_changes() -> None:
    """After missed changes the target is checked again."""
    waiting = Waiting(estimated_pod())
    answer = asyncio.create_task(waiting.get("pod=shop/web-1"))
    await until(lambda: waiting.source.subscriptions)
    waiting.source.rows[estimated_pod().id] = estimated_pod(state=PodState.READY)
    waiting.source.lose_subscribers()

    assert (await answer).json()["ready"] is True


async def test_broken_source(caplog: pytest.LogCaptureFixture) -> None:
    """An error of the store ends the one request with 500, and its place is free again."""
    waiting = Waiting(estimated_pod())

    def subscribe() -> Any:
        raise RuntimeError("broken")

    waiting.source.subscribe = subscribe  # type: ignore[method-assign]

    assert (await waiting.get("pod=shop/web-1")).status_code == 500
    assert not len(waiting.app.waiters)
    assert "RuntimeError: broken" in caplog.text


async def test_many_changes_cost_a_waiter_few_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A waiter reads changes of other pods together after a pause, and misses none of its own."""
    monkeypatch.setattr(wait, "PAUSE_SECONDS", 0.05)
    waiting = Waiting(estimated_pod())
    answer = asyncio.create_task(waiting.get("pod=shop/web-1"))
    await until(lambda: waiting.source.subscriptions)
    [subscription] = waiting.source.subscriptions
    read, reads = subscription.next, []

    async def next_changes(timeout_seconds: float) -> Any:
        reads.append(changes := await read(timeout_seconds))
        return changes

    subscription.next = next_changes  # type: ignore[method-assign]
    for number in range(50):
        waiting.source.put(estimated_pod(f"other-{number}"))
        await asyncio.sleep(0)
    waiting.source.put(estimated_pod(state=PodState.READY))

    assert (await answer).json()["ready"] is True
    assert len(reads) <= 2


async def test_many_changes_of_its_own_cost_a_waiter_few_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A waiter reads changes of its own pod together, too."""
    monkeypatch.setattr(wait, "PAUSE_SECONDS", 0.05)
    waiting = Waiting(estimated_pod())
    subscribe = waiting.source.subscribe
    checks: list[None] = []

    def counted() -> Any:
        checks.append(None)
        return subscribe()

    waiting.source.subscribe = counted  # type: ignore[method-assign]
    answer = asyncio.create_task(waiting.get("pod=shop/web-1"))
    await until(lambda: waiting.source.subscriptions)
    for number in range(50):
        waiting.source.put(estimated_pod(state=(PodState.FAILING, PodState.WAITING)[number % 2]))
        await asyncio.sleep(0)
    waiting.source.put(estimated_pod(state=PodState.READY))

    assert (await answer).json()["ready"] is True
    assert len(checks) <= 2


@pytest.mark.parametrize("cluster", [False, True])
async def test_waiters_share_checks(monkeypatch: pytest.MonkeyPatch, *, cluster: bool) -> None:
    """All waiters of a workload cost one check of its pods for each state of the rows."""
    checks: list[float] = []

    def counted(pods: Any, now: float) -> Any:
        checks.append(now)
        return summarize(pods, now)

    monkeypatch.setattr(wait_targets, "summarize", counted)
    waits, ready = estimated_pod(), estimated_pod(state=PodState.READY)
    store, kubernetes = PullStore(), Kubernetes()
    kubernetes.workloads[Workload("shop", "Deployment", "web")] = (1, 1)
    store.replace_pods((), {waits.id: waits})
    app = Wait(store, kubernetes if cluster else None, CLOCKS)
    async with serving(app) as port, httpx.AsyncClient(timeout=20) as client:
        url = f"http://127.0.0.1:{port}/api/v1/wait?workload=shop/Deployment/web"
        answers = [asyncio.create_task(client.get(url)) for _ in range(20)]
        await until(lambda: len(app.waiters) == len(answers) and checks)
        store.replace_pods((), {ready.id: ready})
        bodies = [answer.json() for answer in await asyncio.gather(*answers)]

    assert [body["ready"] for body in bodies] == [True] * len(answers)
    assert len(checks) == 2


async def test_shared_checks_expire() -> None:
    """The time until a workload is ready counts down although no row changes."""
    now = [MONOTONIC]
    row = estimated_pod()
    store = PullStore()
    store.replace_pods((), {row.id: row})
    app = Wait(store, None, Clocks(lambda: NOW, lambda: now[0]))
    async with serving(app) as port, httpx.AsyncClient(timeout=20) as client:
        url = f"http://127.0.0.1:{port}/api/v1/wait?workload=shop/Deployment/web"
        first = asyncio.create_task(client.get(url))  # with it the rows stay shared
        await until(lambda: len(app.waiters))
        etas = []
        for _ in range(2):
            etas.append((await client.get(f"{url}&timeout=0")).json()["workload"]["etaSeconds"])
            now[0] += 5
        first.cancel()

    assert etas[0] - etas[1] == 5


@pytest.mark.parametrize("now", [0.0, 12.03, 12.05, 12.07, 12.0999])
def test_pauses_end_together(now: float) -> None:
    """Waiters that arrive at different times check at the same times, so they share checks."""
    pause_seconds = wait.seconds_to_check(now)

    assert wait.PAUSE_SECONDS / 2 < pause_seconds <= wait.PAUSE_SECONDS
    assert (now + pause_seconds) * 10 == pytest.approx(round((now + pause_seconds) * 10))
