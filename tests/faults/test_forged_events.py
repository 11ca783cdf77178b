"""D26: Events that no kubelet wrote, by users who may create Events in one namespace and nothing else."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pulltrace.pulls.model import NodeReport
from tests.builders.events import event_object
from tests.cluster.api import JSON, ApiError, Identity
from tests.cluster.processes import wait_until
from tests.faults.stage import Stage
from tests.real.programs import Row, Server

pytestmark = pytest.mark.real("etcd", "openssl")

SHOP, EVIL = "shop", "evil"
IMAGE = "nginx:1.29"
FAILED = f'Failed to pull image "{IMAGE}": call +1 555 0100 to have it repaired'
PULLED = f'Successfully pulled image "{IMAGE}" in 100ms (100ms including waiting)'
PULLING = f'Pulling image "{IMAGE}"'
FUTURE = "2099-01-01T00:00:00Z"
FORGED: Mapping[str, JSON] = {
    "failed": {"reason": "Failed", "message": FAILED},
    "failed-often": {"reason": "Failed", "message": FAILED, "count": 2**31 - 1},
    "pulled": {"reason": "Pulled", "message": PULLED},
    "pulled-2099": {"reason": "Pulled", "message": PULLED, "lastTimestamp": FUTURE},
    "pulled-new-fields": {
        "reason": "Pulled",
        "message": PULLED,
        "source": {},
        "reportingComponent": "kubelet",
        "reportingInstance": "node-1",
        "eventTime": "2099-01-01T00:00:00.000000Z",
        "action": "Pull",
    },
}
IMPOSSIBLE: Mapping[str, JSON] = {
    "other-node": {"source": {"component": "kubelet", "host": "node-2"}},
    "no-node": {"source": {"component": "kubelet"}},
    "no-kubelet": {"source": {"component": "scheduler", "host": "node-1"}},
    "in-2099": {"lastTimestamp": FUTURE, "firstTimestamp": FUTURE},
    "in-1999": {"lastTimestamp": "1999-01-01T00:00:00Z", "firstTimestamp": "1999-01-01T00:00:00Z"},
}
"""Fields that the kubelet of the pod's node cannot write, added to a forged `Failed` in the pod's own namespace."""

COSTLY_EVENTS = 400


@dataclass
class Scene:
    """A namespace with waiting pods, an aggregator, and the writers of Events."""

    stage: Stage
    aggregator: Server
    _numbers: Iterator[int]

    def pod(self, name: str) -> JSON:
        """Return a pod on node-1 that its kubelet has accepted."""
        spec = {"nodeName": "node-1", "containers": [{"name": "main", "image": IMAGE}]}
        pod = self.stage.admin.create(f"/api/v1/namespaces/{SHOP}/pods", {"metadata": {"name": name}, "spec": spec})
        self.status(name, {"state": {"waiting": {"reason": "ContainerCreating"}}})
        return pod

    def status(self, name: str, container: JSON, phase: str = "Pending") -> None:
        """Write the kubelet's status of the pod's container."""
        status = {"name": "main", "image": IMAGE, "imageID": "", "ready": False, "restartCount": 0, **container}
        fields = {"phase": phase, "startTime": _now(), "containerStatuses": [status]}
        self.stage.admin.patch(f"/api/v1/namespaces/{SHOP}/pods/{name}/status", {"status": fields})

    def write_event(self, who: Identity, pod: JSON, more: JSON, namespace: str = SHOP) -> JSON:
        """Write an Event about a pod, as a kubelet would."""
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        metadata = {"name": f"{name}.{next(self._numbers)}", "namespace": namespace}
        values = {
            "reason": "Pulling",
            "message": PULLING,
            "pod": name,
            "namespace": namespace,
            "uid": uid,
            "metadata": metadata,
            "firstTimestamp": _now(),
            "lastTimestamp": _now(),
            "reportingComponent": "",
            "reportingInstance": "",
        }
        event = event_object(**{**values, **more})
        return who.create(f"/api/v1/namespaces/{namespace}/events", event)

    def rows(self) -> dict[str, Row]:
        """Return the pods as they are shown, by name."""
        pods = json.loads(self.aggregator.get(self.aggregator.port, "/api/v1/pods"))["pods"]
        return {row["podName"]: row for row in pods if row["namespace"] == SHOP}

    def until(self, states: Mapping[str, str]) -> None:
        """Wait until pods are shown in these states."""

        def shown() -> bool:
            rows = self.rows()
            return all(name in rows and rows[name]["state"] == state for name, state in states.items())

        try:
            wait_until(shown, "the pods' states", seconds=20, processes=[self.aggregator.process])
        except AssertionError as error:
            raise AssertionError(f"{error}\nexpected {states}, shown {self.states()}") from None

    def settle(self) -> None:
        """Wait until all Events and statuses written so far are known: each watch keeps its order."""
        name = f"marker-{next(self._numbers)}"
        marker = self.pod(name)
        self.write_event(self.stage.admin, marker, {})
        self.until({name: "waiting"})
        for pod in self.rows():  # a change of a pod evaluates all that is kept for it
            self.stage.admin.patch(f"/api/v1/namespaces/{SHOP}/pods/{pod}", {"metadata": {"labels": {"at": name}}})
        waiting = {"reason": "ErrImagePull", "message": f'failed to pull "{IMAGE}": not found'}
        self.status(name, {"state": {"waiting": waiting}})
        self.until({name: "failing"})

    def states(self) -> dict[str, str]:
        return {name: row["state"] for name, row in self.rows().items() if not name.startswith("marker")}

    def ready(self, name: str, seconds: int = 0) -> bool:
        """Return the answer for a deployment gate."""
        answer = self.aggregator.get(self.aggregator.port, f"/api/v1/wait?pod={SHOP}/{name}&timeout={seconds}")
        return bool(json.loads(answer)["ready"])


@pytest.fixture
def scene(stage: Stage, tmp_path: Path) -> Iterator[Scene]:
    """Both nodes have agents that report nothing."""
    for namespace in (SHOP, EVIL):
        stage.control_plane.create_service_account(namespace, "default")
    for node in ("node-1", "node-2"):
        stage.report(node, NodeReport())
    with stage.aggregator(tmp_path) as aggregator:
        yield Scene(stage, aggregator, itertools.count())
    for kind in ("pods?gracePeriodSeconds=0", "events"):
        stage.admin.delete(f"/api/v1/namespaces/{SHOP}/{kind}")
    stage.admin.delete(f"/api/v1/namespaces/{EVIL}/events")


def test_d26_events_of_another_namespace(scene: Scene) -> None:
    """Events in one namespace with the UIDs of another's pods change nothing there."""
    forger = forger_in(scene.stage, EVIL)
    pods = {name: scene.pod(name) for name in FORGED}
    for pod in pods.values():
        scene.write_event(scene.stage.admin, pod, {})
    scene.until(dict.fromkeys(pods, "waiting"))
    with pytest.raises(ApiError):  # the API server itself compares the two namespaces
        scene.write_event(forger, pods["failed"], {"metadata": {"name": "x", "namespace": EVIL}}, SHOP)
    for name, pod in pods.items():
        scene.write_event(forger, pod, FORGED[name], EVIL)
    scene.settle()

    assert not [name for name in pods if scene.ready(name)]
    assert scene.states() == dict.fromkeys(pods, "waiting")
    assert "555" not in json.dumps(scene.rows())


