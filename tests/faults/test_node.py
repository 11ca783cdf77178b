"""D15: a node that is removed while it pulls, and another one of the same name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pulltrace.kube.client.credentials import RestConfig, StaticConfig
from pulltrace.kube.client.h11_client import H11Client
from pulltrace.kube.resources.leases import KubeLeaseStore, LeasePatch
from pulltrace.pulls.lease_format.annotations import encode
from pulltrace.pulls.model import NodeReport
from tests.aggregator.builders import pull_row_id
from tests.builders.pulls import ended, pull
from tests.cluster import binaries
from tests.cluster.processes import Process, wait_until
from tests.faults.stage import LEASES, NAMESPACE, Stage

pytestmark = pytest.mark.real("etcd", "openssl")

NODE = "spot-1"


@pytest.fixture
def garbage_collector(stage: Stage, tmp_path: Path) -> Iterator[Process]:
    """Provide the controller that deletes a Lease whose Node is gone."""
    flags = [f"--kubeconfig={stage.control_plane.kubeconfig}", "--controllers=garbage-collector-controller"]
    flags += ["--leader-elect=false", "--secure-port=0"]
    program = binaries.kubernetes("kube-controller-manager")
    with Process([program, *flags], tmp_path / "controller-manager.log") as process:
        yield process


async def write(stage: Stage, report: NodeReport) -> None:
    """Write a report of this node with the agent's own writer."""
    token = stage.control_plane.token(NAMESPACE, "pulltrace-agent", node=NODE)
    authority = str(stage.control_plane.authority.certificate)
    source = StaticConfig(RestConfig(stage.control_plane.url, f"Bearer {token}", ca_file=authority))
    patch = LeasePatch(dict(encode(report)), holder="agent", renewed_at=1_763_910_060.0, duration_seconds=300)
    async with H11Client(source) as connection:
        await KubeLeaseStore(connection, NAMESPACE).patch(NODE, patch)


async def test_d15_node_is_removed_while_it_pulls(stage: Stage, garbage_collector: Process, tmp_path: Path) -> None:
    """Its Lease is deleted and its pull ends as "the node is gone"; a new node of that name starts without history."""
    path = f"/api/v1/nodes/{NODE}"
    first = stage.admin.create("/api/v1/nodes", {"metadata": {"name": NODE}})["metadata"]["uid"]
    await write(stage, NodeReport(pulls=(pull(1),), recent=(ended(2),)))
    with stage.aggregator(tmp_path) as aggregator:
        aggregator.wait_for(lambda rows: len(rows) == 2, "both rows")
        stage.admin.delete(path)
        rows = aggregator.wait_for(
            lambda rows: not any(row["phase"] == "downloading" for row in rows), "the pull to be closed", seconds=60
        )
        assert {row["id"]: (row["phase"], row.get("error")) for row in rows} == {
            pull_row_id(1, NODE): ("unknown", "the node is gone"),
            pull_row_id(2, NODE): ("completed", None),
        }
        assert NODE not in stage.leases()
        second = stage.admin.create("/api/v1/nodes", {"metadata": {"name": NODE}})["metadata"]["uid"]
        await write(stage, NodeReport(pulls=(pull(5),)))
        rows = aggregator.wait_for(lambda rows: len(rows) == 3, "the pull of the new node")
        lease = stage.admin.get(f"{LEASES}/{NODE}")["metadata"]
    wait_until(lambda: garbage_collector.running, "the garbage collector to run still")
    stage.admin.delete(path)

    assert {row["id"]: row["phase"] for row in rows} == {
        pull_row_id(1, NODE): "unknown",
        pull_row_id(2, NODE): "completed",
        pull_row_id(5, NODE): "downloading",
    }
    assert second != first
    assert [owner["uid"] for owner in lease["ownerReferences"]] == [second]
    assert "pulltrace.io/recent" not in lease["annotations"]
