"""D25: Pods and Events that fill the aggregator's memory."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pulltrace.pulls.model import NodeReport
from tests.builders.pulls import pull
from tests.cluster.control_plane import ControlPlane
from tests.cluster.processes import wait_until
from tests.faults import hostile_objects
from tests.faults.link import Seen, http
from tests.faults.stage import NAMESPACE, Stage
from tests.real.programs import Row, Server

pytestmark = pytest.mark.real("etcd", "openssl")

MIB = 256
INVENTED_EVENTS = 3_000
"""The benchmark has 50,000."""
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


@pytest.fixture
def hostile_stage() -> Iterator[Stage]:
    """Provide a control plane of its own, with 30 Pods of 1 MB, 150 Events of 1.4 MB, and many Events on
    invented UIDs.
    """
    with ControlPlane() as control_plane:
        stage = Stage(control_plane)
        stage.build()
        control_plane.create_service_account(hostile_objects.NAMESPACE, "default")
        hostile_objects.create(stage.admin, hostile_objects.PODS, hostile_objects.pods(30))
        hostile_objects.create(stage.admin, hostile_objects.EVENTS, hostile_objects.large_events(150))
        hostile_objects.create(stage.admin, hostile_objects.EVENTS, hostile_objects.invented_events(INVENTED_EVENTS))
        yield stage


@pytest.mark.timeout(600)
def test_d25_hostile_objects(hostile_stage: Stage, tmp_path: Path) -> None:
    """At the start and after a relist the aggregator stays under 256 MiB; large pods and others have their rows."""
    stage = hostile_stage
    stage.report("node-1", NodeReport(pulls=(pull(1, repositories=("hostile.test/a",)),)))
    stage.report("node-2", NodeReport(pulls=(pull(2),)))
    _create_pod(stage, "web-1")
    gone = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410}
    with stage.link() as link:
        server = stage.aggregator(tmp_path, link)
        server.process.start()
        try:
            server.process.wait_until(lambda: server.get(server.port, "/readyz") == "ok\n", "readiness", seconds=120)
            rows = _wait_for_pods(server, {"web-1"})
            wait_until(lambda: _watches(link.requests("/api/v1/events")), "all Events to be read", seconds=180)
            first_mib = hostile_objects.peak_mib(server.process.pid)

            again = time.monotonic()
            link.answer(r"/api/v1/(pods|events)\?.*watch=true", http("410 Gone", json.dumps(gone).encode()), times=2)
            link.cut()
            _create_pod(stage, "web-2")
            wait_until(lambda: link.requests(r"/api/v1/pods\?.*limit=", again), "another list of pods", seconds=90)
            _wait_for_pods(server, {"web-1", "web-2"})
            second_mib = hostile_objects.peak_mib(server.process.pid)
        finally:
            server.process.stop()
    print(f"\n{first_mib:.0f} MiB at the peak of the first lists, {second_mib:.0f} MiB at the second")

    large = next(row for row in rows if row["nodeName"] == "node-1")["pods"]
    assert {pod["podName"] for pod in large} >= {"pod-0", "pod-1"}
    assert second_mib < MIB


def _create_pod(stage: Stage, name: str) -> None:
    spec = {"nodeName": "node-2", "containers": [{"name": "main", "image": "nginx:1.29"}]}
    stage.admin.create(PODS, {"metadata": {"name": name}, "spec": spec})


def _wait_for_pods(server: Server, names: set[str]) -> list[Row]:
    """Return the rows, once these pods wait for the pull of node-2."""

    def shown(rows: list[Row]) -> bool:
        return {pod["podName"] for row in rows if row["nodeName"] == "node-2" for pod in row["pods"]} == names

    return server.wait_for(shown, f"the pods {names}", seconds=90)


def _watches(requests: Sequence[Seen]) -> bool:
    return any(request.is_watch for request in requests)
