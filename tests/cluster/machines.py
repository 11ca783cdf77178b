"""Machines of a cluster on one machine: namespaces of their own, joined by a bridge.

A `Machine` has its own network, processes, mounts and host name. Its first process is a shell that waits;
when that ends, the kernel ends every other process of the machine, and with the last of them go its mounts.
/run, /var/lib and /var/log are folders of its own, so programs use their usual paths there.

The bridge is on the machine named "hub", not in the network of the host, whose firewall would
apply otherwise. The host gets one interface, named like the cluster, to reach all machines and pods.
"""

from __future__ import annotations

import os
import shlex
import signal
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.cluster import binaries, mounts
from tests.cluster.processes import Process, reap, run, wait_until

OWN_FOLDERS = {"/run": "run", "/var/lib": "lib", "/var/log": "log"}

MAX_INTERFACE_NAME = 15
CONTROL_GROUPS = Path("/sys/fs/cgroup")

# A kubelet sets these for the whole kernel. On these machines it writes into copies.
KERNEL_SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


@dataclass(frozen=True)
class Network:
    """The addresses of a cluster: 10.NUMBER.0.0/16, with the host at .0.254 and the hub at .0.1."""

    name: str
    number: int

    def __post_init__(self) -> None:
        if len(self.name) > MAX_INTERFACE_NAME:
            raise ValueError(f"{self.name} is too long for the name of a network interface")

    @property
    def host_address(self) -> str:
        return f"10.{self.number}.0.254"

    @property
    def hub_address(self) -> str:
        return f"10.{self.number}.0.1"

    @property
    def cidr(self) -> str:
        """All addresses of machines and pods."""
        return f"10.{self.number}.0.0/16"

    def node_address(self, node: int) -> str:
        return f"10.{self.number}.0.{10 + node}"

    def pod_cidr(self, node: int) -> str:
        return f"10.{self.number}.{node}.0/24"


class Machine:
    """A network namespace NAME, and in it a first process with namespaces for everything else."""

    def __init__(self, name: str, host_name: str, folder: Path, *, stays: bool = False) -> None:
        self.name = name
        self.host_name = host_name
        self.folder = folder
        netns = [str(binaries.debian("nsenter")), f"--net=/var/run/netns/{name}", "--"]
        unshare = [
            str(binaries.debian("unshare")),
            "--fork",
            "--pid",
            "--kill-child",
            "--mount",
            "--uts",
            "--mount-proc",
        ]
        first = [*unshare, "sh", str(folder / "machine.sh")]
        self._first = Process(first, folder / "machine.log", enter=netns, stays=stays)
        self._pid = 0

    def start(self) -> None:
        """Create it; its network namespace has only a loopback until it is connected."""
        (self.folder / "kernel").mkdir(parents=True)
        (self.folder / "machine.sh").write_text(self._script(), encoding="utf-8")
        for own in OWN_FOLDERS.values():
            (self.folder / own).mkdir()
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")
        self._first.start()
        self._first.wait_until((self.folder / "ready").exists, f"machine {self.name}")
        children = Path(f"/proc/{self._first.pid}/task/{self._first.pid}/children")
        self._pid = int(children.read_text(encoding="utf-8").split()[0])

    @property
    def pid(self) -> int:
        """The ID of its first process on the host."""
        return self._pid

    @property
    def enter(self) -> list[str]:
        """The start of a command that runs the rest on this machine."""
        namespaces = ["--mount", "--uts", "--net", "--pid"]
        return [str(binaries.debian("nsenter")), f"--target={self._pid}", *namespaces, "--"]

    def run(self, *argv: str | Path) -> str:
        """Run a program on this machine and return what it prints."""
        return run(argv, enter=self.enter)

    def _script(self) -> str:
        lines = ["set -e", "mount --make-rshared /"]
        lines += [f"echo {self.host_name} > /proc/sys/kernel/hostname", "echo 1 > /proc/sys/net/ipv4/ip_forward"]
        for setting in KERNEL_SETTINGS:
            copy = shlex.quote(str(self.folder / "kernel" / setting.replace("/", ".")))
            lines += [f"cat /proc/sys/{setting} > {copy}", f"mount --bind {copy} /proc/sys/{setting}"]
        for path, own in OWN_FOLDERS.items():
            lines.append(f"mount --bind {shlex.quote(str(self.folder / own))} {path}")
        # `wait` reaps the orphans of this machine too.
        lines += [f"touch {shlex.quote(str(self.folder / 'ready'))}", "while :; do sleep 1000000 & wait; done"]
        return "\n".join(lines)


