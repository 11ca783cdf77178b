"""The aggregator's replicas, and the ways to lose one."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.api import JSON
from tests.cluster.cluster import Cluster
from tests.cluster.nodes import Node
from tests.e2e.installs import NAMESPACE, pods
from tests.e2e.reach import Forward

ELECTION = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/pulltrace-aggregator"


@dataclass
class Replica:
    """An aggregator's pod, and the way to it."""

    pod: JSON
    node: Node
    forward: Forward

    @property
    def name(self) -> str:
        """The pod's name; the election's Lease names the holder by it."""
        return str(self.pod["metadata"]["name"])

    @property
    def pid(self) -> int:
        """The ID of its process on this machine."""
        address = self.pod["status"]["podIP"]
        found = [pid for pid in pids(self.node, "aggregator") if address in addresses(pid)]
        assert len(found) == 1
        return found[0]


def addresses(pid: int) -> str:
    """Return the addresses of the network that a process is in."""
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-brief", "address"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout


def holder(cluster: Cluster) -> str:
    """Return the holder of the election's Lease."""
    return str(cluster.user.get(ELECTION)["spec"].get("holderIdentity") or "")


def transitions(cluster: Cluster) -> int:
    """Return how often another process has come to lead, or the same one again after it had released the Lease."""
    return int(cluster.user.get(ELECTION)["spec"].get("leaseTransitions") or 0)


def ready_holder(cluster: Cluster, before: Replica) -> JSON | None:
    """Return the pod that leads once it is ready; where that is the pod of `before`, once its container has been
    started again.
    """
    leads = holder(cluster)
    for pod in pods(cluster, "aggregator"):
        for container in pod["status"].get("containerStatuses", []):
            restarted = pod["metadata"]["name"] != before.name or container["restartCount"]
            if pod["metadata"]["name"] in leads and container["ready"] and restarted:
                return pod
    return None


def kill(leader: Replica, cluster: Cluster) -> None:
    """Kill the process and delete its pod: the kubelet would start another in it, which leads at once."""
    subprocess.run(["kill", f"-{signal.SIGKILL}", str(leader.pid)], check=True, timeout=10)
    remove(leader, cluster)


def remove(leader: Replica, cluster: Cluster) -> None:
    """Delete the pod without grace."""
    cluster.kubectl("delete", "pod", "--namespace", NAMESPACE, leader.name, "--force", "--grace-period=0")


def freeze(leader: Replica, _: Cluster) -> None:
    """Stop the process by SIGSTOP."""
    subprocess.run(["kill", f"-{signal.SIGSTOP}", str(leader.pid)], check=True, timeout=10)


def cut_off(leader: Replica, _: Cluster) -> None:
    """Drop all packets of the pod."""
    rules = "table inet cut { chain in { type filter hook input priority 0; policy drop; }; chain out { type filter hook output priority 0; policy drop; }; }"
    command = ["nsenter", f"--net=/proc/{leader.pid}/ns/net", "nft", rules.replace("table", "add table", 1)]
    subprocess.run(command, check=True, timeout=10)


def terminate(leader: Replica, _: Cluster) -> None:
    """End the process by SIGTERM; the kubelet starts another in its pod, which may be the first to take the Lease."""
    subprocess.run(["kill", f"-{signal.SIGTERM}", str(leader.pid)], check=True, timeout=10)


def pids(node: Node, program: str) -> list[int]:
    """Return the processes of `pulltrace PROGRAM` in the node's containers."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                groups = (process / "cgroup").read_text(encoding="utf-8")
            except OSError:  # the process has ended
                continue
            if words[-3:-1] == ["pulltrace.cli", program] and f"/{node.control_group}/" in groups:
                found.append(int(process.name))
    return found
