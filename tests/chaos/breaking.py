"""Breaks components of the cluster, and restores them."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.chaos.evidence import Fault
from tests.chaos.schedule import Planned
from tests.cluster.api import ApiError
from tests.cluster.cluster import Cluster
from tests.cluster.faults import Fault as RegistryFault
from tests.cluster.nodes import Node
from tests.cluster.processes import WaitFailed, wait_until
from tests.e2e.installs import NAMESPACE, pods
from tests.e2e.replicas import addresses, holder, pids

DOWN_SECONDS = 3.0
"""Downtime of a killed component that nothing else starts again."""
CUT_SECONDS = 8.0
REFUSE_SECONDS = 6.0
HANG_SECONDS = 12.0
MID_PULL_SECONDS = 8.0
IN_MID_PULL = frozenset({"agent killed", "containerd killed", "kubelet killed", "network of a node cut"})
CUT = "add table inet chaos { chain in { type filter hook input priority 0; policy drop; }; chain out { type filter hook output priority 0; policy drop; }; chain through { type filter hook forward priority 0; policy drop; }; }"


class Breaker:
    """Breaks one component at a time.

    `pulling`: whether a node pulls now. A fault that can harm a pull waits for one, for a limited time.
    """

    def __init__(self, cluster: Cluster, pulling: Callable[[Node], bool]) -> None:
        self._cluster = cluster
        self._pulling = pulling
        self.cut: frozenset[str] = frozenset()
        """The nodes that no packet leaves or reaches now."""
        self.logs: dict[str, str] = {}
        """The logs of the pods deleted here, as far as they could be read."""
        self.kinds: dict[str, Callable[[Node], str]] = {
            "agent killed": self._kill_agent,
            "agent's pod deleted": self._delete_agent,
            "leader killed": self._kill_leader,
            "leader's pod deleted": self._delete_leader,
            "containerd killed": self._kill_containerd,
            "kubelet killed": self._kill_kubelet,
            "API server restarted": self._restart_api_server,
            "etcd killed": self._kill_etcd,
            "network of a node cut": self._cut,
            "registry answers 503": self._refuse,
            "registry hangs": self._hang,
        }

    def do(self, planned: Planned) -> Fault:
        """Break a component and return what was done, once it is restored."""
        node = self._cluster.nodes[planned.node]
        if planned.kind in IN_MID_PULL:
            with suppress(WaitFailed):
                wait_until(lambda: self._pulling(node), "a pull", seconds=MID_PULL_SECONDS)
        at = time.time()
        return Fault(at, planned.kind, self.kinds[planned.kind](node))

    def _kill_agent(self, node: Node) -> str:
        for pid in (found := pids(node, "agent")):
            _kill(pid)
        return f"agent of {node.name} killed" if found else f"agent of {node.name} was not running"

    def _delete_agent(self, node: Node) -> str:
        return f"pod of the agent of {node.name} deleted" if self._delete("agent", node.name) else "no agent to delete"

    def _leader(self) -> tuple[str, str] | None:
        """Return name and address of the leader's pod."""
        with suppress(ApiError, OSError):
            leads = holder(self._cluster)
            for pod in pods(self._cluster, "aggregator"):
                name, address = pod["metadata"]["name"], pod["status"].get("podIP")
                if name in leads and address:
                    return name, address
        return None

    def _kill_leader(self, _: Node) -> str:
        leader = wait_until(self._leader, "a leader", seconds=40)
        for node in self._cluster.nodes:
            for pid in pids(node, "aggregator"):
                with suppress(subprocess.CalledProcessError):
                    if leader[1] in addresses(pid):
                        _kill(pid)
        return f"{leader[0]}, which led, killed"

    def _delete_leader(self, _: Node) -> str:
        leader = wait_until(self._leader, "a leader", seconds=40)
        self._delete("aggregator", name=leader[0])
        return f"pod {leader[0]}, which led, deleted"

    def _delete(self, component: str, node: str = "", name: str = "") -> bool:
        def gone() -> list[str]:
            with suppress(ApiError):
                found = [one["metadata"]["name"] for one in pods(self._cluster, component, node)]
                for one in (wanted := [one for one in found if one == (name or one)]):
                    with suppress(
                        RuntimeError, subprocess.TimeoutExpired
                    ):  # its kubelet is down, or the container has not started
                        self.logs[one] = self._cluster.kubectl("logs", one, "--namespace", NAMESPACE, seconds=10)
                    self._cluster.user.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/{one}?gracePeriodSeconds=0")
                return wanted
            return []

        with suppress(AssertionError):
            return bool(wait_until(gone, "the pod to be deleted", seconds=20))
        return False

    def _kill_containerd(self, node: Node) -> str:
        node.containerd.kill()
        _pause(DOWN_SECONDS)
        node.containerd.start()
        return f"containerd {node.containerd.version} of {node.name} killed, and started {DOWN_SECONDS:g} s later"

    def _kill_kubelet(self, node: Node) -> str:
        node.kubelet.kill()
        _pause(DOWN_SECONDS)
        node.kubelet.start()
        return f"kubelet of {node.name} killed, and started {DOWN_SECONDS:g} s later"

    def _restart_api_server(self, node: Node) -> str:
        began, plane = time.monotonic(), self._cluster.control_plane
        asked = node is self._cluster.nodes[0]
        if asked:
            plane.restart_apiserver()
        else:
            plane.apiserver.kill()
            _pause(DOWN_SECONDS)
            plane.apiserver.start()
            plane.wait_until_ready()
        how = "restarted" if asked else "killed and started again"
        return f"API server {how}, which took {time.monotonic() - began:.0f} s"

    def _kill_etcd(self, _: Node) -> str:
        plane = self._cluster.control_plane
        plane.etcd.kill()
        _pause(DOWN_SECONDS)
        plane.etcd.start()
        plane.wait_until_ready()
        return f"etcd killed, and started {DOWN_SECONDS:g} s later"

    def _cut(self, node: Node) -> str:
        self.cut = frozenset({node.name})
        node.machine.run("nft", CUT)
        try:
            _pause(CUT_SECONDS)
        finally:
            node.machine.run("nft", "delete table inet chaos")
            self.cut = frozenset()
        return f"network of {node.name} cut for {CUT_SECONDS:g} s"

    def _refuse(self, node: Node) -> str:
        with _in_force(node, RegistryFault("/v2/", status=503)):
            _pause(REFUSE_SECONDS)
        return f"registry answered {node.name} 503 for {REFUSE_SECONDS:g} s"

    def _hang(self, node: Node) -> str:
        with _in_force(node, RegistryFault("/v2/", hang_seconds=HANG_SECONDS)):
            _pause(HANG_SECONDS)
        return f"registry did not answer {node.name} for {HANG_SECONDS:g} s"


@contextmanager
def _in_force(node: Node, fault: RegistryFault) -> Iterator[None]:
    number = node.proxy.add(fault)
    try:
        yield
    finally:
        node.proxy.remove_fault(number)


def _kill(pid: int) -> None:
    subprocess.run(["kill", f"-{signal.SIGKILL}", str(pid)], check=False, timeout=10)


def _pause(seconds: float) -> None:
    """Let a fault last: its duration is part of the fault."""
    time.sleep(seconds)
