"""The whole cluster: real pods on both nodes, ordinary users, slow links, and nothing left afterwards."""

import base64
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import machines, mounts
from tests.cluster.api import ApiError
from tests.cluster.cluster import Cluster
from tests.cluster.images import random_layer
from tests.cluster.processes import wait_until

pytestmark = pytest.mark.e2e

NAME, NUMBER = "pulltrace-self", 233
MB = 1_000_000
SPREAD = {
    "maxSkew": 1,
    "topologyKey": "kubernetes.io/hostname",
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"app": "web"}},
}
SERVE = "hostname > /tmp/name; echo serving; exec httpd -f -p 8080 -h /tmp"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Provide a cluster for all tests of this module."""
    with Cluster(NAME, NUMBER) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def pods(cluster: Cluster) -> list[dict[str, Any]]:
    """Provide a Deployment of two pods behind a Service, one on each node, when both are ready."""
    container = {
        "name": "web",
        "image": "direct.test/busybox:1",
        "args": [SERVE],
        "readinessProbe": {"httpGet": {"port": 8080, "path": "/name"}, "periodSeconds": 1},
    }
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [container], "topologySpreadConstraints": [SPREAD], "terminationGracePeriodSeconds": 0},
    }
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    cluster.user.create("/apis/apps/v1/namespaces/default/deployments", {"metadata": {"name": "web"}, "spec": spec})
    ports = [{"port": 80, "targetPort": 8080}]
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": ports}}
    cluster.user.create("/api/v1/namespaces/default/services", service)
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    found: list[dict[str, Any]] = cluster.user.get("/api/v1/namespaces/default/pods?labelSelector=app%3Dweb")["items"]
    return found


def test_one_pod_on_each_node(cluster: Cluster, pods: list[dict[str, Any]]) -> None:
    """The nodes run containerd 1.6 and 2.1, and each has one of the pods."""
    runtimes = {
        node["metadata"]["name"]: node["status"]["nodeInfo"]["containerRuntimeVersion"]
        for node in cluster.user.get("/api/v1/nodes")["items"]
    }

    assert runtimes["node-1"].startswith("containerd://1.6.")
    assert runtimes["node-2"].startswith("containerd://2.1.")
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == ["node-1", "node-2"]


def test_exec_logs_and_services(cluster: Cluster, pods: list[dict[str, Any]]) -> None:
    """`kubectl exec` and `logs` reach a pod, and a pod reaches both pods by the Service's name."""
    names = {pod["metadata"]["name"] for pod in pods}
    ask = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do wget -qO- http://web/name; done"

    def all_answer() -> bool:
        return set(cluster.kubectl("exec", "deployment/web", "--", "sh", "-c", ask).split()) == names

    wait_until(all_answer, "answers from both pods")
    assert "serving" in cluster.kubectl("logs", next(iter(names)))


def test_token_in_a_pod_names_its_node(cluster: Cluster, pods: list[dict[str, Any]]) -> None:
    """The token that a kubelet puts into a pod is bound to the pod and carries the name of its node."""
    for pod in pods:
        path = "/var/run/secrets/kubernetes.io/serviceaccount/token"
        token = cluster.kubectl("exec", pod["metadata"]["name"], "--", "cat", path)
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==="))["kubernetes.io"]
        assert claims["node"]["name"] == pod["spec"]["nodeName"]
        assert claims["pod"]["name"] == pod["metadata"]["name"]


