"""VALID-01: both installs come up on both nodes, work, and go away again without a trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.processes import wait_until
from tests.e2e.installs import (
    GONE_SECONDS,
    NAMESPACE,
    READY_SECONDS,
    Helm,
    Kustomize,
    Stage,
    objects,
    pods,
    wait_until_ready,
)
from tests.e2e.reach import Forward
from tests.e2e.workloads import MB, Shop

pytestmark = pytest.mark.e2e

LEFT_BY_HELM = {
    f"namespaces. /{NAMESPACE}",
    f"configmaps. {NAMESPACE}/kube-root-ca.crt",
    f"serviceaccounts. {NAMESPACE}/default",
    f"leases.coordination.k8s.io {NAMESPACE}/node-1",
    f"leases.coordination.k8s.io {NAMESPACE}/node-2",
    f"leases.coordination.k8s.io {NAMESPACE}/pulltrace-aggregator",
}
"""helm never deletes a namespace; the Leases in it are the nodes' and the election's, and go with it."""


def assert_healthy(stage: Stage) -> None:
    """Check that all pods were ready in time, on both nodes, and none was started twice."""
    assert stage.ready_seconds < READY_SECONDS
    assert sorted(pod["spec"]["nodeName"] for pod in pods(stage.cluster, "agent")) == ["node-1", "node-2"]
    for pod in pods(stage.cluster):
        assert [container["restartCount"] for container in pod["status"]["containerStatuses"]] == [0]


def assert_nothing_left(stage: Stage) -> None:
    """Check that the cluster holds the objects that it held before the install, and no other."""
    assert_left(stage, set())
    assert stage.before - objects(stage.cluster) == set()


def assert_left(stage: Stage, wanted: set[str]) -> None:
    """Check that no other objects of the install are left, once the cluster has collected its garbage."""
    found: set[str] = set()

    def left() -> bool:
        found.clear()
        found.update(objects(stage.cluster) - stage.before)
        return found == wanted

    try:
        wait_until(left, "the install to be gone", seconds=GONE_SECONDS)
    except AssertionError as error:
        raise AssertionError(f"{error}; wrongly present or missing: {sorted(found ^ wanted)}") from None


def follow_a_pull(forward: Forward, shop: Shop, cluster: Cluster, name: str) -> None:
    """Check that a pull on each node is seen to its end."""
    image = shop.image(name, 4 * MB)
    for node in cluster.nodes:
        node.proxy.set_rate(2 * MB)
    shop.deploy(name, image, replicas=2)
    for node in cluster.nodes:
        assert forward.ended_row(image, node)["phase"] == "completed"


def test_helm_install_is_ready(helm_install: Helm, stage: Stage) -> None:
    """With the chart's defaults every pod is ready on both nodes within a minute, without a restart."""
    assert_healthy(stage)


def test_helm_test_passes(helm_install: Helm) -> None:
    """`helm test` finds the aggregator ready, with reports of the agents."""
    assert "Phase:          Succeeded" in helm_install.test()


def test_helm_install_follows_pulls(helm_install: Helm, pulltrace: Forward, shop: Shop, cluster: Cluster) -> None:
    """A pull on each node is seen."""
    follow_a_pull(pulltrace, shop, cluster, "by-helm")


def test_helm_upgrade(helm_install: Helm, cluster: Cluster, shop: Shop, tmp_path: Path) -> None:
    """An upgrade that changes agents and aggregator rolls through, and pulls are seen as before."""
    before = {pod["metadata"]["uid"] for pod in pods(cluster)}
    helm_install.upgrade("agent.reportInterval=500ms", "aggregator.historyTTL=10m")
    wait_until_ready(cluster)
    wait_until(lambda: not before & {pod["metadata"]["uid"] for pod in pods(cluster)}, "the old pods to be gone")

    with Forward(cluster, tmp_path) as forward:
        follow_a_pull(forward, shop, cluster, "upgraded")


def test_helm_uninstall_leaves_nothing(helm_install: Helm, stage: Stage) -> None:
    """After `helm uninstall` only the namespace with the Leases is left; its deletion removes them."""
    stage.uninstall()
    assert_left(stage, LEFT_BY_HELM)

    stage.clear()
    assert_nothing_left(stage)


def test_kustomize_install_is_ready(kustomize_install: Kustomize, stage: Stage) -> None:
    """With the default overlay every pod is ready on both nodes within a minute, without a restart."""
    assert_healthy(stage)


def test_kustomize_install_follows_pulls(
    kustomize_install: Kustomize, cluster: Cluster, shop: Shop, tmp_path: Path
) -> None:
    """A pull on each node is seen."""
    with Forward(cluster, tmp_path) as forward:
        follow_a_pull(forward, shop, cluster, "by-kustomize")


def test_kustomize_uninstall_leaves_nothing(kustomize_install: Kustomize, stage: Stage) -> None:
    """`kubectl delete -k` leaves nothing that was not there before."""
    stage.uninstall()
    assert_nothing_left(stage)
