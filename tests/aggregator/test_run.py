"""The whole aggregator in one process: Leases in memory go in, HTTP comes out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from pulltrace.aggregator.run import require_own_namespace, run
from pulltrace.errors import UserError
from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.credentials import RestConfig, StaticConfig
from pulltrace.kube.election.leader_elector import LeaderElector
from pulltrace.kube.resources.in_memory import MemoryLeaseStore, MemoryStore
from pulltrace.kube.resources.kubelet_events import KubeletEvent
from pulltrace.kube.resources.leases import LeasePatch
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.pulls import report_interval
from pulltrace.pulls.lease_format.annotations import encode
from pulltrace.pulls.model import NodeReport, Phase, Pull
from pulltrace.settings.flags import AggregatorSettings
from tests.aggregator.builders import pull_row_id
from tests.builders.events import kubelet_event
from tests.builders.pods import NODE, failing, pod
from tests.builders.pulls import NGINX, START, ended, pull
from tests.fakes import api_server


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def settings_with(metrics_addr: str, http_addr: str = "127.0.0.1:0") -> AggregatorSettings:
    return AggregatorSettings(http_addr=http_addr, metrics_addr=metrics_addr, history_ttl_seconds=600)


class RunningAggregator:
    """An aggregator that serves, with its Leases, pods and Events."""

    def __init__(self, leases: MemoryLeaseStore, pods: MemoryStore[PodRecord], session: aiohttp.ClientSession) -> None:
        self.leases = leases
        self.pods = pods
        self.events: MemoryStore[KubeletEvent] = MemoryStore()
        self.looked_up: list[str] = []
        self.session = session
        self.stop = asyncio.Event()
        self.url = ""
        self.metrics_url = ""

    async def find(self, namespace: str, name: str) -> PodRecord | None:
        """Record the lookup; no pod exists."""
        self.looked_up.append(f"{namespace}/{name}")
        return None

    async def report(self, *pulls: Pull, recent: tuple[Pull, ...] = (), node: str = NODE) -> None:
        before = await self.leases.get(node)
        annotations = encode(NodeReport(pulls=pulls, recent=recent))
        gone = {key: None for key in (before.annotations if before else ()) if key not in annotations}
        await self.leases.patch(node, LeasePatch({**gone, **annotations}, "agent", START + 60, 40))

    async def get(self, path: str) -> Any:
        async with self.session.get(self.url + path) as answer:
            return await answer.json()

    async def status(self, path: str) -> int:
        async with self.session.get(self.url + path) as answer:
            return answer.status

    async def metric(self, name: str) -> float:
        async with self.session.get(self.metrics_url + "/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(name + " "))

    async def row_where(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first row that fits, as soon as one appears."""

        async def rows() -> list[dict[str, Any]]:
            return [row for row in (await self.get("/api/v1/pulls"))["pulls"] if fits(row)]

        found: list[dict[str, Any]] = await until(rows)
        return found[0]


async def until(poll: Callable[[], Awaitable[Any]], deadline_seconds: float = 10.0) -> Any:
    async with asyncio.timeout(deadline_seconds):
        while not (found := await poll()):
            await asyncio.sleep(0.01)
        return found


@asynccontextmanager
async def running(
    *, with_pods: bool = True, leases: MemoryLeaseStore | None = None
) -> AsyncIterator[RunningAggregator]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    metrics_port = free_port()
    settings = settings_with(f"127.0.0.1:{metrics_port}")
    async with aiohttp.ClientSession() as session:
        aggregator = RunningAggregator(leases or MemoryLeaseStore(), MemoryStore(), session)
        pods = aggregator.pods if with_pods else None
        serving = asyncio.create_task(
            run(
                settings,
                aggregator.leases,
                pods,
                aggregator.stop,
                events=aggregator.events,
                find_pod=aggregator.find,
                listening=port.set_result,
            )
        )
        aggregator.url = f"http://127.0.0.1:{await port}"
        aggregator.metrics_url = f"http://127.0.0.1:{metrics_port}"
        try:
            yield aggregator
        finally:
            aggregator.stop.set()
            await asyncio.wait_for(serving, 10)


