"""A whole Kubernetes cluster on this machine: a control plane and two nodes that run real pods.

node-1 has containerd 1.6 of Debian, node-2 containerd 2.1. Everything is in network and process namespaces
of its own, joined by a bridge (`machines`), with a registry and, for each node, a proxy that makes its link
slow or faulty. Only the control plane itself is in system:masters: the tests' user is an ordinary user to
whom a ClusterRoleBinding gives cluster-admin, so RBAC and admission see everybody.

The next start finds the remains of a killed run by their name and removes them. Two clusters with
different names and numbers can run side by side.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster import base_images, binaries, machines, mounts
from tests.cluster.api import JSON, ApiError, Identity
from tests.cluster.containerd import VERSIONS
from tests.cluster.control_plane import SERVICE_CIDR, ControlPlane
from tests.cluster.control_plane import Options as ControlPlaneOptions
from tests.cluster.images import Publisher
from tests.cluster.machines import Machine, Network
from tests.cluster.nodes import DIRECT_HOST, SLOW_HOST, Node
from tests.cluster.nodes import Options as NodeOptions
from tests.cluster.processes import Process, run, wait_until
from tests.cluster.proxy import REPOSITORY_ROOT, Proxy
from tests.cluster.registry import Registry

REGISTRY_PORT = 5000
USER = "tester"
TWO_NODES = tuple(NodeOptions(version) for version in VERSIONS)


class Cluster:
    """A cluster; `with Cluster() as cluster:` starts it and removes every trace of it."""

    def __init__(
        self,
        name: str = "pulltrace-e2e",
        number: int = 232,
        nodes: Sequence[NodeOptions] = TWO_NODES,
        *,
        stays: bool = False,
    ) -> None:
        self.name = name
        self.network = Network(name, number)
        # NOTE: not below /var/lib or /run, which the machines have for themselves.
        self.folder = Path("/var/tmp") / name
        self.kubeconfig = self.folder / "kubeconfig"
        self._stays = stays
        self._claimed: socket.socket | None = None
        self.hub = Machine(f"{name}-hub", "hub", self.folder / "hub", stays=stays)
        self.nodes = [
            Node(number, self.network, self.folder / f"node-{number}", options, stays=stays)
            for number, options in enumerate(nodes, start=1)
        ]
        self.control_plane: ControlPlane
        self.registry: Registry
        self.user: Identity
        """The tests' user: cluster-admin by RBAC."""

    @property
    def slow(self) -> Publisher:
        """Pushes images that nodes pull through their proxies (registry.test/…)."""
        return Publisher(self._registry_url, SLOW_HOST)

    @property
    def direct(self) -> Publisher:
        """Pushes images that nodes pull at full speed, whatever their proxies do (direct.test/…)."""
        return Publisher(self._registry_url, DIRECT_HOST)

    def start(self) -> None:
        """Remove what a killed run left, start everything and wait until all nodes are Ready."""
        self._claim()
        self.remove()
        mounts.make(self.folder)
        for machine in (self.hub, *(node.machine for node in self.nodes)):
            machine.start()
        machines.connect_hub(self.network, self.hub)
        for node in self.nodes:
            machines.connect_node(self.network, self.hub, node.machine, node.number)
        _all_at_once([self._start_control_plane, self._start_images])
        _all_at_once([self._start_controllers, *(self._kubelet_starter(node) for node in self.nodes)])
        self._wait_until_ready()

    def _claim(self) -> None:
        """Make sure that this Python is the only one that now uses a cluster of this name."""
        if self._claimed is None:
            claim = socket.socket(socket.AF_UNIX)
            try:
                claim.bind(f"\0{self.name}")  # no file: the name is free again when this process ends
            except OSError:
                claim.close()
                raise RuntimeError(f"another process uses the cluster {self.name}") from None
            self._claimed = claim

    def kubectl(self, *args: str, stdin: str | None = None, seconds: float = 120) -> str:
        """Run kubectl as the tests' user and return what it prints."""
        common = [f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.folder}/kubectl-cache"]
        return run([binaries.kubernetes("kubectl"), *common, *args], stdin=stdin, seconds=seconds)

    def helm(self, *args: str, seconds: float = 300) -> str:
        """Run helm as the tests' user and return what it prints."""
        home = {f"HELM_{kind}_HOME": f"{self.folder}/helm/{kind.lower()}" for kind in ("CACHE", "CONFIG", "DATA")}
        return run([binaries.helm(), "--kubeconfig", self.kubeconfig, *args], env=home, seconds=seconds)

    def remove(self) -> None:
        """End every process of a cluster of this name and delete all that it made."""
        machines.remove_all(self.name)
        machines.remove_control_groups(f"{self.name}-")
        machines.remove_folder(self.folder)

    @property
    def _registry_url(self) -> str:
        return f"http://{self.network.hub_address}:{REGISTRY_PORT}"

    def _start_control_plane(self) -> None:
        options = ControlPlaneOptions(
            address=self.network.hub_address, port=6443, enter=self.hub.enter, stays=self._stays
        )
        self.control_plane = ControlPlane(self.folder / "control-plane", options)
        self.control_plane.start()
        self._bind("pulltrace-tests", "cluster-admin", "User", USER)
        self._bind("pulltrace-kubelet-client", "system:kubelet-api-admin", "Group", "pulltrace:kubelet-client")
        self._bind("pulltrace-dns", "system:kube-dns", "User", "pulltrace-dns")
        self.user = self.control_plane.identity(USER)
        self.user.write_kubeconfig(self.kubeconfig)

    def _start_controllers(self) -> None:
        keys = self.control_plane.authority.service_account_keys()
        with_keys: dict[str, object] = {
            "root-ca-file": self.control_plane.authority.certificate,
            "service-account-private-key-file": keys.key,
            "service-cluster-ip-range": SERVICE_CIDR,
            "use-service-account-credentials": "true",
        }
        for program, flags in {"kube-controller-manager": with_keys, "kube-scheduler": {}}.items():
            kubeconfig = self._kubeconfig(f"system:{program}")
            flags |= {"kubeconfig": kubeconfig, "authentication-kubeconfig": kubeconfig}
            flags |= {"authorization-kubeconfig": kubeconfig, "leader-elect": "false", "profiling": "false"}
            self._hub_process([binaries.kubernetes(program), *(f"--{k}={v}" for k, v in flags.items())], program)
        dns = [sys.executable, "-m", "tests.cluster.dns_server", "--listen", self.network.hub_address]
        self._hub_process([*dns, "--kubeconfig", self._kubeconfig("pulltrace-dns")], "dns")

    def _start_images(self) -> None:
        self.registry = Registry(
            self.folder / "registry",
            address=self.network.hub_address,
            port=REGISTRY_PORT,
            enter=self.hub.enter,
            stays=self._stays,
        )
        self.registry.start()
        base_images.push_pause(self.direct)
        base_images.push_busybox(self.direct)
        _all_at_once([self._containerd_starter(node) for node in self.nodes])

    def _containerd_starter(self, node: Node) -> Callable[[], None]:
        def start() -> None:
            proxy = Proxy(
                self.registry.url,
                address=self.network.hub_address,
                port=REGISTRY_PORT + node.number,
                folder=node.folder,
                enter=self.hub.enter,
                stays=self._stays,
            )
            proxy.start()
            node.start_containerd(proxy, self.registry.url)

        return start

    def _kubelet_starter(self, node: Node) -> Callable[[], None]:
        return lambda: node.start_kubelet(self.control_plane)

    def _wait_until_ready(self) -> None:
        kubelets = [node.kubelet for node in self.nodes]
        wait_until(self._nodes_ready, "the nodes to be Ready", seconds=90, processes=kubelets)
        for node in self.nodes:
            node.kube_proxy.wait_until(node.services_work, f"the Service rules of {node.name}")
        wait_until(self._default_account, "the ServiceAccount default", seconds=30)

    def _nodes_ready(self) -> bool:
        found: list[JSON] = self.user.get("/api/v1/nodes")["items"]
        conditions = [condition for node in found for condition in node["status"].get("conditions", [])]
        ready = [one for one in conditions if one["type"] == "Ready" and one["status"] == "True"]
        return len(ready) == len(self.nodes)

    def _default_account(self) -> bool:
        try:
            return bool(self.user.get("/api/v1/namespaces/default/serviceaccounts/default"))
        except ApiError:
            return False

    def _bind(self, name: str, role: str, kind: str, subject: str) -> None:
        group = "rbac.authorization.k8s.io"
        body = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": group, "kind": kind, "name": subject}],
        }
        self.control_plane.admin.create(f"/apis/{group}/v1/clusterrolebindings", body)

    def _kubeconfig(self, user: str) -> Path:
        path = self.control_plane.folder / f"{user.removeprefix('system:')}.kubeconfig"
        return self.control_plane.identity(user).write_kubeconfig(path)

    def _hub_process(self, argv: Sequence[str | Path], name: str) -> None:
        environment = {"PYTHONPATH": str(REPOSITORY_ROOT)}
        log = self.hub.folder / f"{name}.log"
        Process(argv, log, env=environment, enter=self.hub.enter, stays=self._stays).start()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._claimed:  # else: another process owns the name
            self.remove()
            self._claimed.close()
            self._claimed = None


def _all_at_once(steps: Sequence[Callable[[], None]]) -> None:
    """Take steps that do not depend on each other at the same time."""
    with ThreadPoolExecutor(len(steps)) as threads:
        for step in [threads.submit(step) for step in steps]:
            step.result()
