"""Both installs against a real API server: everything is accepted, rights and per-node policy hold.

There are no nodes and no controllers here, so no pod starts: the cluster tests do that.
"""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.credentials import RestConfig, StaticConfig
from pulltrace.kube.client.h11_client import H11Client
from pulltrace.kube.resources.event_recorder import EventRecorder, KubernetesEvent
from pulltrace.kube.resources.leases import KubeLeaseStore, LeasePatch
from tests.builders.leases import lease_object
from tests.cluster import binaries
from tests.cluster.api import ApiError, Identity
from tests.cluster.control_plane import ControlPlane
from tests.cluster.processes import Process, wait_until
from tests.deploy.manifests import CHART, KUSTOMIZE, Object, Values, agent_pod, aggregator_pod, pod_of, rendered, the

pytestmark = pytest.mark.real("etcd", "openssl")

LEASES = "/apis/coordination.k8s.io/v1/namespaces/pulltrace/leases"
PODS = "/api/v1/namespaces/{}/pods"
LABELS = {"app.kubernetes.io/name": "pulltrace", "app.kubernetes.io/component": "agent"}
EVERYTHING: Values = {
    "aggregator": {"replicas": 2},
    "watchNamespaces": ["default"],
    "ingress": {"enabled": True, "className": "nginx", "tls": [{"secretName": "tls", "hosts": ["pulltrace.local"]}]},
    "networkPolicy": {
        "enabled": True,
        "httpFrom": [{"namespaceSelector": {}}],
        "metricsFrom": [{"podSelector": {}}],
        "apiServerCIDRs": ["10.0.0.0/8"],
    },
    "monitoring": {"dashboard": {"enabled": True}},
    "apiPriority": {"enabled": True},
}
"""Every switch, but for those whose objects need a CustomResourceDefinition."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    """An API server on which `helm install` has been run, with two nodes and an agent's pod on each."""
    with ControlPlane() as cluster:
        installed = helm(cluster, "install", "pulltrace", CHART, "-n", "pulltrace", "--create-namespace")
        assert "STATUS: deployed" in installed
        cluster.create_service_account("pulltrace", "default")
        for node in ("node-1", "node-2"):
            cluster.admin.create("/api/v1/nodes", {"metadata": {"name": node}})
            cluster.admin.create(PODS.format("pulltrace"), pod(f"agent-on-{node}", agent_pod(rendered()), node=node))
        yield cluster


@pytest.fixture(scope="module")
def agent(cluster: ControlPlane) -> Identity:
    """The agent of node-1, once the policy is in force (the API server learns of it by a watch)."""
    agent = cluster.with_token(cluster.token("pulltrace", "pulltrace-agent", pod="agent-on-node-1"))
    wait_until(
        lambda: denied(lambda: agent.create(LEASES + "?dryRun=All", lease_object("node-2"))), "the policy", seconds=30
    )
    return agent


@pytest.fixture
def own(cluster: ControlPlane, agent: Identity) -> Iterator[str]:
    """The path of the agent's own Lease, as an agent makes it."""
    uid = cluster.admin.get("/api/v1/nodes/node-1")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": uid}
    agent.create(LEASES, lease_object("node-1", ownerReferences=[owner]))
    yield f"{LEASES}/node-1"
    cluster.admin.delete(f"{LEASES}/node-1")


def helm(cluster: ControlPlane, *arguments: Any) -> str:
    command = [binaries.helm(), f"--kubeconfig={cluster.kubeconfig}", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert not result.returncode, result.stderr
    return result.stdout


def pod(name: str, spec: Object, *, node: str = "") -> Object:
    return {"metadata": {"name": name}, "spec": spec | ({"nodeName": node} if node else {})}


def denied(call: Callable[[], object]) -> bool:
    """Whether the API server answers 403."""
    return refusal(call) is not None


def refusal(call: Callable[[], object]) -> str | None:
    """Return the reason of a 403; None when the API server accepted the request."""
    try:
        call()
    except ApiError as error:
        if error.status != 403:
            raise
        return error.message
    return None


# -- What is accepted ------------------------------------------------------------------------------


def test_install_says_what_is_there(cluster: ControlPlane) -> None:
    """After the install, helm's notes name the policy and the way to the UI, and no warning."""
    notes = helm(cluster, "get", "notes", "pulltrace", "-n", "pulltrace")

    assert "the per-node policy" in notes
    assert "port-forward service/pulltrace" in notes
    assert "WARNING" not in notes


def test_everything_is_accepted(cluster: ControlPlane) -> None:
    """With every switch on, the API server takes each object as it is, with no unknown field."""
    documents = yaml.safe_dump_all(list(rendered(EVERYTHING).values()))
    output = cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=documents)

    assert len(output.splitlines()) == len(rendered(EVERYTHING))


