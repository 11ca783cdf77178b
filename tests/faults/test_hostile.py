"""D16, D17 and D19: Leases that no agent would write, hostile or mistaken names, and Events that never come."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest

from pulltrace.kube.resources.leases import LABELS
from pulltrace.pulls.formatting import from_rfc3339
from pulltrace.pulls.model import NodeReport, Phase
from tests.aggregator import hostile_leases
from tests.builders.events import event_object
from tests.builders.pulls import DIGEST, pull
from tests.cluster.api import JSON, ApiError, Identity
from tests.cluster.processes import wait_until
from tests.faults.link import http
from tests.faults.stage import LEASES, NAMESPACE, Stage
from tests.fuzz import secret_names
from tests.real.programs import Row, Server

pytestmark = pytest.mark.real("etcd", "openssl")

REJECTED = "pulltrace_lease_decode_errors_total"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
SECRET = "Zq9hunter2"
CONTROL = "\x1b[31m\u202e\r\n"


def test_d16_compromised_agent(stage: Stage, tmp_path: Path) -> None:
    """It cannot touch another node's Lease, and its own invalid annotations are left out; other nodes are
    not affected.
    """
    stage.report("node-1", NodeReport(pulls=(pull(1),)))
    stage.report("node-2", NodeReport())
    token = stage.control_plane.token(NAMESPACE, "pulltrace-agent", node="node-2")
    agent = stage.control_plane.with_token(token)
    wait_until(lambda: _refused(agent), "the policy", seconds=30)
    own, harmless, refused = f"{LEASES}/node-2", [], {}
    with stage.aggregator(tmp_path) as aggregator:
        aggregator.wait_for(lambda rows: len(rows) == 1, "the row of node-1")
        wait_until(lambda: aggregator.metrics()["pulltrace_leader"], "it to lead")
        for what, annotations in hostile_leases.ANNOTATIONS.items():
            before = aggregator.metrics()[REJECTED]
            try:
                agent.patch(own, {"metadata": {"annotations": annotations}})
            except ApiError as error:
                refused[what] = error.status
                continue
            if not _counted(aggregator, before):
                harmless.append(what)
            stage.admin.patch(own, {"metadata": {"annotations": dict.fromkeys(annotations)}})
        rows = aggregator.pulls()
        log = aggregator.process.log.read_text()

    assert harmless == []
    assert set(refused.values()) <= {403, 422}, refused
    assert [(row["nodeName"], row["phase"]) for row in rows] == [("node-1", "downloading")]
    assert "node-2" in log
    assert "Traceback" not in log


def test_d17_hostile_names_of_a_pod(stage: Stage, tmp_path: Path) -> None:
    """A user who may create Pods chooses images and messages: they stay text on one line everywhere."""
    name = f"evil.test/<img src=x onerror=alert(1)>{CONTROL.strip()}:1"
    stage.report("node-1", NodeReport(pulls=(pull(1, repositories=("evil.test/x",), target_digest=DIGEST),)))
    spec = {"nodeName": "node-1", "containers": [{"name": "main", "image": name}]}
    pod = stage.admin.create(PODS, {"metadata": {"name": "evil"}, "spec": spec})
    message = f'</script>{CONTROL}{{"level":"error","message":"forged"}}' + "x" * 5000
    waiting = {"reason": "ErrImagePull", "message": message}
    status = {"name": "main", "image": name, "imageID": "", "ready": False, "restartCount": 0}
    stage.admin.patch(
        f"{PODS}/evil/status",
        {"status": {"phase": "Pending", "containerStatuses": [{**status, "state": {"waiting": waiting}}]}},
    )
    event = event_object(
        "Failed",
        f'Failed to pull image "{name}": {message}'[:1000],
        pod="evil",
        namespace=NAMESPACE,
        uid=pod["metadata"]["uid"],
        source={"component": "kubelet"},
        type="Warning",
        count=3,
    )
    stage.admin.create(f"/api/v1/namespaces/{NAMESPACE}/events", event)
    with stage.aggregator(tmp_path) as aggregator, aggregator.stream() as stream:

        def shown() -> Row | None:
            pods = json.loads(aggregator.get(aggregator.port, "/api/v1/pods"))["pods"]
            return next((one for one in pods if one["podName"] == "evil" and one["state"] == "failing"), None)

        row = wait_until(shown, "the pod that fails", processes=[aggregator.process])
        wait_until(lambda: aggregator.metrics()["pulltrace_leader"], "it to lead")
        metrics = list(aggregator.metrics())
        texts = [aggregator.get(aggregator.port, path) for path in ("/api/v1/pulls", "/api/v1/pods", "/api/v1/nodes")]
        events = len(stream.events)
        log = aggregator.process.log.read_text()
    stage.admin.delete(f"{PODS}/evil?gracePeriodSeconds=0")

    raw = "".join(texts).replace(json.dumps(name, ensure_ascii=False)[1:-1], "NAME")
    assert "NAME" in raw  # JSON has the name unchanged; the page shows deceptive characters as text (tests/web)
    assert not any(character in raw for character in ("\x1b", "\u202e", "\r"))
    text = json.dumps(row, ensure_ascii=False)
    assert "\\n" not in text
    assert len(text) < 8_000
    assert events >= 1
    assert all(isinstance(json.loads(line), dict) for line in log.splitlines())
    assert not any(json.loads(line)["message"] == "forged" for line in log.splitlines())
    assert [name for name in metrics if "<" in name or "onerror" in name] == []
    assert max(len(name) for name in metrics) < 300


def test_d16_agent_that_varies_its_junk(stage: Stage, tmp_path: Path) -> None:
    """Its node has one log line in 10 s at any rate; another node's line comes at once, and all are counted."""
    stage.report("node-1", NodeReport())
    stage.report("node-2", NodeReport())
    agent = stage.control_plane.with_token(stage.control_plane.token(NAMESPACE, "pulltrace-agent", node="node-2"))
    with stage.aggregator(tmp_path) as aggregator:
        wait_until(lambda: aggregator.metrics()["pulltrace_leader"], "it to lead")
        for number in range(200):
            if number == 100:
                stage.report("node-1", NodeReport(), more={hostile_leases.KEY: "junk"})
            agent.patch(
                f"{LEASES}/node-2", {"metadata": {"annotations": {hostile_leases.KEY: f'{{"v":{number + 2}}}'}}}
            )
        wait_until(lambda: aggregator.metrics()[REJECTED] == 201, "all of it to be counted")
        wait_until(lambda: "version '201'" in _warnings(aggregator)[-1][1], "the newest to be logged", seconds=15)
        lines = _warnings(aggregator)

    times = {node: [at for at, line in lines if f"'{node}'" in line] for node in ("node-1", "node-2")}
    assert len(times["node-1"]) == 1
    assert all(later - at >= 9.9 for at, later in itertools.pairwise(times["node-2"])), lines
    assert re.search(r" \(and \d+ more in the last 1\d s\)$", lines[-1][1])


