"""Failure reasons: class, message and advice, within 3 s of the kubelet's report."""

from __future__ import annotations

import time

import pytest

from tests.cluster.faults import Fault
from tests.cluster.nodes import SLOW_HOST, Node
from tests.cluster.processes import wait_until
from tests.e2e.reach import Forward
from tests.e2e.workloads import MB, NAMESPACE, Shop
from tests.real.programs import Row

pytestmark = pytest.mark.e2e

SOON_SECONDS = 3.0


def kubelet_says(shop: Shop) -> tuple[str, str]:
    """Return the reason and the message of the only pod's only container, as soon as there is a message."""

    def reason() -> tuple[str, str] | None:
        (pod,) = shop.pods()
        for status in pod["status"].get("containerStatuses", []):
            waiting = status["state"].get("waiting", {})
            if waiting.get("message"):
                return waiting["reason"], waiting["message"]
        return None

    return wait_until(reason, "the kubelet's reason")


def failed_row(pulltrace: Forward, repository: str, node: Node) -> Row:
    """Return the failed row with a reason that is about this repository."""

    def mine(row: Row) -> bool:
        return row["nodeName"] == node.name and repository in row["imageRef"] and "failure" in row

    return next(row for row in pulltrace.wait_for(lambda rows: any(map(mine, rows)), "the failure") if mine(row))


@pytest.mark.parametrize(
    ("status", "reason"), [(404, "not_found"), (401, "unauthorized"), (403, "forbidden"), (429, "rate_limited")]
)
def test_registry_says_no(pulltrace: Forward, shop: Shop, node: Node, status: int, reason: str) -> None:
    """Each answer of a registry is a failed row with its class, and a failing pod with advice."""
    image = shop.image(f"refused-{status}-{node.name}", MB)
    node.proxy.add(Fault(f"/{image.repository}/manifests/", status=status))
    shop.run("refused", {"main": image}, node)

    _, message = kubelet_says(shop)
    began = time.monotonic()
    row = failed_row(pulltrace, image.repository, node)
    late = time.monotonic() - began
    print(f"\n{status}: {late:.2f} s after the kubelet: {row['failure']}")

    assert late <= SOON_SECONDS
    assert (row["phase"], row["failure"]["reason"]) == ("failed", reason)
    assert row["failure"]["message"].removesuffix("…") in message
    assert row["failure"]["advice"]
    pod = pulltrace.pod("refused", lambda pod: pod["state"] == "failing", "to be failing", seconds=SOON_SECONDS)
    assert pod["images"][0]["failure"]["reason"] == reason
    mine = [one for one in pulltrace.pulls() if one["nodeName"] == node.name and image.repository in one["imageRef"]]
    assert len(mine) == 1


def test_back_off_keeps_the_first_words(pulltrace: Forward, shop: Shop, node: Node) -> None:
    """While the kubelet only reports its back-off, the reason stays, and the next attempt has a time."""
    image = shop.image(f"backing-off-{node.name}", MB)
    node.proxy.add(Fault(f"/{image.repository}/manifests/", status=404))
    shop.run("backing-off", {"main": image}, node)
    wait_until(lambda: kubelet_says(shop)[0] == "ImagePullBackOff", "the back-off", seconds=60)

    pod = pulltrace.pod("backing-off", lambda pod: pod["state"] == "failing", "to be failing")
    failure = pod["images"][0]["failure"]

    assert failure["reason"] == "not_found"
    assert "not found" in failure["message"]
    assert "ack-off" not in failure["message"]
    assert failure["retryAt"]


def test_name_that_is_none(pulltrace: Forward, shop: Shop, node: Node) -> None:
    """An image name that the kubelet does not even request has a row with that reason."""
    name = f"{SLOW_HOST}/{NAMESPACE}/Not-A-Name-{node.name}"
    shop.run("misspelt", {"main": name}, node)

    row = failed_row(pulltrace, f"Not-A-Name-{node.name}", node)

    assert row["failure"]["reason"] == "invalid_name"
    assert row["reachedContainerd"] is False