def connect_hub(network: Network, hub: Machine) -> None:
    """Put the bridge on the hub, and a cable from it to the host."""
    ip("-n", hub.name, "link", "add", "bridge", "type", "bridge")
    ip("-n", hub.name, "addr", "add", f"{network.hub_address}/24", "dev", "bridge")
    ip("-n", hub.name, "link", "set", "bridge", "up")
    cable = network.name
    ip("link", "add", cable, "type", "veth", "peer", "name", "host", "netns", hub.name)
    ip("addr", "add", f"{network.host_address}/24", "dev", cable)
    ip("link", "set", cable, "up")
    ip("-n", hub.name, "link", "set", "host", "master", "bridge", "up")


def connect_node(network: Network, hub: Machine, machine: Machine, node: int) -> None:
    """Plug a node into the bridge, and tell the hub and the host the way to its pods."""
    port = f"node-{node}"
    ip("-n", hub.name, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", machine.name)
    ip("-n", hub.name, "link", "set", port, "master", "bridge", "up")
    ip("-n", machine.name, "addr", "add", f"{network.node_address(node)}/24", "dev", "eth0")
    ip("-n", machine.name, "link", "set", "eth0", "up")
    ip("-n", machine.name, "route", "add", "default", "via", network.hub_address)
    way = [network.pod_cidr(node), "via", network.node_address(node)]
    ip("-n", hub.name, "route", "add", *way)
    ip("route", "add", *way)


def ip(*words: str) -> str:
    """Run iproute2."""
    return run([binaries.debian("ip"), *words])


def remove_all(network: str) -> None:
    """End every process of the machines of this network, and delete their namespaces and the host's cable."""
    names = [name for name in _netns_names() if name.startswith(f"{network}-")]

    def gone() -> bool:
        pids = [int(pid) for name in names for pid in ip("netns", "pids", name).split()]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not pids

    wait_until(gone, f"the processes of {names} to end", seconds=30)
    for name in names:
        ip("netns", "del", name)
    # NOTE: a network namespace lives on for minutes while a connection waits in it for its last answers,
    # and the cable with it.
    if Path(f"/sys/class/net/{network}").exists():
        ip("link", "del", network)
    reap()


def _netns_names() -> list[str]:
    folder = Path("/var/run/netns")
    return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []


def make_control_groups(name: str) -> None:
    """Make a control group at the top of each hierarchy: one in version 2, many in version 1."""
    if (CONTROL_GROUPS / "cgroup.controllers").exists():
        for controller in (CONTROL_GROUPS / "cgroup.controllers").read_text(encoding="utf-8").split():
            with suppress(OSError):  # not every host has every controller; the kubelet reports a missing one
                (CONTROL_GROUPS / "cgroup.subtree_control").write_text(f"+{controller}", encoding="utf-8")
        tops = [CONTROL_GROUPS]
    else:
        tops = [entry for entry in CONTROL_GROUPS.iterdir() if entry.is_dir() and not entry.is_symlink()]
    for top in tops:
        (top / name).mkdir(exist_ok=True)


def remove_control_groups(prefix: str) -> None:
    """Delete the control groups at the top of each hierarchy whose names begin so."""
    for top in [*CONTROL_GROUPS.glob(f"{prefix}*"), *CONTROL_GROUPS.glob(f"*/{prefix}*")]:
        wait_until(partial(_removed, top), f"the control group {top} to be empty")


def _removed(group: Path) -> bool:
    for folder, _, _ in os.walk(group, topdown=False):
        Path(folder).rmdir()
    return True


def remove_folder(folder: Path) -> None:
    """Delete the folder of a cluster, whatever is mounted there."""
    if folder.is_symlink() or (folder.exists() and folder.stat().st_uid != os.geteuid()):
        raise RuntimeError(f"{folder} belongs to somebody else")
    mounts.end_users_of(folder)
    mounts.remove(folder)