@pytest.mark.parametrize("overlay", ["default", "k3s"])
def test_overlay_is_accepted(cluster: ControlPlane, overlay: str) -> None:
    """`kubectl apply -k` takes each object of an overlay as it is."""
    output = cluster.kubectl(
        "apply", "--dry-run=server", "--validate=strict", "-k", str(KUSTOMIZE / "overlays" / overlay)
    )

    assert "daemonset.apps/pulltrace-agent" in output


def test_policy_has_no_type_errors(cluster: ControlPlane, type_checker: Process) -> None:
    """The policy's expressions fit the schema of Leases."""
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/pulltrace-per-node"

    def checked() -> bool:
        return "typeChecking" in cluster.admin.get(path).get("status", {})

    wait_until(checked, "the check of the policy", seconds=60, processes=[type_checker])
    assert cluster.admin.get(path)["status"]["typeChecking"] == {}


@pytest.fixture
def type_checker(cluster: ControlPlane) -> Iterator[Process]:
    """The controller that checks policies against schemas."""
    program = binaries.kubernetes("kube-controller-manager")
    flags = {
        "kubeconfig": cluster.kubeconfig,
        "controllers": "validatingadmissionpolicy-status-controller",
        "leader-elect": "false",
        "secure-port": 0,
    }
    process = Process(
        [str(program), *(f"--{name}={value}" for name, value in flags.items())], cluster.folder / "kcm.log"
    )
    process.start()
    yield process
    process.kill()


@pytest.mark.parametrize(
    ("version", "folder"),
    [
        ("v1.34.1+k3s1", "/run/k3s/containerd"),
        ("v1.34.1+rke2r1", "/run/k3s/containerd"),
        ("v1.34.1+k0s", "/run/k0s"),
        ("v1.34.1-eks-113cf36", "/run/containerd"),
        ("v1.34.1-gke.100", "/run/containerd"),
    ],
)
def test_distribution_is_recognised(cluster: ControlPlane, version: str, folder: str) -> None:
    """A plain install on k3s, RKE2 or k0s mounts the folder of their containerd, and the notes name it."""
    with calling_itself(cluster, version) as url:
        output = helm(
            cluster, "install", "again", CHART, "-n", "pulltrace", "--dry-run=server", "--kube-apiserver", url
        )

    assert f"path: {folder}\n" in output
    assert f"containerd  {folder}/containerd.sock (preset " in output