def test_d26_events_that_regard_another_namespace(scene: Scene) -> None:
    """The newer interface takes an Event that names a pod of another namespace; it counts for no pod."""
    forger = forger_in(scene.stage, EVIL)
    pod = scene.pod("victim")
    scene.write_event(scene.stage.admin, pod, {})
    scene.until({"victim": "waiting"})
    regarding = {"kind": "Pod", "namespace": SHOP, "name": "victim", "uid": pod["metadata"]["uid"]}
    for number, fields in enumerate([{"reason": "Failed", "note": FAILED}, {"reason": "Pulled", "note": PULLED}]):
        event = {
            "metadata": {"name": f"victim.{number}", "namespace": EVIL},
            "regarding": {**regarding, "fieldPath": "spec.containers{main}"},
            "reportingController": "kubelet",
            "reportingInstance": "node-1",
            "eventTime": _now().replace("Z", ".000000Z"),
            "action": "Pull",
            "type": "Normal",
            **fields,
        }
        forger.create(f"/apis/events.k8s.io/v1/namespaces/{EVIL}/events", event)
    scene.settle()

    assert not scene.ready("victim")
    assert scene.states() == {"victim": "waiting"}
    assert "555" not in json.dumps(scene.rows())


@pytest.mark.parametrize("name", ["pulled", "pulled-2099", "pulled-new-fields"])
def test_d26_nothing_but_the_status_makes_a_pod_ready(scene: Scene, name: str) -> None:
    """A user who may create Events in a pod's own namespace cannot make it ready, nor hide that it fails."""
    forger = forger_in(scene.stage, SHOP)
    waits, fails = scene.pod("waits"), scene.pod("fails")
    scene.write_event(scene.stage.admin, waits, {})
    back_off = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{IMAGE}"'}
    scene.status("fails", {"state": {"waiting": back_off}})
    scene.until({"waits": "waiting", "fails": "failing"})
    for pod in (waits, fails):
        scene.write_event(forger, pod, FORGED[name])
    scene.settle()

    assert not scene.ready("waits")
    assert not scene.ready("fails")
    assert scene.states() == {"waits": "waiting", "fails": "failing"}
    scene.status("waits", {"imageID": "sha256:1", "state": {"running": {"startedAt": _now()}}}, "Running")
    assert scene.ready("waits", seconds=10)
    scene.until({"waits": "ready"})


