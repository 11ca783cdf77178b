"""Pending images, their names and their queue, on real kubelets that pull one image after another."""

from __future__ import annotations

import pytest

from tests.cluster.nodes import Node
from tests.e2e.reach import Forward
from tests.e2e.workloads import MB, NAMESPACE, Shop
from tests.real.programs import Row

pytestmark = pytest.mark.e2e


def needs(pod: Row) -> dict[str, str]:
    """Return the state of each image that a pod waits for."""
    return {one["container"]: one["state"] for one in pod["images"]}


def test_two_tags_of_one_repository(pulltrace: Forward, shop: Shop, node: Node) -> None:
    """The tag that is being pulled has its name, and the other tag waits behind it."""
    name = f"tags-{node.name}"
    first, second = (shop.image(name, 12 * MB, tag=tag) for tag in ("old", "new"))
    node.proxy.set_rate(MB)
    shop.run("runs-old", {"main": first}, node)
    pulltrace.moving(first, node)
    shop.run("runs-new", {"main": second}, node)

    queued = pulltrace.pod("runs-new", lambda pod: needs(pod) == {"main": "queued"}, "to be queued")
    row = pulltrace.row(first, node, lambda row: row["nameKnown"], "to be certain of its name")
    assert [each["podName"] for each in row["pods"]] == ["runs-old"]
    assert [ahead["pullId"] for ahead in queued["images"][0]["behind"]] == [row["id"]]
    assert queued["etaSeconds"] > pulltrace.pod("runs-old")["etaSeconds"]

    node.proxy.set_rate(None)
    for image, pod in ((first, "runs-old"), (second, "runs-new")):
        assert pulltrace.ended_row(image, node)["imageRef"] == image.ref
        pulltrace.pod(pod, lambda pod: pod["state"] == "ready", "to be ready")


def test_image_of_an_init_container(pulltrace: Forward, shop: Shop, node: Node) -> None:
    """A pod waits for the image of its init container first, then for that of its main container."""
    setup, main = (shop.image(f"{name}-{node.name}", 6 * MB) for name in ("setup", "serve"))
    node.proxy.set_rate(2 * MB)
    shop.run("has-init", {"serve": main}, node, init={"setup": setup})

    row = pulltrace.row(setup, node, lambda row: bool(row["pods"]), "to have its pod")
    assert [(each["podName"], each["container"]) for each in row["pods"]] == [("has-init", "setup")]
    pod = pulltrace.pod("has-init")
    assert [(one["container"], one["role"]) for one in pod["images"]] == [("setup", "init"), ("serve", "main")]
    assert needs(pod) == {"setup": "pulling", "serve": "needed"}
    row = pulltrace.row(main, node, lambda row: bool(row["pods"]), "to have its pod")
    assert [(each["podName"], each["container"]) for each in row["pods"]] == [("has-init", "serve")]
    pulltrace.pod("has-init", lambda pod: pod["state"] == "ready", "to be ready")


def test_workload_of_a_pod(pulltrace: Forward, shop: Shop, node: Node) -> None:
    """Pods of a Deployment have its name, and the Deployment counts its pods that have their images."""
    name = f"owned-{node.name}"
    image = shop.image(name, 8 * MB)
    node.proxy.set_rate(2 * MB)
    shop.deploy(name, image, replicas=2, node=node)
    owner = {"namespace": NAMESPACE, "kind": "Deployment", "name": name}

    row = pulltrace.row(image, node, lambda row: len(row["pods"]) == 2, "to have two pods")
    assert [each["workload"] for each in row["pods"]] == [owner] * 2
    path = f"/api/v1/workloads?namespace={NAMESPACE}"

    def counts() -> tuple[int, int]:
        (mine,) = [one for one in pulltrace.ask(path)["workloads"] if one["workload"] == owner]
        return mine["pods"], mine["ready"]

    assert counts() == (2, 0)
    answer = pulltrace.ask(f"/api/v1/wait?workload={NAMESPACE}/Deployment/{name}&timeout=60")
    assert answer["ready"] is True
    pulltrace.process.wait_until(lambda: counts() == (2, 2), "both pods to have their image")