@contextmanager
def calling_itself(cluster: ControlPlane, version: str) -> Iterator[str]:
    """The address of the same API server, which reports another version."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            request = urllib.request.Request(
                cluster.url + self.path, headers={"Accept": self.headers["Accept"] or "*/*"}
            )
            try:
                with urllib.request.urlopen(request, context=cluster.admin._context, timeout=30) as answer:
                    status, kind, body = answer.status, answer.headers["Content-Type"], answer.read()
            except urllib.error.HTTPError as error:
                with error:
                    status, kind, body = error.code, error.headers["Content-Type"], error.read()
            if self.path.startswith("/version"):
                body = json.dumps(json.loads(body) | {"gitVersion": version}).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


# -- Pod Security ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def restricted(cluster: ControlPlane) -> str:
    """A namespace at the level `restricted`."""
    cluster.create_service_account("restricted", "default")
    for account in ("pulltrace-agent", "pulltrace-aggregator"):
        cluster.create_service_account("restricted", account)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.admin.patch("/api/v1/namespaces/restricted", {"metadata": {"labels": labels}})
    return PODS.format("restricted") + "?dryRun=All"


def test_aggregator_is_restricted(cluster: ControlPlane, restricted: str) -> None:
    """The pods of the aggregator and of `helm test` pass the strictest level of Pod Security."""
    cluster.admin.create(restricted, pod("aggregator", aggregator_pod(rendered())))
    test = pod_of(the(rendered(), "Pod")) | {"serviceAccountName": "default"}
    cluster.admin.create(restricted, pod("test", test))


def test_agent_with_a_group_violates_one_rule(cluster: ControlPlane, restricted: str) -> None:
    """The hostPath is the only thing that keeps an agent with a group from the strictest level."""
    spec = agent_pod(rendered({"agent": {"containerd": {"group": 1234}}}))
    reason_given = refusal(lambda: cluster.admin.create(restricted, pod("agent", spec)))

    assert reason_given
    assert reason_given.partition('violates PodSecurity "restricted:latest": ')[2] == (
        'restricted volume types (volume "containerd" uses restricted volume type "hostPath")'
    )


def test_agent_as_root_violates_no_other_rule(cluster: ControlPlane, restricted: str) -> None:
    """Without a group it is the hostPath and the user, and nothing else."""
    reason_given = refusal(lambda: cluster.admin.create(restricted, pod("agent", agent_pod(rendered()))))

    assert reason_given
    rules = reason_given.partition('violates PodSecurity "restricted:latest": ')[2]
    assert [rule.split(" (")[0] for rule in rules.split("), ")] == [
        "restricted volume types",
        "runAsNonRoot != true",
        "runAsUser=0",
    ]


# -- The agent's rights ----------------------------------------------------------------------------


async def test_agents_store_works_with_the_agents_rights(cluster: ControlPlane, agent: Identity) -> None:
    """The agent's own code makes the Lease, patches it, and gives it lost labels back, with no more than its rights."""
    access = RestConfig(agent.url, f"Bearer {agent.token}", ca_file=str(cluster.authority.certificate))
    path = f"{LEASES}/node-1"
    async with H11Client(StaticConfig(access)) as connection:
        store = KubeLeaseStore(connection, "pulltrace")
        for text in ("1 pulling", "idle"):
            annotations = {"pulltrace.io/summary": text, "pull.pulltrace.io/a1": "{}" if text != "idle" else None}
            await store.patch("node-1", LeasePatch(annotations, "agent-on-node-1", 1_700_000_000, 300))
            cluster.admin.patch(path, {"metadata": {"labels": dict.fromkeys(LABELS)}})
        await store.patch("node-1", LeasePatch({}, "agent-on-node-1", 1_700_000_000, 300))
        record = await store.get("node-1")
    made = cluster.admin.get(path)["metadata"]
    cluster.admin.delete(path)

    assert record
    assert record.annotations == {"pulltrace.io/summary": "idle"}
    assert made["labels"] == LABELS
    assert [owner["kind"] for owner in made["ownerReferences"]] == ["Node"]
    assert "managedFields" not in made


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"annotations": {"pulltrace.io/summary": "1 pulling", "pull.pulltrace.io/x": "1"}}},
        {"metadata": {"annotations": {"pull.pulltrace.io/abc": None}}},
        {"metadata": {"annotations": {"pulltrace.io/recent": "x" * 32_000}}},
        {"spec": {"holderIdentity": "next", "renewTime": "2026-01-02T00:00:00.000000Z", "leaseDurationSeconds": 40}},
    ],
    ids=["annotations", "annotation removed", "annotations of 32 kB", "spec"],
)
def test_agent_writes_its_own_lease(agent: Identity, own: str, change: Object) -> None:
    """An agent may change Pulltrace's annotations and the fields that renew the Lease."""
    agent.patch(own, change)


FOREIGN = {"kubectl.kubernetes.io/note": "x"}
OTHER_OWNER = {"apiVersion": "v1", "kind": "Node", "name": "node-2", "uid": "1"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"metadata": {"annotations": FOREIGN}}, "annotations of pulltrace.io"),
        ({"metadata": {"annotations": {"notpulltrace.io/x": "1"}}}, "annotations of pulltrace.io"),
        ({"metadata": {"annotations": {"pulltrace.io/recent": "x" * 33_000}}}, "32 KiB"),
        ({"metadata": {"annotations": {"pulltrace.io/recent": "ü" * 17_000}}}, "32 KiB"),
        ({"metadata": {"annotations": {f"pull.pulltrace.io/{n}": "x" * 500 for n in range(70)}}}, "32 KiB"),
        ({"metadata": {"labels": {"app.kubernetes.io/component": "other"}}}, "labels"),
        ({"metadata": {"labels": {"x": "y"}}}, "labels"),
        ({"metadata": {"ownerReferences": None}}, "belongs to its Node"),
        ({"metadata": {"ownerReferences": [OTHER_OWNER]}}, "belongs to its Node"),
        ({"metadata": {"finalizers": ["pulltrace.io/stay"]}}, "finalizers"),
        ({"spec": {"holderIdentity": "x" * 300}}, "holderIdentity, renewTime and leaseDurationSeconds only"),
        ({"spec": {"leaseDurationSeconds": 2_000_000}}, "holderIdentity, renewTime and leaseDurationSeconds only"),
        ({"spec": {"acquireTime": "2026-01-01T00:00:00.000000Z"}}, "renewTime and leaseDurationSeconds only"),
        ({"spec": {"leaseTransitions": 7}}, "holderIdentity, renewTime and leaseDurationSeconds only"),
    ],
)
def test_agent_changes_nothing_else(agent: Identity, own: str, change: Object, reason: str) -> None:
    """Whatever else an agent wants to change in its own Lease is refused, by the rule that is meant."""
    reason_given = refusal(lambda: agent.patch(own, change))

    assert reason_given
    assert reason in reason_given


