"""VALID-04: each pull shows the pods that wait for it, and they go when they start."""

from __future__ import annotations

import pytest

from tests.cluster.images import Image
from tests.cluster.nodes import Node
from tests.e2e.reach import Forward
from tests.e2e.workloads import MB, NAMESPACE, Shop
from tests.real.programs import Row

pytestmark = pytest.mark.e2e


def waiting(pod: str, container: str, image: Image, owner: tuple[str, str]) -> Row:
    """Return a container that waits, as a row has it; `owner`: kind and name."""
    workload = {"namespace": NAMESPACE, "kind": owner[0], "name": owner[1]}
    return {"namespace": NAMESPACE, "podName": pod, "container": container, "image": image.ref, "workload": workload}


def test_pods_of_a_deployment(pulltrace: Forward, shop: Shop, node: Node) -> None:
    """Three pods that wait for one pull are all named, and none is when they run."""
    image = shop.image(f"api-{node.name}", 8 * MB)
    node.proxy.set_rate(2 * MB)
    shop.deploy("api", image, replicas=3, node=node)

    row = pulltrace.row(image, node, lambda row: len(row["pods"]) == 3, "to have three pods")
    assert row["pods"] == [waiting(name, "api", image, ("Deployment", "api")) for name in shop.names(node)]
    assert (row["imageRef"], row["nameKnown"]) == (image.ref, True)

    shop.all_run(3)
    # The other pods ask the registry once more; until the agent's next report that may be the newest row.
    pulltrace.row(image, node, lambda row: not row["pods"] and row["phase"] == "completed", "to be completed")


def test_pod_with_two_images(pulltrace: Forward, shop: Shop, node: Node) -> None:
    """A pod with two images is shown at the pull of the one, then at that of the other, each with its container."""
    first, second = (shop.image(f"{name}-{node.name}", 4 * MB) for name in ("main", "sidecar"))
    node.proxy.set_rate(2 * MB)
    shop.run("pair", {"main": first, "sidecar": second}, node)

    for container, image in (("main", first), ("sidecar", second)):
        row = pulltrace.row(image, node, lambda row: row["phase"] == "downloading" and row["pods"], "to have its pod")
        assert row["pods"] == [waiting("pair", container, image, ("Pod", "pair"))]
        assert pulltrace.ended_row(image, node)["pods"] == []
    shop.all_run(1)