async def test_a_report_becomes_a_row() -> None:
    """The JSON has the report of an agent's Lease, matched with the pending pod."""
    async with running() as aggregator:
        aggregator.pods.put("shop/web", pod("web", "nginx:1.29"))
        await aggregator.report(pull())
        row = await aggregator.row_where(lambda row: bool(row["pods"]))

    assert (row["nodeName"], row["imageRef"], row["totalBytes"]) == (NODE, f"{NGINX}:1.29", 1000)
    assert row["pods"][0]["podName"] == "web"


async def test_a_failure_has_its_reason() -> None:
    """A failed pull gets the message of the pod's status."""
    async with running() as aggregator:
        await aggregator.report(pull())
        await aggregator.row_where(lambda row: True)
        await aggregator.report(recent=(ended(phase=Phase.FAILED),))
        aggregator.pods.put("shop/web", failing("web", "nginx:1.29", "manifest unknown"))
        row = await aggregator.row_where(lambda row: bool(row.get("error")))

    assert row["error"] == "manifest unknown"


async def test_an_event_names_one_of_two_tags() -> None:
    """The kubelet's Event names the image; a pod that is not watched is looked up."""
    async with running() as aggregator:
        aggregator.pods.put("shop/new", pod("new", "nginx:1.29"))
        aggregator.pods.put("shop/old", pod("old", "nginx:1.27"))
        await aggregator.report(pull())
        await aggregator.row_where(lambda row: len(row["imageCandidates"]) == 2)
        aggregator.events.put("new", kubelet_event("new", "nginx:1.29", START - 1))
        row = await aggregator.row_where(lambda row: bool(row["nameKnown"]))

        aggregator.events.put("debug", kubelet_event("debug", "busybox:1", START))

        async def looked_up() -> bool:
            return aggregator.looked_up == ["shop/debug"]

        assert await until(looked_up)

    assert row["imageRef"] == f"{NGINX}:1.29"


async def test_it_is_ready_when_leases_and_pods_have_been_listed() -> None:
    """Readiness needs the first lists; liveness does not."""
    async with running() as aggregator:
        assert await aggregator.status("/healthz") == 200

        async def ready() -> bool:
            return await aggregator.status("/readyz") == 200

        assert await until(ready)


class Silent(MemoryStore[PodRecord]):
    """A watch that never lists."""

    async def watch(self) -> AsyncIterator[Any]:  # type: ignore[override]
        await asyncio.Event().wait()
        yield


@pytest.mark.parametrize("missing", ["leases", "pods"])
async def test_it_is_not_ready_before_a_list_has_come(missing: str) -> None:
    """A replica without data must not take traffic."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop, settings = asyncio.Event(), settings_with("127.0.0.1:0")
    leases: Any = Silent() if missing == "leases" else MemoryLeaseStore()
    serving = asyncio.create_task(
        run(settings, leases, Silent() if missing == "pods" else None, stop, listening=port.set_result)
    )
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{await port}/readyz") as answer:
        status, text = answer.status, await answer.text()
    stop.set()
    await serving

    assert status == 503
    assert missing in text.lower()


async def test_it_works_without_kubernetes() -> None:
    """On a host without pods, the Leases in memory are enough to be ready."""
    async with running(with_pods=False) as aggregator:
        await aggregator.report(pull())
        await aggregator.row_where(lambda row: row["nodeName"] == NODE)

        assert await aggregator.status("/readyz") == 200


async def test_pulls_that_ended_before_its_start_are_not_counted() -> None:
    """A restart shows the history and counts only later pulls."""
    leases = MemoryLeaseStore()
    await leases.patch(NODE, LeasePatch(encode(NodeReport(recent=(ended(1),))), "agent", START + 60, 40))
    async with running(leases=leases) as aggregator:
        await aggregator.row_where(lambda row: row["id"] == pull_row_id(1))
        assert await aggregator.metric("pulltrace_pulls_total") == 0

        await aggregator.report(pull(2), recent=(ended(1),))
        await aggregator.row_where(lambda row: row["id"] == pull_row_id(2))

        assert await aggregator.metric("pulltrace_pulls_total") == 1


async def test_it_leads_publishes_the_interval_and_releases_the_lease() -> None:
    """With an elector it takes part in the election; the lock's Lease has the interval."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop, settings = asyncio.Event(), settings_with("127.0.0.1:0")
    async with api_server.running() as server, AiohttpClient(StaticConfig(RestConfig(server.url))) as connection:
        elector = LeaderElector(connection, "ns", report_interval.LEASE, "a")
        serving = asyncio.create_task(
            run(settings, MemoryLeaseStore(), None, stop, elector=elector, listening=port.set_result)
        )

        async def published() -> dict[str, str]:
            return dict(elector.annotations)

        assert await until(published) == {
            report_interval.INTERVAL: "1.0s",
            report_interval.REASON: "0 of 0 nodes pull",
        }
        stop.set()
        await asyncio.wait_for(serving, 10)

        assert server.get("leases", "ns", report_interval.LEASE)["spec"]["holderIdentity"] == ""