def test_annotations_of_others_stay(cluster: ControlPlane, agent: Identity, own: str) -> None:
    """Annotations of others on the Lease hinder no agent, and no agent can change or remove them."""
    cluster.admin.patch(own, {"metadata": {"annotations": FOREIGN}})
    agent.patch(own, {"metadata": {"annotations": {"pulltrace.io/summary": "1 pulling"}}})

    assert denied(lambda: agent.patch(own, {"metadata": {"annotations": dict.fromkeys(FOREIGN)}}))
    assert denied(lambda: agent.patch(own, {"metadata": {"annotations": dict.fromkeys(FOREIGN, "y")}}))


@pytest.mark.parametrize(
    "made",
    [
        lease_object("node-2"),
        lease_object("node-1", annotations=FOREIGN),
        lease_object("node-1", annotations={"pulltrace.io/recent": "x" * 33_000}),
        lease_object("node-1", labels={"x": "y"}),
        lease_object("node-1", ownerReferences=[OTHER_OWNER]),
        lease_object("node-1", finalizers=["pulltrace.io/stay"]),
        lease_object("pulltrace-aggregator"),
        {**lease_object(""), "metadata": {"generateName": "node-1"}},
    ],
    ids=["other node", "annotation", "too big", "label", "owner", "finalizer", "leader's", "generated name"],
)
def test_agent_makes_no_other_lease(agent: Identity, made: Object) -> None:
    """An agent makes the Lease of its own node, and makes it as agents do."""
    assert denied(lambda: agent.create(LEASES, made))


def test_agent_leaves_leases_of_other_nodes(cluster: ControlPlane, agent: Identity, own: str) -> None:
    """The agent of node-1 can neither write nor delete the Lease of node-2, which node-2's agent can write."""
    other = cluster.with_token(cluster.token("pulltrace", "pulltrace-agent", pod="agent-on-node-2"))
    other.create(LEASES, lease_object("node-2"))
    path = f"{LEASES}/node-2"

    assert denied(lambda: agent.patch(path, {"metadata": {"annotations": {"pulltrace.io/summary": "x"}}}))
    assert denied(lambda: agent.replace(path, lease_object("node-2")))
    assert denied(lambda: agent.delete(path))
    assert denied(lambda: agent.delete(own))
    other.patch(path, {"metadata": {"annotations": {"pulltrace.io/summary": "x"}}})
    cluster.admin.delete(path)


def test_token_without_a_node_writes_nothing(cluster: ControlPlane, agent: Identity) -> None:
    """A token of the agents' account that is bound to no node writes no Lease at all."""
    loose = cluster.with_token(cluster.token("pulltrace", "pulltrace-agent"))

    assert denied(lambda: loose.create(LEASES, lease_object("node-1")))


@pytest.mark.parametrize(
    "path",
    [
        LEASES,
        f"{LEASES}?watch=true",
        "/api/v1/pods",
        "/api/v1/namespaces/pulltrace/pods",
        "/api/v1/namespaces/pulltrace/secrets",
        "/api/v1/secrets",
        "/api/v1/nodes",
        "/api/v1/namespaces/kube-system/configmaps",
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1",
    ],
)
def test_agent_reads_nothing_else(agent: Identity, path: str) -> None:
    """Of the cluster an agent reads single Leases of its namespace and its Node, and no list of anything."""
    assert denied(lambda: agent.get(path))


def test_agent_reads_what_it_needs(agent: Identity, own: str) -> None:
    """It reads its Lease and its Node."""
    assert agent.get(own)["metadata"]["name"] == "node-1"
    assert agent.get("/api/v1/nodes/node-1")["metadata"]["uid"]


