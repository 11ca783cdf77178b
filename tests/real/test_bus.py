"""Agent and aggregator as separate processes, with nothing between them but a real Kubernetes API."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulltrace.containerd.client import connect
from tests.cluster.api import JSON
from tests.cluster.containerd import Containerd
from tests.cluster.control_plane import ControlPlane
from tests.cluster.cri import pull_via_cri
from tests.cluster.faults import Fault
from tests.cluster.images import Image
from tests.cluster.processes import Process, wait_until
from tests.cluster.proxy import Proxy
from tests.real.conftest import MB
from tests.real.programs import Row, Server, agent, in_pod, resident_mib

pytestmark = pytest.mark.real

NAMESPACE = "pulltrace"
NODE = "node-1"
AGENT_MIB = 48
FOLLOWS_SECONDS = 2

RULES: dict[str, list[JSON]] = {
    "agent": [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "patch"]},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
    ],
    "aggregator": [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "list", "watch", "create"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": ["pulltrace-aggregator"],
            "verbs": ["update", "patch"],
        },
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
    ],
}


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """Provide a Kubernetes API with one node, and a ServiceAccount with its rights for each program."""
    with ControlPlane() as control_plane:
        control_plane.admin.create("/api/v1/nodes", {"metadata": {"name": NODE}})
        for name, rules in RULES.items():
            control_plane.create_service_account(NAMESPACE, name)
            rbac = "/apis/rbac.authorization.k8s.io/v1/"
            control_plane.admin.create(rbac + "clusterroles", {"metadata": {"name": name}, "rules": rules})
            subject = {"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}
            role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
            binding = {"metadata": {"name": name}, "subjects": [subject], "roleRef": role}
            control_plane.admin.create(rbac + "clusterrolebindings", binding)
        yield control_plane


@pytest.fixture
def node_agent(control_plane: ControlPlane, containerd: Containerd, tmp_path: Path) -> Iterator[Process]:
    """Provide the agent of node-1, with a token that carries the node's name; its Lease is gone afterwards."""
    token = control_plane.token(NAMESPACE, "agent", node=NODE)
    flags = ("--node-name", NODE, "--containerd-socket", containerd.socket, "--start-spread", "0s")
    with agent(tmp_path, in_pod(tmp_path, control_plane.with_token(token), NAMESPACE), *flags) as process:
        wait_until(lambda: "holderIdentity" in lease(control_plane).get("spec", {}), "the Lease", processes=[process])
        yield process
    control_plane.admin.delete(f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{NODE}")


@pytest.fixture
def aggregator(control_plane: ControlPlane, tmp_path: Path) -> Server:
    """Provide an aggregator that has not been started."""
    identity = control_plane.with_token(control_plane.token(NAMESPACE, "aggregator"))
    kubeconfig = identity.write_kubeconfig(tmp_path / "kubeconfig")
    return Server("aggregator", tmp_path, "--kubeconfig", kubeconfig, "--namespace", NAMESPACE)


def lease(control_plane: ControlPlane, name: str = NODE) -> JSON:
    leases = control_plane.admin.get(f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases")
    return next((one for one in leases["items"] if one["metadata"]["name"] == name), {})


def running_bytes(rows: list[Row]) -> int:
    return sum(row["downloadedBytes"] for row in rows if row["phase"] == "downloading")


async def sample_offsets(containerd: Containerd, until: asyncio.Task[str]) -> list[tuple[float, int]]:
    """Return the bytes of containerd's one pull, with the time, until the pull ends."""
    samples = []
    async with connect(str(containerd.socket), "k8s.io") as client:
        while not until.done():
            moving = sum(status.offset for status in await client.ingests() if status.ref.startswith("layer-"))
            samples.append((time.time(), moving))
            await asyncio.wait((until,), timeout=0.25)
    return samples


def test_stream_follows_containerd(
    control_plane: ControlPlane,
    containerd: Containerd,
    proxy: Proxy,
    app: Image,
    node_agent: Process,
    aggregator: Server,
) -> None:
    """The stream agrees with containerd within 2 s, and `kubectl describe lease` is readable meanwhile."""
    proxy.set_rate(2 * MB)

    async def pull_and_sample() -> list[tuple[float, int]]:
        pull = asyncio.create_task(pull_via_cri(containerd.socket, app.ref))
        return await sample_offsets(containerd, pull)

    with aggregator, aggregator.stream() as stream:
        samples = asyncio.run(pull_and_sample())
        (row,) = aggregator.ended(1)
        annotations = lease(control_plane, "pulltrace-aggregator")["metadata"]["annotations"]
        progress = [(at, event["pull"]["downloadedBytes"]) for at, event in stream.of(row["id"])]
    assert row["imageRef"] == app.ref
    assert annotations["pulltrace.io/report-interval"] == "1.0s"
    delays = []
    for at, moved in samples:
        if moved:
            shown_at = next((then for then, downloaded in progress if downloaded >= moved), None)
            assert shown_at is not None, f"{moved} bytes were never shown"
            delays.append(max(0.0, shown_at - at))
    print(f"stream behind containerd: median {sorted(delays)[len(delays) // 2]:.2f} s, worst {max(delays):.2f} s")
    assert max(delays) < FOLLOWS_SECONDS


def test_describe_lease(
    control_plane: ControlPlane, containerd: Containerd, proxy: Proxy, app: Image, node_agent: Process
) -> None:
    """`kubectl describe lease` shows a person the pulled images, their progress, and who reports them."""
    proxy.set_rate(MB)  # no aggregator asks for a report each second

    async def describe() -> str:
        pull = asyncio.create_task(pull_via_cri(containerd.socket, app.ref))
        summary = asyncio.to_thread(
            wait_until,
            lambda: "~" in lease(control_plane)["metadata"]["annotations"]["pulltrace.io/summary"],
            "a summary",
        )
        await summary
        text = await asyncio.to_thread(control_plane.kubectl, "describe", "lease", "-n", NAMESPACE, NODE)
        await pull
        return text

    text = asyncio.run(describe())
    print(text)
    assert "pulltrace.io/summary: 1 pulling (registry.test/team/app " in text
    assert '"repo":["registry.test/team/app"]' in text
    assert "Lease Duration Seconds:  40" in text
    (owner,) = lease(control_plane)["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Node", NODE)


def test_aggregator_restart_loses_nothing(
    control_plane: ControlPlane,
    containerd: Containerd,
    proxy: Proxy,
    app: Image,
    tool: Image,
    node_agent: Process,
    aggregator: Server,
) -> None:
    """An aggregator that is killed and started again knows the running pull, the finished and the failed one."""
    aggregator.start()
    proxy.add(Fault("/manifests/9.9", status=404, hang_seconds=2))

    async def scenario() -> None:
        proxy.set_rate(4 * MB)
        await pull_via_cri(containerd.socket, tool.ref)
        missing = asyncio.create_task(pull_via_cri(containerd.socket, "registry.test/team/tool:9.9"))
        await asyncio.gather(missing, return_exceptions=True)
        await asyncio.to_thread(aggregator.ended, 2)
        proxy.set_rate(2 * MB)
        pull = asyncio.create_task(pull_via_cri(containerd.socket, app.ref))
        before = await asyncio.to_thread(aggregator.wait_for, lambda rows: running_bytes(rows) > 2 * MB, "bytes")
        aggregator.process.kill()
        aggregator.start()
        after = aggregator.pulls()
        assert {row["id"] for row in after} == {row["id"] for row in before}
        assert running_bytes(after) >= running_bytes(before)
        assert sorted(row["phase"] for row in after) == ["completed", "downloading", "failed"]
        await pull

    asyncio.run(scenario())
    rows = aggregator.ended(3)
    aggregator.process.stop()
    assert sorted(row["imageRef"] for row in rows if row["phase"] == "completed") == sorted((app.ref, tool.ref))


def test_stopped_aggregator_gives_the_lease_back(control_plane: ControlPlane, aggregator: Server) -> None:
    """SIGTERM ends it within 10 s, and its successor leads at once."""

    def holder() -> str:
        return str(lease(control_plane, "pulltrace-aggregator").get("spec", {}).get("holderIdentity") or "")

    def leads() -> bool:
        return holder().endswith(f"-{aggregator.process.pid}")

    for seconds in (30, 3):  # the leader of the test before may have been killed: then its Lease has to expire
        aggregator.start()
        with aggregator.stream():
            wait_until(leads, "this one to lead", seconds=seconds)
            begin = time.monotonic()
            aggregator.process.stop()
        print(f"SIGTERM to the end, with an open stream: {time.monotonic() - begin:.1f} s")
        assert time.monotonic() - begin < 10
        assert not holder()


def test_waiting_pod_names_the_pull(
    control_plane: ControlPlane,
    containerd: Containerd,
    proxy: Proxy,
    app: Image,
    node_agent: Process,
    aggregator: Server,
) -> None:
    """A pod that is bound to the node and waits for the image gives the pull its full name while it runs."""
    proxy.set_rate(2 * MB)
    control_plane.create_service_account(NAMESPACE, "default")
    pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
    spec = {"nodeName": NODE, "containers": [{"name": "main", "image": app.ref}]}
    control_plane.admin.create(pods, {"metadata": {"name": "web"}, "spec": spec})

    async def named_while_pulling() -> list[Row]:
        pull = asyncio.create_task(pull_via_cri(containerd.socket, app.ref))
        rows = await asyncio.to_thread(aggregator.wait_for, lambda rows: running_bytes(rows) > 0, "bytes")
        await pull
        return rows

    with aggregator:
        (row,) = asyncio.run(named_while_pulling())
    assert (row["imageRef"], row["nameKnown"]) == (app.ref, True)
    itself = {"namespace": NAMESPACE, "kind": "Pod", "name": "web"}
    waits = {"namespace": NAMESPACE, "podName": "web", "container": "main", "image": app.ref, "workload": itself}
    assert row["pods"] == [waits]
    control_plane.admin.delete(f"{pods}/web?gracePeriodSeconds=0")


def test_agent_is_small(containerd: Containerd, proxy: Proxy, app: Image, tool: Image, node_agent: Process) -> None:
    """The agent holds at most 48 MiB after pulls, with its token in a pod's place."""

    async def both() -> None:
        await asyncio.gather(*(pull_via_cri(containerd.socket, image.ref) for image in (app, tool)))

    proxy.set_rate(4 * MB)
    asyncio.run(both())
    size = resident_mib(node_agent.pid)
    print(f"agent: {size:.1f} MiB resident, Python {sys.version.split()[0]}")
    assert size <= AGENT_MIB
