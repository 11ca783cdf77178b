"""For each flag of each program: a proof, at the far end of the program, that the value arrives there."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from pulltrace.aggregator.leader import event_messages
from pulltrace.kube.resources import in_memory
from pulltrace.kube.resources.in_memory import MemoryLeaseStore
from pulltrace.kube.resources.leases import LeasePatch, LeaseRecord
from pulltrace.pulls import report_interval
from pulltrace.pulls.model import NodeReport, Phase, Pull
from tests.aggregator.builders import pull_row_id
from tests.builders.pods import NODE
from tests.builders.pulls import ended, pull
from tests.cluster.processes import free_port
from tests.fakes import api_server, containerd
from tests.fakes.containerd import until
from tests.wiring.scene import Scene

Case = Callable[[Scene], Awaitable[None]]
CASES: dict[tuple[str, str], Case] = {}
"""By program and flag."""

RUNNING = NodeReport(pulls=(pull(),))


def shows(flag: str, *programs: str) -> Callable[[Case], Case]:
    """Register the case of a flag."""

    def register(case: Case) -> Case:
        for program in programs:
            assert (program, flag) not in CASES
            CASES[program, flag] = case
        return case

    return register


def recent(number: int, seconds_ago: float) -> Pull:
    at = time.time() - seconds_ago
    return ended(number, started_at=at - 5, progressed_at=at, ended_at=at)


# -- every program ---------------------------------------------------------------------------------


@shows("--log-level", "agent", "aggregator", "standalone", "demo")
async def log_level(scene: Scene) -> None:
    """Lines below the level are not written."""
    for level, expected in (("error", False), ("info", True)):
        async with scene.running(log_level=level):
            logging.getLogger("pulltrace").info("a line of level info")

        assert ("a line of level info" in scene.capsys.readouterr().err) is expected


# -- programs that use a Kubernetes API server -----------------------------------------------------


@shows("--namespace", "agent")
async def agent_namespace(scene: Scene) -> None:
    """Expect the Lease in this namespace."""
    async with scene.running(namespace="elsewhere"):
        assert await scene.lease(namespace="elsewhere")


@shows("--kubeconfig", "agent")
async def agent_kubeconfig(scene: Scene) -> None:
    """Expect the Lease on the server of this kubeconfig."""
    async with api_server.running() as other, scene.running(kubeconfig=scene.kubeconfig(other)):
        assert await scene.lease(server=other)

    assert scene.server.seen == []


@shows("--namespace", "aggregator")
async def aggregator_namespace(scene: Scene) -> None:
    """Leases of this namespace are shown; the election is there, too."""
    scene.report(NODE, RUNNING, namespace="elsewhere")
    async with scene.running(namespace="elsewhere") as aggregator:
        assert await aggregator.shows(lambda row: row["nodeName"] == NODE)
        assert await scene.lease(report_interval.LEASE, namespace="elsewhere")


@shows("--kubeconfig", "aggregator")
async def aggregator_kubeconfig(scene: Scene) -> None:
    """Leases of this kubeconfig's server are shown."""
    async with api_server.running() as other:
        scene.report(NODE, RUNNING, server=other)
        async with scene.running(kubeconfig=scene.kubeconfig(other)) as aggregator:
            assert await aggregator.shows(lambda row: row["nodeName"] == NODE)

    assert scene.server.seen == []


# -- agent and standalone: containerd --------------------------------------------------------------


@shows("--node-name", "agent")
async def agent_node_name(scene: Scene) -> None:
    """Expect the Lease under this name."""
    async with scene.running(node_name="node-7"):
        assert await scene.lease("node-7")


@shows("--node-name", "standalone")
async def standalone_node_name(scene: Scene) -> None:
    """Expect pulls of this node."""
    scene.node.pull(containerd.image()).resolve()
    async with scene.running(node_name="node-7") as standalone:
        assert await standalone.shows(lambda row: row["nodeName"] == "node-7")


@shows("--containerd-socket", "agent", "standalone")
async def containerd_socket(scene: Scene) -> None:
    """Expect polls of this containerd only."""
    async with containerd.running() as other, scene.running(containerd_socket=str(other.socket)):

        async def polled() -> bool:
            return len(other.calls) > 1

        assert await until(polled)

    assert scene.node.calls == []


@shows("--containerd-namespace", "agent", "standalone")
async def containerd_namespace(scene: Scene) -> None:
    """Every call carries this namespace: the fake refuses others, so that no pull would be found."""
    scene.monkeypatch.setattr(containerd, "NAMESPACE", "moby")
    scene.node.pull(containerd.image()).resolve()
    async with scene.running(containerd_namespace="moby") as program:
        if scene.program == "agent":
            assert "1 pulling" in (await scene.lease())["metadata"]["annotations"]["pulltrace.io/summary"]
        else:
            assert await program.shows(lambda row: row["nodeName"] == NODE)