# -- The aggregator's rights -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def aggregator(cluster: ControlPlane) -> Identity:
    """The aggregator's account."""
    return cluster.with_token(cluster.token("pulltrace", "pulltrace-aggregator"))


@pytest.mark.parametrize("path", [LEASES, "/api/v1/pods", "/api/v1/events"])
def test_aggregator_lists(aggregator: Identity, path: str) -> None:
    """It lists the Leases of its namespace, and pods and Events of all."""
    assert "items" in aggregator.get(path)


def test_aggregator_leads(cluster: ControlPlane, aggregator: Identity) -> None:
    """It makes and renews the Lease of the leader election, which no policy hinders."""
    path = f"{LEASES}/pulltrace-aggregator"
    aggregator.create(LEASES, {"metadata": {"name": "pulltrace-aggregator"}, "spec": {"leaseTransitions": 1}})
    made = aggregator.get(path)
    aggregator.replace(path, made)
    aggregator.patch(path, {"metadata": {"annotations": {"pulltrace.io/interval": "1s"}}})
    cluster.admin.delete(path)


def test_agents_wait_in_a_level_of_their_own(
    cluster: ControlPlane, agent: Identity, aggregator: Identity, own: str
) -> None:
    """A level with few seats dispatches agents' requests, the level of all elections the election's."""
    switches = ["--set", "apiPriority.enabled=true", "--kube-version", binaries.KUBERNETES.version]
    versions = ["--api-versions", "flowcontrol.apiserver.k8s.io/v1"]
    shown = ["--show-only", "templates/apipriority.yaml"]
    text = helm(cluster, "template", "pulltrace", CHART, "-n", "pulltrace", *switches, *versions, *shown)
    cluster.kubectl("apply", "-n", "pulltrace", "-f", "-", stdin=text)
    path = f"{LEASES}/pulltrace-aggregator"
    aggregator.create(LEASES, {"metadata": {"name": "pulltrace-aggregator"}, "spec": {"leaseTransitions": 1}})
    dispatched = "apiserver_flowcontrol_dispatched_requests_total"
    expected = [
        f'{dispatched}{{flow_schema="pulltrace",priority_level="pulltrace"}}',
        f'{dispatched}{{flow_schema="pulltrace-election",priority_level="leader-election"}}',
    ]

    def are_dispatched() -> bool:
        agent.patch(own, {"metadata": {"annotations": {"pulltrace.io/summary": "1 pulling"}}})
        aggregator.patch(path, {"spec": {"holderIdentity": "a"}})
        metrics = cluster.admin.get("/metrics")["text"]
        return all(one in metrics for one in expected)

    wait_until(are_dispatched, "requests in their levels", seconds=30)
    seats = 'apiserver_flowcontrol_nominal_limit_seats{priority_level="pulltrace"} 5'
    assert seats in cluster.admin.get("/metrics")["text"]
    cluster.admin.delete(path)
    cluster.kubectl("delete", "-n", "pulltrace", "-f", "-", stdin=text)


async def test_aggregator_writes_events(cluster: ControlPlane, aggregator: Identity) -> None:
    """Its own code makes Events of pods in any namespace, goes on with those of another leader, and needs no more rights."""
    access = RestConfig(aggregator.url, f"Bearer {aggregator.token}", ca_file=str(cluster.authority.certificate))
    event = KubernetesEvent("default", "web-1", "uid-1", "ImagePullProgress", "31 % pulled")
    async with AiohttpClient(StaticConfig(access)) as connection:
        for instance in ("a", "a", "b"):
            await EventRecorder(connection, instance).write(event)
    found = cluster.admin.get(f"/api/v1/namespaces/default/events/{event.name}")

    assert found["series"]["count"] == 3


def test_aggregator_does_nothing_else(aggregator: Identity, own: str) -> None:
    """It reads no Secret and no Node, and writes neither an agent's Lease nor a pod."""
    assert denied(lambda: aggregator.patch(own, {"metadata": {"annotations": {"pulltrace.io/summary": "x"}}}))
    assert denied(lambda: aggregator.delete(own))
    assert denied(lambda: aggregator.get("/api/v1/secrets"))
    assert denied(lambda: aggregator.get("/api/v1/nodes/node-1"))
    assert denied(lambda: aggregator.get("/api/v1/namespaces/pulltrace/pods/agent-on-node-1/log"))
    assert denied(lambda: aggregator.create("/api/v1/namespaces/pulltrace/pods", {"metadata": {"name": "p"}}))