def test_d17_credentials_in_names(stage: Stage, tmp_path: Path) -> None:
    """A password in the name of an image is in no output of Pulltrace, whatever the name's source."""
    names = [shape.format(SECRET) for shape in secret_names.SHAPES]
    entries = [{"v": 1, "phase": "downloading", "start": "2025-11-23T15:00:00Z", "names": [name], "repo": [name]} for name in names if len(name) < 1000]  # fmt: skip
    more = {f"pull.pulltrace.io/{number:012x}": json.dumps(each) for number, each in enumerate(entries)}
    stage.report("node-1", NodeReport(), more=more)
    for number, name in enumerate(names):
        _pod_without_its_image(stage, f"careless-{number}", name)
    with stage.aggregator(tmp_path) as aggregator, aggregator.stream("?pods=true&layers=true") as stream:

        def shown() -> bool:
            pods = json.loads(aggregator.get(aggregator.port, "/api/v1/pods"))["pods"]
            return len([one for one in pods if one["state"] == "failing"]) == len(names)

        wait_until(shown, "all pods to be failing", processes=[aggregator.process])
        wait_until(lambda: len(aggregator.pulls()) >= len(entries), "the pulls")
        outputs = {
            path: aggregator.get(aggregator.port, path) for path in ("/api/v1/pulls", "/api/v1/pods", "/api/v1/nodes")
        }
        waiting = [f"/api/v1/wait?pod={NAMESPACE}/careless-{number}&timeout=0" for number in range(len(names))]
        outputs["wait"] = "".join(aggregator.get(aggregator.port, path) for path in waiting)
        outputs["metrics"] = aggregator.get(aggregator.metrics_port, "/metrics")
        outputs["stream"] = json.dumps(stream.events)
        outputs["log"] = aggregator.process.log.read_text()
        events = stage.admin.get(f"/api/v1/namespaces/{NAMESPACE}/events")["items"]
        outputs["own Events"] = json.dumps([one for one in events if one.get("reportingComponent") == "pulltrace"])
    for number in range(len(names)):
        stage.admin.delete(f"{PODS}/careless-{number}?gracePeriodSeconds=0")

    assert [
        path for path in ("/api/v1/pulls", "/api/v1/pods", "stream") if "***@registry.test/app" not in outputs[path]
    ] == []
    assert [place for place, text in outputs.items() if SECRET[:8] in text] == []


