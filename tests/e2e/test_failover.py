"""Two replicas: a lost leader is replaced, viewers of the other stay, and nothing is counted twice."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.processes import wait_until
from tests.e2e.installs import Helm, pods, wait_until_ready
from tests.e2e.reach import Forward
from tests.e2e.replicas import Replica, cut_off, freeze, holder, kill, ready_holder, remove, terminate, transitions
from tests.e2e.test_restarts import give_every_node_the_image
from tests.e2e.workloads import MB, Shop

pytestmark = pytest.mark.e2e

LOST_SECONDS = 17.0
"""Until another leads when the leader ends without releasing the Lease: 15 s, and a try."""
RELEASED_SECONDS = 3.0
"""Until a replica leads when the leader released the Lease: the other, or the one that the kubelet started again."""


@pytest.fixture
def replicas(helm_install: Helm, cluster: Cluster, tmp_path: Path) -> Iterator[tuple[Replica, Replica]]:
    """Provide the replica that leads, and the other."""
    give_every_node_the_image(cluster, "aggregator")
    helm_install.upgrade("aggregator.replicas=2")
    wait_until_ready(cluster)
    nodes = {node.name: node for node in cluster.nodes}
    with ExitStack() as stack:
        found = [
            Replica(
                pod,
                nodes[pod["spec"]["nodeName"]],
                stack.enter_context(Forward(cluster, tmp_path, f"pod/{pod['metadata']['name']}")),
            )
            for pod in pods(cluster, "aggregator")
            if "deletionTimestamp" not in pod["metadata"]
        ]
        leader = wait_until(lambda: next((one for one in found if one.name in holder(cluster)), None), "a leader")
        (other,) = [one for one in found if one is not leader]
        yield leader, other
    helm_install.upgrade("aggregator.replicas=1")
    wait_until_ready(cluster)


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("lose", "limit_seconds"),
    [(kill, LOST_SECONDS), (freeze, LOST_SECONDS), (cut_off, LOST_SECONDS), (terminate, RELEASED_SECONDS)],
    ids=["SIGKILL", "SIGSTOP", "network", "SIGTERM"],
)
def test_leader_is_lost(
    replicas: tuple[Replica, Replica],
    cluster: Cluster,
    shop: Shop,
    lose: Callable[[Replica, Cluster], None],
    limit_seconds: float,
    tmp_path: Path,
) -> None:
    """A replica leads in time, viewers of the other see the pull go on and end, and each pull is counted once."""
    leader, other = replicas
    before = transitions(cluster)
    node = cluster.nodes[0]
    image = shop.image(f"during-{lose.__name__}", 24 * MB)
    node.proxy.set_rate(MB)
    with ExitStack() as stack:
        stream = stack.enter_context(other.forward.stream())
        shop.run("during", {"main": image}, node)
        row = other.forward.moving(image, node, percent=5)
        pid = leader.pid
        lost_at = time.monotonic()
        lose(leader, cluster)
        wait_until(lambda: transitions(cluster) > before and holder(cluster), "a replica to lead", seconds=40)
        took = time.monotonic() - lost_at
        leading = other
        if other.name not in holder(cluster):
            # The leader's container, started again, or the pod that its Deployment made in its place.
            pod = wait_until(lambda: ready_holder(cluster, leader), "the pod that leads to be ready")
            (tmp_path / "again").mkdir()
            forward = Forward(cluster, tmp_path / "again", f"pod/{pod['metadata']['name']}")
            leading = Replica(pod, node, stack.enter_context(forward))
        print(f"\n{lose.__name__}: {leading.name} leads after {took:.1f} s, the other is {other.name}")
        node.proxy.set_rate(None)
        ended = other.forward.ended_row(image, node)
        wait_until(lambda: any(e["type"] == "pull.completed" for _, e in stream.of(row["id"])), "the end in the stream")
        events = [event for _, event in stream.of(row["id"])]
        snapshots = [event for _, event in stream.events if event["type"] == "snapshot"]
        counted, others = leading.forward.metrics(), other.forward.metrics()
    if lose is freeze:
        subprocess.run(["kill", f"-{signal.SIGCONT}", str(pid)], check=False, timeout=10)
        wait_until(lambda: other.name in holder(cluster), "the other to lead still")

    assert leading is other or lose in {kill, terminate}
    assert took <= limit_seconds
    assert transitions(cluster) == before + 1
    assert ended["phase"] == "completed"
    assert len(snapshots) == 1
    moved = [event["pull"]["downloadedBytes"] for event in events]
    assert moved == sorted(moved)
    assert counted["pulltrace_leader"] == 1
    assert others["pulltrace_leader"] == (leading is other)
    assert counted["pulltrace_pull_duration_seconds_count"] == 1
    if lose is cut_off:
        remove(leader, cluster)
    wait_until_ready(cluster)