@shows("--report-interval", "agent", "standalone")
async def report_interval_of_agent(scene: Scene) -> None:
    """Expect the Lease of a node that pulls to outlive two of its intervals (8/3 of 60 s)."""
    durations: list[int] = []

    class Recording(MemoryLeaseStore):
        async def patch(self, name: str, patch: LeasePatch) -> LeaseRecord:
            durations.append(patch.duration_seconds)
            return await super().patch(name, patch)

    async def written() -> bool:
        if scene.program == "agent":
            durations.append((await scene.lease())["spec"]["leaseDurationSeconds"])
        return bool(durations)

    async def outlives() -> bool:
        return await written() and durations[-1] == 160

    scene.monkeypatch.setattr(in_memory, "MemoryLeaseStore", Recording)
    scene.monkeypatch.setattr(random, "random", lambda: 0.0)  # the shortest pause after the first write
    pulling = scene.node.pull(containerd.image("docker.io/library/nginx", ("base", 1000))).resolve()
    async with scene.running(report_interval="60s"):
        assert await until(written)
        pulling.download(0, 100)
        assert await until(outlives)


@shows("--start-spread", "agent")
async def start_spread(scene: Scene) -> None:
    """Expect an idle agent to write nothing during the random delay; a pull ends the delay."""
    drawn: list[float] = []

    def longest(low: float, high: float) -> float:
        drawn.append(high)
        return high

    scene.monkeypatch.setattr(random, "uniform", longest)
    async with scene.running(start_spread="10m"):

        async def polled_twice() -> bool:
            return scene.node.calls.count("Leases/List") >= 2

        assert await until(polled_twice)
        assert drawn[0] == 600
        assert scene.server.seen == []

        scene.node.pull(containerd.image()).resolve()
        assert await scene.lease()


# -- programs with a server ------------------------------------------------------------------------


@shows("--http-addr", "aggregator", "standalone", "demo")
async def http_addr(scene: Scene) -> None:
    """Expect the API at this address."""
    address = f"127.0.0.1:{free_port()}"
    async with scene.running(http_addr=address) as program:
        assert (await program.text(f"http://{address}/api/v1/pulls"))[0] == 200


@shows("--metrics-addr", "aggregator", "standalone", "demo")
async def metrics_addr(scene: Scene) -> None:
    """Expect the metrics at this address."""
    address = f"127.0.0.1:{free_port()}"
    async with scene.running(metrics_addr=address) as program:
        status, text = await program.text(f"http://{address}/metrics")

    assert status == 200
    assert "\npulltrace_" in text


@shows("--allowed-hosts", "aggregator", "standalone", "demo")
async def allowed_hosts(scene: Scene) -> None:
    """Expect answers to requests for this host, by API and metrics, and refusals of requests for others."""
    async with scene.running(allowed_hosts="pulltrace.example.com") as program:
        for url in (f"{program.http_url}/api/v1/pulls", f"{program.metrics_url}/metrics"):
            assert (await program.text(url, Host="pulltrace.example.com"))[0] == 200
            assert (await program.text(url, Host="other.example.com"))[0] != 200


@shows("--history-ttl", "aggregator")
async def aggregator_history_ttl(scene: Scene) -> None:
    """Expect a pull that ended longer ago not to be shown."""
    scene.report(NODE, NodeReport(recent=(recent(1, seconds_ago=5), recent(2, seconds_ago=600))))
    for history_ttl, numbers in (("1m", {1}), ("1h", {1, 2})):
        async with scene.running(history_ttl=history_ttl) as aggregator:
            await aggregator.shows(lambda row: row["id"] == pull_row_id(1))
            assert {row["id"] for row in await aggregator.rows()} == {pull_row_id(number) for number in numbers}


@shows("--history-ttl", "standalone")
async def standalone_history_ttl(scene: Scene) -> None:
    """Expect an ended pull to be shown for this time."""
    pulling = scene.node.pull(containerd.image()).resolve()
    async with scene.running(history_ttl="2s") as standalone:
        await standalone.shows(lambda row: row["nodeName"] == NODE)
        pulling.complete()
        await standalone.shows(lambda row: row["phase"] == Phase.COMPLETED)

        async def gone() -> bool:
            return await standalone.rows() == []

        assert await until(gone)


# -- aggregator ------------------------------------------------------------------------------------