def test_rbac_and_admission_apply_to_all(cluster: Cluster) -> None:
    """The tests' user has its rights by RBAC alone, a node may touch only itself, PodSecurity says no."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    groups = cluster.user.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    assert groups["status"]["userInfo"]["groups"] == ["system:authenticated"]

    node = cluster.control_plane.identity("system:node:node-1", groups=["system:nodes"])
    with pytest.raises(ApiError, match='node "node-1" is not allowed to modify node "node-2"'):
        node.patch("/api/v1/nodes/node-2", {"metadata": {"labels": {"mine": "yes"}}})

    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.user.create("/api/v1/namespaces", {"metadata": {"name": "strict", "labels": labels}})
    account = "/api/v1/namespaces/strict/serviceaccounts"
    wait_until(lambda: cluster.user.get(account)["items"], "the ServiceAccount")
    pod = {"metadata": {"name": "root"}, "spec": {"containers": [{"name": "c", "image": "direct.test/busybox:1"}]}}
    with pytest.raises(ApiError, match="violates PodSecurity"):
        cluster.user.create("/api/v1/namespaces/strict/pods", pod)


def test_each_node_has_a_link_of_its_own(cluster: Cluster) -> None:
    """A pull of 3 MB at 1 MB/s takes about 3 s on the slow node, while the other node's link is fast."""
    image = cluster.slow.push("slow", [random_layer(3 * MB, seed="slow")], tags=("1",), entrypoint=["/none"])
    cluster.nodes[0].proxy.set_rate(MB)
    for node in cluster.nodes:
        spec = {"nodeName": node.name, "containers": [{"name": "c", "image": image.ref}]}
        body = {"metadata": {"name": f"on-{node.name}"}, "spec": spec}
        cluster.user.create("/api/v1/namespaces/default/pods", body)

    def pulled() -> bool:
        path = "/api/v1/namespaces/default/events?fieldSelector=reason%3DPulled"
        events = cluster.user.get(path)["items"]
        return {f"on-{node.name}" for node in cluster.nodes} <= {event["involvedObject"]["name"] for event in events}

    wait_until(pulled, "both nodes to have the image")
    seconds = []
    for node in cluster.nodes:
        (request,) = node.proxy.requests(image.layers[0].digest)
        assert request.ended is not None
        seconds.append(request.ended - request.started)

    assert seconds[0] > 2.5
    assert seconds[1] < 2


def test_containers_survive_containerd(cluster: Cluster, pods: list[dict[str, Any]]) -> None:
    """When containerd is started again, its containers run on and the kubelet finds them."""
    node = cluster.nodes[1]
    name = next(pod["metadata"]["name"] for pod in pods if pod["spec"]["nodeName"] == node.name)

    node.containerd.restart()

    assert cluster.kubectl("exec", name, "--", "hostname").strip() == name
    status = cluster.user.get(f"/api/v1/namespaces/default/pods/{name}")["status"]
    assert [one["restartCount"] for one in status["containerStatuses"]] == [0]


def test_second_user_is_refused(cluster: Cluster) -> None:
    """A cluster in use is not touched by another run with the same name."""
    with pytest.raises(RuntimeError, match="another process uses"):
        Cluster(NAME, NUMBER).start()

    assert cluster.user.get("/api/v1/nodes")["items"]


def test_nothing_is_left(cluster: Cluster) -> None:
    """After the end there is no process, namespace, interface, mount, control group or folder."""
    cluster.remove()

    assert not cluster.folder.exists()
    assert not mounts.below(cluster.folder)
    assert not mounts.users_of(cluster.folder)
    assert not _traces(NAME)


def test_killed_run_is_cleaned_up() -> None:
    """A killed Python ends with the processes that it started; the next run removes the names that are left."""
    script = (
        "import time; from pathlib import Path; from tests.cluster import machines;"
        f"machine = machines.Machine('{NAME}-hub', 'hub', Path('/var/tmp/{NAME}/hub')); machine.start();"
        "print(machine.pid, flush=True); time.sleep(1000)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert parent.stdout is not None
    first = Path(f"/proc/{int(parent.stdout.readline())}/cmdline")
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    wait_until(lambda: not first.exists() or not first.read_bytes(), "the machine to end")
    assert _traces(NAME)

    Cluster(NAME, NUMBER).remove()

    assert not _traces(NAME)


def _traces(name: str) -> list[str]:
    found = [line for line in machines.ip("netns").splitlines() + machines.ip("link").splitlines() if name in line]
    groups = [str(path) for path in Path("/sys/fs/cgroup").rglob(f"{name}*")]
    folders = [str(path) for path in Path("/var/tmp").glob(f"{name}*")]
    return found + groups + folders