def test_d19_events_of_kubelets_are_lost(stage: Stage, tmp_path: Path) -> None:
    """Without a single Event pulls have their bytes, names, waiting pods and end."""
    stage.report("node-1", NodeReport(pulls=(pull(1),)))
    spec = {"nodeName": "node-1", "containers": [{"name": "main", "image": "nginx:1.29"}]}
    stage.admin.create(PODS, {"metadata": {"name": "web"}, "spec": spec})
    with stage.link() as link:
        link.answer("/api/v1/events", http("500 Internal Server Error", b"{}"))
        with stage.aggregator(tmp_path, link) as aggregator:
            rows = aggregator.wait_for(lambda rows: any(row["pods"] for row in rows), "the pod that waits")
            assert [(row["imageRef"], row["phase"]) for row in rows] == [
                ("docker.io/library/nginx:1.29", "downloading")
            ]
            done = pull(1, phase=Phase.FAILED, ended_at=1_763_910_030.0)
            stage.report("node-1", NodeReport(recent=(done,)))
            rows = aggregator.ended(1)
    stage.admin.delete(f"{PODS}/web?gracePeriodSeconds=0")

    assert [(row["imageRef"], row["phase"]) for row in rows] == [("docker.io/library/nginx:1.29", "failed")]


def _pod_without_its_image(stage: Stage, pod: str, image: str) -> None:
    """Create a Pod on node-1 whose image the kubelet refuses, in its status and in an Event."""
    spec = {"nodeName": "node-1", "containers": [{"name": "main", "image": image}]}
    made = stage.admin.create(PODS, {"metadata": {"name": pod}, "spec": spec})
    quoted = json.dumps(image)
    message = (
        f"Failed to apply default image tag {quoted}: couldn't parse image name {quoted}: invalid reference format"
    )
    status = {"name": "main", "image": image, "imageID": "", "ready": False, "restartCount": 0}
    waiting = {"waiting": {"reason": "InvalidImageName", "message": message}}
    pending = {"phase": "Pending", "containerStatuses": [{**status, "state": waiting}]}
    stage.admin.patch(f"{PODS}/{pod}/status", {"status": pending})
    event = event_object(
        "InspectFailed", message, pod=pod, namespace=NAMESPACE, uid=made["metadata"]["uid"], type="Warning"
    )
    stage.admin.create(f"/api/v1/namespaces/{NAMESPACE}/events", event)


def _warnings(aggregator: Server) -> list[tuple[float, str]]:
    """Return the log's lines about Leases, and their times."""
    lines = [json.loads(line) for line in aggregator.process.log.read_text().splitlines()]
    return [
        (from_rfc3339(line["time"]), line["message"]) for line in lines if line["message"].startswith("Lease of node")
    ]


def _refused(agent: Identity) -> bool:
    """Return whether the policy keeps the agent of node-2 from the Lease of node-1; it is enforced a moment after it is
    made.
    """
    lease: JSON = {"metadata": {"name": "node-9", "labels": LABELS}, "spec": {"holderIdentity": "x"}}
    try:
        agent.create(f"{LEASES}?dryRun=All", lease)
    except ApiError as error:
        return error.status == 403
    return False


def _counted(aggregator: Server, before: float) -> bool:
    """Return whether the metric moves; each kind of Lease is rejected in a moment or never."""
    try:
        return wait_until(lambda: aggregator.metrics()[REJECTED] > before, "a rejection", seconds=3)
    except AssertionError:
        return False
