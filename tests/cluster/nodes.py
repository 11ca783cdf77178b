"""A node: a machine with containerd, a kubelet and a kube-proxy.

containerd's images come through this node's own proxy, so its link can be slow or broken without
an effect on the others: `registry.test/…` is the way through the proxy, `direct.test/…` leads around it.
Pods get addresses from the node's own range. Each pod has a cable of its own to the node (the `ptp`
plugin), so a Service is reached even when its pod is on the same node.
"""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.api import JSON, Identity
from tests.cluster.containerd import Containerd, Version
from tests.cluster.containerd import Options as ContainerdOptions
from tests.cluster.control_plane import ControlPlane
from tests.cluster.machines import Machine, Network, make_control_groups
from tests.cluster.processes import Process
from tests.cluster.proxy import Proxy

SLOW_HOST = "registry.test"
DIRECT_HOST = "direct.test"
KUBE_PROXY_HEALTH_PORT = 10256


@dataclass(frozen=True)
class Options:
    """How a node differs from the kubelet's defaults."""

    version: Version
    serialize_image_pulls: bool = True
    containerd: ContainerdOptions = field(default_factory=ContainerdOptions)
    """Options of containerd; the node decides where and how it runs."""


class Node:
    """A node of a cluster; `Cluster` starts it in the order that its parts need."""

    def __init__(self, number: int, network: Network, folder: Path, options: Options, *, stays: bool = False) -> None:
        self.number = number
        self.name = f"node-{number}"
        self.address = network.node_address(number)
        self.folder = folder
        self.options = options
        self.machine = Machine(f"{network.name}-{self.name}", self.name, folder, stays=stays)
        self._network = network
        self._stays = stays
        self.containerd: Containerd
        self.proxy: Proxy
        self.kubelet: Process
        self.kube_proxy: Process

    @property
    def control_group(self) -> str:
        """The name of the control group of all its containers."""
        return self.machine.name

    def start_containerd(self, proxy: Proxy, registry_url: str) -> None:
        """Start containerd with the registries that pods may name."""
        self.proxy = proxy
        registries = {SLOW_HOST: proxy.url, DIRECT_HOST: registry_url}
        options = replace(
            self.options.containerd,
            registries={**registries, **self.options.containerd.registries},
            sandbox_image=f"{DIRECT_HOST}/pause:1",
            cni_bin=str(binaries.cni_folder()),
            enter=self.machine.enter,
            inside=True,
            stays=self._stays,
        )
        cni = self.folder / "cni"
        cni.mkdir()
        (cni / "10-pods.conflist").write_text(json.dumps(self._cni_config()), encoding="utf-8")
        self.containerd = Containerd(self.options.version, self.folder, options)
        self.containerd.start()

    def start_kubelet(self, control_plane: ControlPlane) -> None:
        """Start the kubelet and kube-proxy; the node is Ready some seconds later."""
        make_control_groups(self.control_group)
        authority = control_plane.authority
        addresses = [f"DNS:{self.name}", f"IP:{self.address}"]
        user = f"system:node:{self.name}"
        certificate = authority.issue(f"kubelet-{self.name}", user, groups=["system:nodes"], addresses=addresses)
        identity = Identity(control_plane.url, authority.certificate, certificate)
        config = self.folder / "kubelet.json"
        config.write_text(json.dumps(self._kubelet_config(identity), indent=1), encoding="utf-8")
        resolv_conf = f"nameserver {self._network.hub_address}\n"
        (self.folder / "resolv.conf").write_text(resolv_conf, encoding="utf-8")
        self.kubelet = self._process(
            "kubelet",
            {
                "config": config,
                "kubeconfig": identity.write_kubeconfig(self.folder / "kubelet.kubeconfig"),
                "hostname-override": self.name,
                "node-ip": self.address,
                "root-dir": "/var/lib/kubelet",
                "cert-dir": "/var/lib/kubelet/pki",
            },
        )
        proxy_user = control_plane.identity("system:kube-proxy")
        self.kube_proxy = self._process(
            "kube-proxy",
            {
                "kubeconfig": proxy_user.write_kubeconfig(self.folder / "kube-proxy.kubeconfig"),
                "hostname-override": self.name,
                "proxy-mode": "nftables",
                "cluster-cidr": self._network.cidr,
                # These flags would change settings of the whole kernel.
                "conntrack-max-per-core": 0,
                "conntrack-tcp-timeout-established": "0s",
                "conntrack-tcp-timeout-close-wait": "0s",
            },
        )
        self.kubelet.start()
        self.kube_proxy.start()

    def services_work(self) -> bool:
        """Return whether kube-proxy has written its rules; OSError while it does not answer."""
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"http://{self.address}:{KUBE_PROXY_HEALTH_PORT}/healthz", timeout=5
        ) as answer:
            return bool(answer.status == HTTPStatus.OK)

    def _process(self, program: str, flags: dict[str, object]) -> Process:
        argv = [str(binaries.kubernetes(program)), *(f"--{name}={value}" for name, value in flags.items())]
        environment = {"PATH": binaries.SYSTEM_PATH}
        log = self.folder / f"{program}.log"
        return Process(argv, log, env=environment, enter=self.machine.enter, stays=self._stays)

    def _cni_config(self) -> JSON:
        ranges = {"type": "host-local", "subnet": self._network.pod_cidr(self.number), "routes": [{"dst": "0.0.0.0/0"}]}
        plugins = [{"type": "ptp", "ipam": ranges}, {"type": "portmap", "capabilities": {"portMappings": True}}]
        return {"cniVersion": "1.0.0", "name": "pods", "plugins": plugins}

    def _kubelet_config(self, identity: Identity) -> JSON:
        assert identity.certificate is not None
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.address,
            "healthzPort": 0,
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "imageServiceEndpoint": "unix:///run/containerd/containerd.sock",
            "authentication": {"x509": {"clientCAFile": str(identity.authority)}},
            "tlsCertFile": str(identity.certificate.certificate),
            "tlsPrivateKeyFile": str(identity.certificate.key),
            "serializeImagePulls": self.options.serialize_image_pulls,
            "clusterDNS": [self._network.hub_address],
            "clusterDomain": "cluster.local",
            "resolvConf": str(self.folder / "resolv.conf"),
            "volumePluginDir": "/var/lib/kubelet/plugins",
            # Everything of this node is in control groups of its own, which `Cluster.remove` finds by name.
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.control_group}",
            "enforceNodeAllocatable": [],
            "failCgroupV1": False,
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            # A full disk of the host is no reason to evict test pods, nor to remove their images.
            "evictionHard": dict.fromkeys(
                ("memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available"), "1%"
            ),
            "imageGCHighThresholdPercent": 100,
        }