def test_d26_texts_that_take_long_to_read(scene: Scene) -> None:
    """Events that count for no pod cost little, with any text: these took 8 ms each, and delayed the probes."""
    forger = forger_in(scene.stage, EVIL)
    pod = scene.pod("victim")
    text = f'Failed to pull image "{IMAGE}": ' + 'x@"' * 1300
    before = _cpu_seconds(scene.aggregator.process.pid)
    for _ in range(COSTLY_EVENTS):
        scene.write_event(forger, pod, {"reason": "Failed", "message": text}, EVIL)
    scene.settle()

    assert _cpu_seconds(scene.aggregator.process.pid) - before < COSTLY_EVENTS * 0.004
    assert scene.states() == {}


def test_d26_another_pod_of_the_same_name(scene: Scene) -> None:
    """A recreated pod is not ready because its predecessor was, however often it is queried."""
    scene.pod("web-0")
    scene.status("web-0", {"imageID": "sha256:1", "state": {"running": {"startedAt": _now()}}}, "Running")
    assert scene.ready("web-0", seconds=10)
    scene.stage.admin.delete(f"/api/v1/namespaces/{SHOP}/pods/web-0?gracePeriodSeconds=0")
    scene.pod("web-0")

    assert not scene.ready("web-0")


def test_d26_impossible_events(scene: Scene) -> None:
    """Another node's kubelet, another component, another time: such Events count for no pod."""
    forger = forger_in(scene.stage, SHOP)
    pods = {name: scene.pod(name) for name in IMPOSSIBLE}
    for name, pod in pods.items():
        scene.write_event(scene.stage.admin, pod, {})
        scene.write_event(forger, pod, {**FORGED["failed"], **IMPOSSIBLE[name]})
    scene.settle()

    assert scene.states() == dict.fromkeys(pods, "waiting")


def test_d26_a_forged_failure_is_over_when_the_pod_starts(scene: Scene) -> None:
    """Within the namespace it counts until the status changes; a later Event of the kubelet replaces it."""
    forger = forger_in(scene.stage, SHOP)
    pod = scene.pod("web")
    scene.write_event(forger, pod, FORGED["failed-often"])
    scene.until({"web": "failing"})
    assert scene.rows()["web"]["images"][0]["failure"]["tries"] <= 100_000
    assert not scene.ready("web")
    scene.status("web", {"imageID": "sha256:1", "state": {"running": {"startedAt": _now()}}})
    scene.until({"web": "ready"})

    assert scene.ready("web")


def forger_in(stage: Stage, namespace: str) -> Identity:
    """Return a user who may create Events in a namespace, and nothing else."""
    path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rules = [{"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create"]}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "forger"}
    subject = {"kind": "ServiceAccount", "name": "forger", "namespace": namespace}
    binding = {"metadata": {"name": "forger"}, "roleRef": role, "subjects": [subject]}
    stage.control_plane.create_service_account(namespace, "forger")
    for kind, body in (("roles", {"metadata": {"name": "forger"}, "rules": rules}), ("rolebindings", binding)):
        try:
            stage.admin.create(f"{path}/{kind}", body)
        except ApiError as error:
            if error.status != 409:
                raise
    identity = stage.control_plane.with_token(stage.control_plane.token(namespace, "forger"))
    wait_until(lambda: _may_write(identity, namespace), "the right to create Events", seconds=20)
    with pytest.raises(ApiError, match="cannot list resource"):
        identity.get(f"/api/v1/namespaces/{namespace}/pods")
    return identity


def _may_write(identity: Identity, namespace: str) -> bool:
    """Return whether RBAC has seen the binding."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"namespace": namespace, "verb": "create", "resource": "events"}},
    }
    answer = identity.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
