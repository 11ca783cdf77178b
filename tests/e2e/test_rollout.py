"""A roll-out of 20 pods on two nodes: when each of them is ready is told before, and checked against what happened."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.e2e.reach import Forward
from tests.e2e.workloads import MB, NAMESPACE, Shop
from tests.real.programs import Row

pytestmark = pytest.mark.e2e

IMAGES = {"front": 10, "cart": 14, "stock": 8, "mail": 12, "search": 16}
"""Of five Deployments with four pods each: their images' sizes in MB."""
LOOK_SECONDS = 0.5
MOST_ERROR = 0.15


def test_ready_times_come_true(pulltrace: Forward, cluster: Cluster, shop: Shop, artifacts: Path) -> None:
    """From a quarter of each pod's wait on, the median error of its ready time is at most 15 % of what was left."""
    images = {name: shop.image(f"rollout-{name}", size * MB) for name, size in IMAGES.items()}
    for node in cluster.nodes:
        node.proxy.set_rate(2 * MB)
    for name, image in images.items():
        shop.deploy(name, image, replicas=4)

    told: dict[str, list[tuple[float, float]]] = defaultdict(list)
    ready_at: dict[str, float] = {}
    seen_at: dict[str, float] = {}
    deadline = time.monotonic() + 150
    while len(ready_at) < 20 and time.monotonic() < deadline:
        now = time.time()
        for pod in pulltrace.ask(f"/api/v1/pods?namespace={NAMESPACE}")["pods"]:
            seen_at.setdefault(pod["podName"], now)
            if "readyAt" in pod and pod["state"] == "waiting":
                told[pod["podName"]].append((now, datetime.fromisoformat(pod["readyAt"]).timestamp()))
        ready_at |= {name: now for name in pods_with_images(shop) if name not in ready_at}
        pulltrace.process.wait_until(lambda: time.time() >= now + LOOK_SECONDS, "the next look")  # noqa: B023

    assert len(ready_at) == 20
    errors = []
    for name, end in ready_at.items():
        quarter = seen_at[name] + (end - seen_at[name]) / 4
        mine = [abs(said - end) / (end - at) for at, said in told[name] if quarter <= at < end - 1]
        errors += mine
    lines = [f"{name}: {ready_at[name] - seen_at[name]:.1f} s, told {len(told[name])} times" for name in ready_at]
    summary = (
        f"median error {statistics.median(errors):.1%} of what was left, {len(errors)} figures of {len(told)} pods"
    )
    (artifacts / "rollout.txt").write_text("\n".join([summary, *lines]), encoding="utf-8")
    print(f"\n{summary}")

    assert len(told) >= 16
    assert statistics.median(errors) <= MOST_ERROR


def pods_with_images(shop: Shop) -> list[str]:
    """The pods whose only container has been created."""

    def created(pod: Row) -> bool:
        statuses = pod["status"].get("containerStatuses", [])
        return bool(statuses) and all(status.get("imageID") for status in statuses)

    return [pod["metadata"]["name"] for pod in shop.pods() if created(pod)]