async def test_a_follower_serves_and_exports_no_metrics_of_the_cluster() -> None:
    """It has the leader's rows; its metrics are those of its own process."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    metrics_port, leases = free_port(), MemoryLeaseStore()
    stop, settings = asyncio.Event(), settings_with(f"127.0.0.1:{metrics_port}")
    held = {"metadata": {"name": report_interval.LEASE, "namespace": "ns"}, "spec": {"holderIdentity": "a"}}
    async with api_server.running() as server, AiohttpClient(StaticConfig(RestConfig(server.url))) as connection:
        server.put("leases", held)
        elector = LeaderElector(connection, "ns", report_interval.LEASE, "b")
        serving = asyncio.create_task(run(settings, leases, None, stop, elector=elector, listening=port.set_result))
        async with aiohttp.ClientSession() as session:
            follower = RunningAggregator(leases, MemoryStore(), session)
            follower.url, follower.metrics_url = f"http://127.0.0.1:{await port}", f"http://127.0.0.1:{metrics_port}"
            await follower.report(pull())
            await follower.row_where(lambda row: True)
            async with session.get(f"{follower.metrics_url}/metrics") as answer:
                page = await answer.text()
        stop.set()
        await asyncio.wait_for(serving, 10)

    assert "\npulltrace_leader 0.0\n" in page
    assert "pulltrace_pulls" not in page


async def test_an_open_stream_does_not_hold_up_the_end() -> None:
    """A stop ends the open streams."""
    async with running() as aggregator, aggregator.session.get(aggregator.url + "/api/v1/events") as stream:
        assert await aggregator.metric("pulltrace_sse_clients_active") == 1
        aggregator.stop.set()
        async with asyncio.timeout(10):
            assert await stream.content.read()


async def test_a_port_that_is_in_use_is_one_line() -> None:
    """An address that is in use ends the aggregator with an error for the user."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = settings_with("127.0.0.1:0", address)
        with pytest.raises(ExceptionGroup) as group:
            await run(settings, MemoryLeaseStore(), None, asyncio.Event())

    assert group.group_contains(UserError, match=f"^--http-addr: cannot listen on '{address}': address already in use$")


@pytest.mark.parametrize("namespace", ["kube-system", "kube-node-lease", "kube-public"])
def test_namespaces_of_kubernetes_need_the_policy(namespace: str) -> None:
    """Without the per-node policy the aggregator refuses a namespace whose Leases belong to Kubernetes, and names it."""
    with pytest.raises(UserError, match=f"namespace {namespace} belongs to Kubernetes"):
        require_own_namespace(namespace, per_node_policy=False)


@pytest.mark.parametrize(
    ("namespace", "per_node_policy"), [("kube-system", True), ("pulltrace", False), ("default", False)]
)
def test_other_namespaces_are_accepted(namespace: str, *, per_node_policy: bool) -> None:
    """The policy allows every namespace; without it, every one that is not Kubernetes' own is allowed."""
    require_own_namespace(namespace, per_node_policy=per_node_policy)
