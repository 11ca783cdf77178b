"""A failed pull has its reason, in the kubelet's words."""

from __future__ import annotations

import pytest

from tests.cluster.faults import Fault
from tests.cluster.nodes import Node
from tests.cluster.processes import wait_until
from tests.e2e.reach import Forward
from tests.e2e.workloads import MB, Shop

pytestmark = pytest.mark.e2e


def test_missing_image_fails_with_the_reason(pulltrace: Forward, shop: Shop, node: Node) -> None:
    """An image that the registry does not have is a failed row with the kubelet's message."""
    image = shop.image(f"missing-{node.name}", MB)
    # NOTE: an idle agent polls every second, so a failure within milliseconds may be missed.
    node.proxy.add(Fault(f"/{image.repository}/manifests/", status=404, hang_seconds=1.5))
    shop.run("broken", {"main": image}, node)

    def reasons() -> list[str]:
        (pod,) = shop.pods()
        statuses = pod["status"].get("containerStatuses", [])
        states = [status["state"].get("waiting", {}) for status in statuses]
        return [state["message"] for state in states if state.get("reason") == "ErrImagePull"]

    (reason,) = wait_until(reasons, "the kubelet's reason")
    row = pulltrace.row(image, node, lambda row: "error" in row, "to have a reason")

    assert row["phase"] == "failed"
    assert "not found" in reason
    assert row["error"] == reason