@shows("--watch-namespaces", "aggregator")
async def watch_namespaces(scene: Scene) -> None:
    """Only pods of these namespaces are read and shown."""
    scene.report(NODE, RUNNING)
    for namespace in ("team-a", "team-b", "team-c"):
        scene.pending_pod(f"web-{namespace}", namespace)
    async with scene.running(watch_namespaces="team-a,team-b") as aggregator:

        async def pods() -> set[str]:
            return {pod["namespace"] for pod in (await aggregator.document("/api/v1/pods"))["pods"]}

        assert await until(pods) == {"team-a", "team-b"}

    assert not [one.path for one in scene.server.seen if one.path in ("/api/v1/pods", "/api/v1/events")]


@shows("--write-budget", "aggregator")
async def write_budget(scene: Scene) -> None:
    """Ten nodes that pull share one write a second, so that the leader publishes an interval of ten seconds or more."""
    for number in range(10):
        scene.report(f"node-{number}", RUNNING)

    async with scene.running(write_budget="1"):

        async def interval() -> float | None:
            annotations = (await scene.lease(report_interval.LEASE))["metadata"].get("annotations", {})
            return report_interval.interval_seconds(annotations)

        assert await until(interval) >= 10


@shows("--kubernetes-events", "aggregator")
async def kubernetes_events(scene: Scene) -> None:
    """Expect a leader without them to write none, while another one, of another namespace, writes its own."""
    scene.monkeypatch.setattr(event_messages, "MIN_AGE_SECONDS", 0.0)
    scene.pending_pod("web")
    for namespace in ("silent", "loud"):
        scene.report(NODE, RUNNING, namespace=namespace)
    scene.monkeypatch.setenv("POD_NAME", "silent")
    async with scene.running(namespace="silent", kubernetes_events="false") as silent:
        await silent.shows(lambda row: bool(row["pods"]))
        assert (await scene.lease(report_interval.LEASE, "silent"))["spec"]["holderIdentity"] == "silent"

        scene.monkeypatch.setenv("POD_NAME", "loud")
        async with scene.running(namespace="loud", kubernetes_events="true"):

            async def events() -> list[str]:
                return [event["reportingInstance"] for event in scene.events()]

            assert set(await until(events)) == {"loud"}


@shows("--event-budget", "aggregator")
async def event_budget(scene: Scene) -> None:
    """With a budget of one Event a second, three pods get theirs in more than a second."""
    scene.monkeypatch.setattr(event_messages, "MIN_AGE_SECONDS", 0.0)
    scene.report(NODE, RUNNING)
    for number in range(3):
        scene.pending_pod(f"web-{number}")
    seen_at: list[float] = []

    async def all_events() -> bool:
        seen_at.extend([time.monotonic()] * (len(scene.events()) - len(seen_at)))
        return len(seen_at) >= 3

    async with scene.running(event_budget="1"):
        assert await until(all_events)

    assert seen_at[-1] - seen_at[0] > 1


@shows("--max-streams", "aggregator")
async def max_streams(scene: Scene) -> None:
    """Expect a refusal of the second stream."""
    async with scene.running(max_streams="1") as aggregator, AsyncExitStack() as streams:
        assert [await aggregator.stream_status(streams) for _ in range(2)] == [200, 503]


@shows("--max-streams-per-address", "aggregator")
async def max_streams_per_address(scene: Scene) -> None:
    """Expect a refusal of an address's second stream; one proxy is one address."""
    async with scene.running(max_streams_per_address="1") as aggregator, AsyncExitStack() as streams:
        clients = ("192.0.2.1", "192.0.2.2")
        statuses = [await aggregator.stream_status(streams, **{"X-Forwarded-For": client}) for client in clients]

    assert statuses == [200, 503]


@shows("--trusted-proxies", "aggregator")
async def trusted_proxies(scene: Scene) -> None:
    """Clients behind this proxy have addresses of their own."""
    flags = {"max_streams_per_address": "1", "trusted_proxies": "127.0.0.0/8"}
    async with scene.running(**flags) as aggregator, AsyncExitStack() as streams:
        clients = ("192.0.2.1", "192.0.2.2", "192.0.2.2")
        statuses = [await aggregator.stream_status(streams, **{"X-Forwarded-For": client}) for client in clients]

    assert statuses == [200, 200, 503]


@shows("--per-node-policy", "aggregator")
async def per_node_policy(scene: Scene) -> None:
    """Expect a metric that shows whether the cluster has it, and a warning in the log if not."""
    for value, sample in (("true", "1.0"), ("false", "0.0")):
        async with scene.running(per_node_policy=value) as aggregator:
            _, text = await aggregator.text(f"{aggregator.metrics_url}/metrics")

        assert f"\npulltrace_per_node_policy {sample}\n" in text
        assert ("per-node isolation is not enforced" in scene.capsys.readouterr().err) == (value == "false")
