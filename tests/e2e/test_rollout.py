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

RELEASES = {"1": {"shop": 9, "proxy": 7}, "2": {"shop": 20, "proxy": 16}}
"""Of each release the images of its two containers, in MB. What the first one took says a little of the second."""
PODS = 20
LOOK_SECONDS = 0.5
MOST_ERROR = 0.15


def test_ready_times_come_true(pulltrace: Forward, cluster: Cluster, shop: Shop, artifacts: Path) -> None:
    """From a quarter of each pod's wait on, the median error of its ready time is at most 15 % of what was left."""
    releases = {
        tag: {name: shop.image(f"rollout-{name}", size * MB, tag=tag) for name, size in sizes.items()}
        for tag, sizes in RELEASES.items()
    }
    shop.deploy("before", releases["1"], replicas=2)
    shop.all_run(2)
    shop.withdraw("before")
    for node in cluster.nodes:
        node.proxy.set_rate(MB)
    shop.deploy("shop", releases["2"], replicas=PODS)

    told: dict[str, list[tuple[float, float]]] = defaultdict(list)
    ready_at: dict[str, float] = {}
    seen_at: dict[str, float] = {}
    deadline = time.monotonic() + 150
    while len(ready_at) < PODS and time.monotonic() < deadline:
        now = time.time()
        for pod in pulltrace.ask(f"/api/v1/pods?namespace={NAMESPACE}")["pods"]:
            seen_at.setdefault(pod["podName"], now)
            if "readyAt" in pod and pod["state"] == "waiting":
                told[pod["podName"]].append((now, datetime.fromisoformat(pod["readyAt"]).timestamp()))
        ready_at |= {name: now for name in pods_with_images(shop) if name not in ready_at}
        pulltrace.process.wait_until(lambda: time.time() >= now + LOOK_SECONDS, "the next look")  # noqa: B023

    assert len(ready_at) == PODS
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
    """The pods whose containers have all been created."""

    def created(pod: Row) -> bool:
        statuses = pod["status"].get("containerStatuses", [])
        return len(statuses) == 2 and all(status.get("imageID") for status in statuses)

    return [pod["metadata"]["name"] for pod in shop.pods() if created(pod)]
