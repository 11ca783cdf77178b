"""A pod of Pulltrace that is deleted in the middle of a pull loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.cri import pull_now
from tests.cluster.nodes import Node
from tests.e2e.installs import NAMESPACE, Helm, pods, wait_until_ready
from tests.e2e.reach import Forward
from tests.e2e.workloads import MB, Shop

pytestmark = pytest.mark.e2e


def delete_pod(cluster: Cluster, component: str, node: str = "") -> None:
    """Delete Pulltrace's pod and wait until another is ready in its place."""
    (old,) = pods(cluster, component, node)
    cluster.kubectl("delete", "pod", "--namespace", NAMESPACE, old["metadata"]["name"], "--timeout=30s")
    wait_until_ready(cluster)
    (new,) = pods(cluster, component, node)
    assert new["metadata"]["uid"] != old["metadata"]["uid"]


def give_every_node_the_image(cluster: Cluster, component: str) -> None:
    """Pull the image onto all nodes first: a kubelet pulls one image after another, so a pod without it would wait."""
    image = pods(cluster, component)[0]["spec"]["containers"][0]["image"]
    for node in cluster.nodes:
        pull_now(node.containerd.socket, image)


def test_aggregator_deleted_in_mid_pull(helm_install: Helm, cluster: Cluster, shop: Shop, tmp_path: Path) -> None:
    """The next aggregator has the same rows, running and ended, with no fewer bytes, and sees the pulls end."""
    done, image = shop.image("done-before", 2 * MB), shop.image("while-it-was-away", 16 * MB)
    node, other = cluster.nodes
    give_every_node_the_image(cluster, "aggregator")
    with Forward(cluster, tmp_path) as forward:
        other.proxy.set_rate(MB)
        shop.run("done-before", {"main": done}, other)
        ended = forward.ended_row(done, other)
        node.proxy.set_rate(MB)
        shop.run("while-it-was-away", {"main": image}, node)
        running = forward.moving(image, node)
        ids = {row["id"] for row in forward.pulls()}
        delete_pod(cluster, "aggregator")

    with Forward(cluster, tmp_path) as forward:
        assert ids <= {row["id"] for row in forward.pulls()}
        row = forward.row(image, node)
        assert (row["id"], row["startedAt"], row["phase"]) == (running["id"], running["startedAt"], "downloading")
        assert row["downloadedBytes"] >= running["downloadedBytes"]
        assert forward.row(done, other) == ended
        node.proxy.set_rate(None)
        row = forward.ended_row(image, node)
    assert (row["id"], row["phase"], row["downloadedBytes"]) == (running["id"], "completed", image.size)


def test_agent_deleted_in_mid_pull(pulltrace: Forward, cluster: Cluster, shop: Shop, node: Node) -> None:
    """The next agent goes on with the same row: same id, same start, never fewer bytes, and its end."""
    image = shop.image(f"orphaned-{node.name}", 16 * MB)
    node.proxy.set_rate(MB)
    with pulltrace.stream() as stream:
        shop.run("orphaned", {"main": image}, node)
        before = pulltrace.moving(image, node)
        delete_pod(cluster, "agent", node.name)
        after = pulltrace.moving(image, node, percent=before["percent"] + 10)
        node.proxy.set_rate(None)
        ended = pulltrace.ended_row(image, node)
        events = [event for _, event in stream.of(before["id"])]

    assert before["id"] == after["id"] == ended["id"]
    assert before["startedAt"] == after["startedAt"] == ended["startedAt"]
    assert (after["phase"], ended["phase"]) == ("downloading", "completed")
    moved = [event["pull"]["downloadedBytes"] for event in events]
    assert moved == sorted(moved)
    assert not any(event["pull"]["stale"] for event in events)
    mine = [row for row in pulltrace.pulls() if row["nodeName"] == node.name and row["imageRef"] == image.ref]
    assert len(mine) == 1
